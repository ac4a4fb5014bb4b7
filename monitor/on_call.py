"""What will go wrong some night, said by day: hours nobody is on call, people who cannot be told, twins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from alerting.config.duty import contact_notices, gap_notices
from alerting.config.twins import twin_notices
from monitor.configuration import read_yaml
from rules.pack import Text
from rules.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from alerting.config.model import Alerting
    from monitor.configured import Configured
    from monitor.directory import Person
    from monitor.runtime.health import Health

log = structlog.get_logger(__name__)
_OF = "on call "


def on_call_notices(alerting: Alerting, people: Mapping[str, Person], path: Path, now_ms: int) -> list[str]:
    """Each as ``file:line:column: what``; nothing that would keep anything from running.

    Args:
        alerting: The file, as it was read.
        people: Who can be told, and how.
        path: Of the file, for the places.
        now_ms: From when on gaps are looked for.
    """
    contacts = {name: person.contacts() for name, person in people.items()}
    found = [*gap_notices(alerting, now_ms), *contact_notices(alerting, contacts), *twin_notices(alerting)]
    if not found or not path.exists():
        return []
    _, places = read_yaml(path)
    return [str(Problem(str(path), *places[place], text)) for place, text in found]


def tell_on_call(configured: Configured, now_ms: int, health: Health) -> None:
    """Keep the notices where they are seen: in the log, on the page and in ``/readyz``."""
    for known in [name for name in health.notices if name.startswith(_OF)]:
        del health.notices[known]
    path = configured.base / configured.settings.alerting
    for notice in on_call_notices(configured.alerting, configured.people, path, now_ms):
        health.notices[f"{_OF}{notice}"] = Text(f"值班安排：{notice}", notice)
        log.warning("on call", notice=notice)
