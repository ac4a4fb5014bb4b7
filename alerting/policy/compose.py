"""Which intents go into the next message of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting import limits
from alerting.policy.records import OVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.policy.records import Intent


@dataclass(frozen=True, slots=True)
class Ready:
    """An intent that may be sent now."""

    intent: Intent
    fails: int = 0
    again: bool = False  # may have been sent already
    missed: bool = False  # an end that stands for its beginning too
    tried: bool = False  # nobody answered when it was sent last; the one more try is this one


@dataclass(frozen=True, slots=True)
class Draft:
    """The next message: what it is to carry, the most important first. It never mixes receivers."""

    receiver: str
    items: tuple[Ready, ...]

    @property
    def urgent(self) -> bool:
        """Whether it carries something critical."""
        return any(item.intent.urgent for item in self.items)

    @property
    def tried(self) -> bool:
        """Whether it is the one more try of something that nobody answered."""
        return any(item.tried for item in self.items)

    @property
    def again(self) -> bool:
        """Whether it may be a repeat; such a message carries nothing new."""
        return self.items[0].again


def compose(due: Sequence[Ready], ended: Sequence[Ready], *, crowded: bool) -> Draft | None:
    """Choose the next message from what is due, the most important first.

    Up to ``limits.SINGLES_MAX`` groups of a receiver leave as messages of their own; more, or an account
    that sends much already, make a digest of all that is due for the receiver. ``ended`` alerts ride with
    several others whether or not they are due.
    """
    if not due:
        return None
    order = sorted(due, key=_importance)
    first = order[0]
    receiver = first.intent.receiver
    mine = [r for r in order if r.intent.receiver == receiver and r.again == first.again]
    groups = {r.intent.group for r in mine}
    if not (first.again or len(groups) > limits.SINGLES_MAX or crowded):
        mine = [r for r in mine if r.intent.group == first.intent.group]
    if len(mine) > 1 and not first.again:
        riding = {r.intent.id for r in mine}
        mine += [r for r in ended if r.intent.receiver == receiver and r.intent.id not in riding]
    return Draft(receiver, tuple(mine))


def _importance(ready: Ready) -> tuple[object, ...]:
    intent = ready.intent
    return not intent.urgent, not ready.again, intent.kind in OVER, intent.not_before_ms, intent.id
