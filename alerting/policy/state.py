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
    by: str = ""  # the step that holds it; empty: none


class Way(msgspec.Struct, array_like=True):
    """An alert's way to one receiver on one account."""

    receiver: str
    account: str
    told_ms: int = 0  # when it last took in that the alert fires; 0: never
    queued: dict[str, Waiting] = {}
    node: str = ""  # of the tree of routes that led to it
    stage: int = 0  # of the escalation there; 0: told first
    failed_ms: int = 0  # when it was known that the last message did not reach anybody; 0: it may have
    last: str = ""  # the intent that it was told by last

    @property
    def only_repeats(self) -> bool:
        """Whether nothing waits but that it may be told again some day."""
        return all(waiting.kind == "repeat" for waiting in self.queued.values())


class Chain(msgspec.Struct, array_like=True):
    """An escalation as it was when the alert was led to it; a later change of the file leaves it alone.

    ``steps`` are ``after_ms`` and ``unaccepted_ms`` of the stages 1, 2 …; ``start_ms`` is when its first
    stage could be told.
    """

    name: str
    steps: list[tuple[int, int]]
    start_ms: int


class Alert(msgspec.Struct):
    """One firing of a rule on a subject, until its end has been told.

    ``transition`` is the last one; ``incident`` stays the same when it fires again before its end was told.
    One that was ``closed`` by hand is over, and kept until its rule says so too.
    """

    key: str
    incident: str
    state: Literal["firing", "holding", "ok", "ended", "closed"]
    since_ms: int
    transition: Transition
    ways: list[Way]
    acked_by: str = ""
    ack_until_ms: int = 0  # when the acknowledgement ends by itself; 0: with the alert
    chains: dict[str, Chain] = {}  # node of the tree → the escalation that begins there
    rose_ms: int = 0  # when it began to fire, or last rose

    @property
    def over(self) -> bool:
        """Whether it fires no longer and only its end may still have to be told."""
        return self.state in ("ok", "ended", "closed")

    @property
    def lasts(self) -> bool:
        """Whether its rule has not ended it: it still explains others, though it may be closed."""
        return self.state not in ("ok", "ended")

    def way(self, receiver: str, account: str, intent: str = "") -> Way | None:
        """The way to ``receiver`` on ``account``; of several stages the one that ``intent`` was made for."""
        same = [way for way in self.ways if (way.receiver, way.account) == (receiver, account)]
        made_for = (way for way in same if intent in way.queued)
        return next(made_for, same[0] if same else None)

    def first_ways(self, node: str) -> list[Way]:
        """Those of a node that are told first."""
        return [way for way in self.ways if way.node == node and not way.stage]

    def each_once(self) -> list[Way]:
        """Ways, those who are told at several stages once: by the first of theirs that was told."""
        found: dict[tuple[str, str], Way] = {}
        for way in sorted(self.ways, key=lambda way: (not way.told_ms, way.stage)):
            found.setdefault((way.receiver, way.account), way)
        return [way for way in self.ways if found[way.receiver, way.account] is way]
