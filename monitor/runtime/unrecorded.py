"""An alert that no shard can write, since what it would be written into is what fails: told, not recorded."""

from __future__ import annotations

from rules.transition import Facts, Transition

NO_SHARD = -1  # its alert is never written, and its id meets no other


def unrecorded_alert(rule: str, daemon: str, reason: str, condition: str, now_ms: int) -> Transition:
    """That something of a daemon itself fires, critical, for whoever can still be told.

    Args:
        rule: One of the daemon's own.
        daemon: Which of them says it.
        reason: What fails.
        condition: One line about it.
        now_ms: When.
    """
    return Transition(
        at_ms=now_ms,
        rule=rule,
        subject={"daemon": daemon},
        from_state="ok",
        to_state="firing",
        severity="crit",
        verdict="unknown",
        reason=reason,
        facts=Facts(condition=condition),
        shard=NO_SHARD,
        position=now_ms,
    )
