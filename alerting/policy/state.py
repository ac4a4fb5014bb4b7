"""What the desk keeps of an alert."""

from __future__ import annotations

from typing import Literal

import msgspec

from alerting.policy.records import Kind
from rules.transition import Transition


class Waiting(msgspec.Struct, array_like=True):
    """An intent that is queued as far as the desk knows.

    ``base_ms`` is when it may go if nothing holds it, ``not_before_ms`` when it may go now.
    """

    kind: Kind
    base_ms: int
    not_before_ms: int


class Way(msgspec.Struct, array_like=True):
    """An alert's way to one receiver on one account."""

    receiver: str
    account: str
    told_ms: int = 0  # when it last took in that the alert fires; 0: never
    queued: dict[str, Waiting] = {}


class Alert(msgspec.Struct):
    """One firing of a rule on a subject, until its end has been told.

    ``transition`` is the last one; ``incident`` stays the same when it fires again before its end was told.
    """

    key: str
    incident: str
    state: Literal["firing", "holding", "ok", "ended"]
    since_ms: int
    transition: Transition
    ways: list[Way]
    acked_by: str = ""

    @property
    def over(self) -> bool:
        """Whether it fires no longer and only its end may still have to be told."""
        return self.state in ("ok", "ended")

    def way(self, receiver: str, account: str) -> Way | None:
        """The way to ``receiver`` on ``account``."""
        return next((w for w in self.ways if (w.receiver, w.account) == (receiver, account)), None)
