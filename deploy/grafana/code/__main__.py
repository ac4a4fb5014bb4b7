"""``make dashboards``: write what the code makes to ``deploy/grafana/dashboards``."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.code import agents, alerts, itself, shop, wallboard

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"


def made() -> dict[str, str]:
    """File name → what is in it."""
    boards = wallboard.wallboard(), shop.shop(), agents.agents(), alerts.alerts(), itself.itself()
    built = [one.build() for one in boards]
    texts = {str(one.uid): json.dumps(one, cls=JSONEncoder, ensure_ascii=False, indent=1) for one in built}
    return {f"{uid}.json": f"{text}\n" for uid, text in texts.items()}


if __name__ == "__main__":
    for name, text in made().items():
        (FOLDER / name).write_text(text, "utf-8")
