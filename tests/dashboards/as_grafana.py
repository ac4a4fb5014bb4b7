"""Dashboards as Grafana reads them: their queries found, and filled in as it fills them in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deploy" / "grafana"
BOARDS = {path.stem: json.loads(path.read_text("utf-8")) for path in (FOLDER / "dashboards").glob("*.json")}
POINTS = 1_000  # about as many as a panel is wide
STEPS_S = (10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
CHOSEN = {"platform": "pinduoduo", "shop": "s1", "line": "pdd-reply", "measure": "reply_rate_3m"}


@dataclass(frozen=True)
class Question:
    """A query of a board: of a panel, a variable or annotations."""

    board: str
    of: str
    query: str
    panel: dict

    @property
    def name(self) -> str:
        return f"{self.board} {self.of}"


def questions() -> list[Question]:
    found = []
    for uid, board in BOARDS.items():
        for panel in board["panels"]:
            found += [
                Question(uid, f"{panel['id']} {panel['title']} {target['refId']}", target["query"], panel)
                for target in panel["targets"]
            ]
        for one in board["templating"].get("list", []):
            found.append(Question(uid, f"variable {one['name']}", one["query"]["query"], {}))
        for one in board["annotations"].get("list", []):
            found.append(Question(uid, f"annotations {one['name']}", one["query"], {}))
    return found


def filled_in(query: str, bucket: str, start_ms: int, stop_ms: int, chosen=CHOSEN) -> str:
    """The browser's variables first, then the server's: times bare, windows as in Go, names quoted."""
    for name, value in chosen.items():
        query = query.replace(f"${{{name}}}", value)
    every_s = next(step for step in STEPS_S if step * POINTS * 1_000 >= stop_ms - start_ms)
    given = {
        "v.timeRangeStart": stamp(start_ms),
        "v.timeRangeStop": stamp(stop_ms),
        "v.windowPeriod": f"{every_s}s",
        "v.defaultBucket": f'"{bucket}"',
    }
    for name, value in given.items():
        query = query.replace(name, value)
    left = re.findall(r"\$\{?\w+|\bv\.\w+", query)
    assert left == [], f"Grafana does not fill in {left}"
    return query


def stamp(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
