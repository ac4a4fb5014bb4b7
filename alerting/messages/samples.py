"""Alerts as they might come, for trying templates and for showing what a message looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy.compose import Ready
from alerting.policy.records import Intent, alert_key
from rules.transition import Facts, Item, Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.policy.records import Kind

_MINUTE_MS = 60_000
_AGENTS = ("a1", "a2")
# N 412, L 21 against 50 % at pace: the worked example of the manual on rules.
_FACTS = Facts(
    asked=412, late=21, open=4, budget_left=20, budget_left_today=38, breach_in_s=720, at_risk=3, waiting=4,
    oldest_wait_ms=95_000, condition="budget_left_today 38 <= 40",
)  # fmt: skip


def sample(
    kind: Kind,
    now_ms: int,
    *,
    rule: str = "sample",
    shop: str = "pinduoduo:s1",
    severity: str = "crit",
    n: int = 0,
    agents: Sequence[str] = (),
) -> Ready:
    """One alert that fires, or is over, on a shop; with conversations about to time out while it fires."""
    over = kind in ("resolved", "ended")
    subject = {"shop": shop}
    key = alert_key(rule, subject)
    since_ms = now_ms - 12 * _MINUTE_MS if kind != "fire" else now_ms
    t = Transition(
        at_ms=now_ms,
        rule=rule,
        subject=subject,
        from_state="firing" if over else "ok",
        to_state={"resolved": "ok", "ended": "ended"}.get(kind, "firing"),
        severity=severity,
        verdict="ok" if over else severity,
        reason="cleared" if over else "rose",
        since_ms=since_ms,
        facts=_FACTS,
        items=() if over else _items(now_ms, agents or _AGENTS),
        n=n,
    )
    intent = Intent(
        f"0.0.{n}-0",
        key,
        f"{key}@{since_ms}",
        "sample",
        "sample",
        "sample",
        kind,
        severity,
        now_ms,
        now_ms,
        t,
    )
    return Ready(intent)


def bare(kind: Kind, now_ms: int) -> Ready:
    """One of which nothing is known but that it is: on a source, without figures."""
    subject = {"source": "erp"}
    key = alert_key("source-silent", subject)
    t = Transition(now_ms, "source-silent", subject, "ok", "firing", "warn", "warn", "rose")
    return Ready(Intent("0.0.0-0", key, f"{key}@1", "sample", "sample", "s", kind, "warn", now_ms, now_ms, t))


def _items(now_ms: int, agents: Sequence[str]) -> tuple[Item, ...]:
    """Three: the first agent's, nobody's, the last agent's."""
    given = ((25, "customer-1042", agents[0]), (48, "customer-2077", ""), (70, "customer-3001", agents[-1]))
    return tuple(
        Item(f"conversation-{left_s}", customer, now_ms - _MINUTE_MS, now_ms + left_s * 1_000, agent)
        for left_s, customer, agent in given
    )
