"""Which alerts share a message, and when it may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.policy.rulings import Receiver
    from rules.transition import Transition


def group_key(receiver: Receiver, labels: Mapping[str, str]) -> str:
    """The group of the receiver that an alert of these labels belongs to."""
    name = f"{receiver.name}@{receiver.scope}" if receiver.scope else receiver.name
    return "|".join((name, *(labels.get(label, "") for label in receiver.group_by)))


def held_back(transition: Transition) -> bool:
    """Whether the alert may wait for others: not when critical, nor when conversations are running out."""
    return transition.severity != "crit" and not transition.items


def flush_ms(planned_ms: int, at_ms: int, receiver: Receiver) -> int:
    """When the group's next message may leave; ``planned_ms`` is what was planned last (0: nothing).

    With a wait of 30 s and an interval of 120 s: alerts at 0 and 10 s leave at 30 s; one at 40 s would
    leave at 70 s alone, but not before 150 s; one at 400 s leaves at 430 s.
    """
    if planned_ms >= at_ms:
        return planned_ms
    after_ms = planned_ms + receiver.group_interval_ms if planned_ms else 0
    return max(at_ms + receiver.group_wait_ms, after_ms)
