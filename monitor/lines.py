"""Canonical log lines: one for each request, batch, change of an alert, and message to a channel.

Their names and fields are held stable (docs/operations.md): who searches or counts logs may rely on them.
Nothing in them is a text, a customer, a conversation or a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rules.transition import Transition

log = structlog.get_logger("slawatch")

# Asked every few seconds by machines, or parts of a page: told at level `debug`, unless they fail.
_OFTEN = ("/healthz", "/readyz", "/metrics", "/static", "none")
LINES: dict[str, tuple[str, ...]] = {
    "request": ("method", "route", "status", "took_ms"),
    "batch": ("source", "accepted", "duplicates", "rejected"),
    "alert": (
        "rule",
        "subject",
        "from_state",
        "to_state",
        "severity",
        "verdict",
        "reason",
        "at_ms",
        "after_the_fact",
        "shadow",
        "shard",
        "position",
        "n",
    ),
    "delivery": ("delivery", "account", "result", "alerts", "told_after_ms"),
}


def tell_request(method: str, route: str, status: int, took_s: float) -> None:
    """Say what a request was answered. ``route`` is a pattern, never the path."""
    quiet = status < 500 and route.startswith(_OFTEN)  # 503 of a probe is news
    (log.debug if quiet else log.info)(
        "request", method=method, route=route, status=status, took_ms=round(took_s * 1_000, 1)
    )


def tell_batch(source: str, accepted: int, duplicates: int, rejected: int) -> None:
    """Say what became of a batch of events; durable."""
    log.info("batch", source=source, accepted=accepted, duplicates=duplicates, rejected=rejected)


def tell_alerts(transitions: Iterable[Transition]) -> None:
    """Say each change of an alert; a restart says again what it folds again, under the same three numbers."""
    for one in transitions:
        fields = {name: getattr(one, name) for name in LINES["alert"] if name != "subject"}
        subject = " ".join(f"{name}:{value}" for name, value in sorted(one.subject.items()))
        log.info("alert", subject=subject, **fields)


def tell_delivery(delivery: int, account: str, result: str, alerts: int, took_ms: Sequence[int]) -> None:
    """Say what a channel answered to one message; ``told_after_ms``: of its slowest news."""
    log.info(
        "delivery",
        delivery=delivery,
        account=account,
        result=result,
        alerts=alerts,
        told_after_ms=max(took_ms, default=None),
    )
