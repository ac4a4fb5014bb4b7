"""What will go wrong some night, said by day: hours nobody is on call, and people who cannot be told."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import structlog

from alerting.duty import contact_notices, gap_notices
from monitor.configuration import read_yaml
from monitor.directory import load_people
from rules.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.config import Alerting
    from monitor.configured import Configured
    from monitor.runtime.health import Health
    from monitor.settings import Settings

log = structlog.get_logger(__name__)


def on_call_notices(alerting: Alerting, settings: Settings, base: Path, now_ms: int) -> list[str]:
    """Each as ``file:line:column: what``; nothing that would keep anything from running.

    Args:
        alerting: The file, as it was read.
        settings: Where it is, and people.yaml.
        base: What relative paths start from.
        now_ms: From when on gaps are looked for.
    """
    path = base / settings.alerting
    if not path.exists():
        return []
    contacts = {name: person.contacts() for name, person in load_people(base / settings.people).items()}
    _, places = read_yaml(path)
    found = chain(gap_notices(alerting, now_ms), contact_notices(alerting, contacts))
    return [str(Problem(str(path), *places[place], text)) for place, text in found]


def tell_on_call(configured: Configured, now_ms: int, health: Health) -> None:
    """Keep the notices where they are seen: in the log, on the page and in ``/readyz``."""
    for notice in on_call_notices(configured.alerting, configured.settings, configured.base, now_ms):
        health.notices[f"on call {notice}"] = notice
        log.warning("on call", notice=notice)
