"""Where in Grafana an alert is seen: the board, its variables, the panel, and the time about it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from alerting.ports import RuleInfo
    from rules.transition import Transition

BEFORE_MS, AFTER_MS = 2 * 3_600_000, 1_800_000  # how it came to be, and what became of it
# Panels of the shop's board, by what an alert watches; of others the board is shown whole.
PANEL_OF_LINE = 9
PANELS = {"waiting": 13, "response_time": 14, "reply_rate": 12}


def chart_of(transition: Transition, rule: RuleInfo) -> str:
    """Path and query of an alert's chart: the same whenever it is asked, so that a repeat is the same."""
    at_ms, subject, facts = transition.at_ms, transition.subject, transition.facts
    when = {"from": str(at_ms - BEFORE_MS), "to": str(at_ms + AFTER_MS)}
    if "shop" not in subject:
        return f"/d/{'slawatch-alerts' if 'account' in subject else 'slawatch-self'}?{urlencode(when)}"
    platform, _, shop = subject["shop"].partition(":")
    asked = {"var-platform": platform, "var-shop": shop}
    if facts.line:
        asked["var-line"] = facts.line
    if facts.measure:
        asked["var-measure"] = facts.measure
    panel = PANEL_OF_LINE if facts.line else PANELS.get(rule.kind)
    shown = {"viewPanel": str(panel)} if panel else {}
    return f"/d/slawatch-shop?{urlencode(asked | when | shown)}"
