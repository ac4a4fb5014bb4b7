"""What passes between desk, store and sender, as values.

The way of one alert: ``Transition`` → ``Intent`` ("tell this receiver on this account, not before …")
→ ``Delivery`` (one message, carrying one or many intents) → ``Result``, which the desk folds again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec
import xxhash

from rules.transition import Transition

# Why somebody is told: it fires, rose, has other items, still fires (later, or after a silence), nobody took
# it, somebody took it long ago, whose time is over; it is over, or its day is.
Kind = Literal[
    "fire",
    "rise",
    "update",
    "repeat",
    "still",
    "escalate",
    "remind",
    "lapsed",
    "resolved",
    "ended",
]
# Of an intent and of a delivery (design §8). An intent that will never be sent is expired.
State = Literal[
    "queued", "sending", "accepted", "delivered", "acknowledged", "failed", "expired", "ambiguous"
]
OVER: frozenset[str] = frozenset({"resolved", "ended"})  # kinds that say an alert no longer fires
TOLD: frozenset[str] = frozenset({"accepted", "delivered", "acknowledged", "ambiguous"})


def alert_key(rule: str, subject: dict[str, str]) -> str:
    """An alert's identity, rule and subject: ``pdd-drift|shop=pinduoduo:s1``."""
    return f"{rule}|{','.join(f'{name}={value}' for name, value in sorted(subject.items()))}"


def short_id(incident: str) -> str:
    """Six characters by which people recognise one alert in two messages."""
    return xxhash.xxh3_64_hexdigest(incident.encode())[:6]


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tell ``receiver`` on ``account`` of one alert, not before a time.

    ``incident`` is one firing of the alert from its beginning to its end; ``group`` says which intents
    of a receiver may share a message.
    """

    id: str
    alert: str
    incident: str
    receiver: str
    account: str
    group: str
    kind: Kind
    severity: str
    created_ms: int
    not_before_ms: int
    transition: Transition
    stage: int = 0  # of its escalation; 0: those who are told first
    who: str = ""  # who had taken the alert, of a reminder and of what lapsed; who closed it by hand
    missed: bool = False  # an end that stands for its beginning too, which quiet hours held

    @property
    def urgent(self) -> bool:
        """Whether it goes before all others: critical, and not merely that it is over."""
        return self.severity == "crit" and self.kind not in OVER


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """One step on an alert's way and why it went so; what ``slawatch why`` prints.

    Steps in order: rule, route, escalate, acknowledge, resolve, inhibit, silence, mute, group, intent,
    settle, throttle, send, receipt.
    """

    alert: str
    at_ms: int
    step: str
    verdict: str
    reason: str


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """Somebody has the alert: nothing more of it until it rises, is over, or the acknowledgement ends.

    ``holds_ms`` is for how long, 0 as the configuration says; ``incident`` which firing is meant, empty: the
    one there is.
    """

    at_ms: int
    alert: str
    who: str
    holds_ms: int = 0
    incident: str = ""


class Silence(msgspec.Struct, frozen=True, tag="silence"):
    """Hold what matches until ``until_ms``; what still fires then is told once.

    ``matcher`` maps labels of alerts (``alerting.policy.match``) to patterns; all must match. One that is
    ``until_resolved`` is over, too, when the last of what it matches is.
    """

    at_ms: int
    id: str
    matcher: dict[str, str]
    until_ms: int
    who: str
    comment: str = ""
    until_resolved: bool = False


class Unsilence(msgspec.Struct, frozen=True, tag="unsilence"):
    """End a silence now."""

    at_ms: int
    id: str
    who: str


class Result(msgspec.Struct, frozen=True, tag="result"):
    """What became of intents, as the sender found: ``intents`` are intent id, alert key and kind.

    Of what was accepted a second one may follow, with what the carrier's receipt says.
    """

    at_ms: int
    state: State
    account: str
    receiver: str
    intents: list[tuple[str, str, Kind]]
    reason: str = ""
    delivery: int = 0  # 0: settled without being sent


class Health(msgspec.Struct, frozen=True, tag="health"):
    """An account stopped working for good (credential, recipient), or works again.

    ``overdue`` is another matter of the same account: what is due there does not leave. ``charts``: it is no
    account but the way to InfluxDB of a process, on which no alert depends.
    """

    at_ms: int
    account: str
    ok: bool
    detail: str = ""
    overdue: bool = False
    charts: bool = False


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """Time passes for the desk: it forgets what is over."""

    at_ms: int


class Resolve(msgspec.Struct, frozen=True, tag="resolve"):
    """Close an alert by hand: it is over until it fires anew or rises, whatever its figures say.

    ``incident`` is which firing is meant; empty: the one there is.
    """

    at_ms: int
    alert: str
    who: str
    incident: str = ""


Input = Ack | Resolve | Silence | Unsilence | Result | Health | Tick


@dataclass(slots=True)
class Changes:
    """What a fold changed; the store commits it together with the cursor, or not at all."""

    rows: dict[tuple[str, str], bytes | None] = field(default_factory=dict)  # (kind, key); None deletes
    intents: list[Intent] = field(default_factory=list)
    moves: dict[str, int] = field(default_factory=dict)  # queued intent → its new not_before_ms
    voids: list[tuple[str, int, str]] = field(default_factory=list)  # queued intent, at_ms, reason
    acknowledged: list[str] = field(default_factory=list)  # incidents
    traces: list[Trace] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the desk has folded: a position for each shard, and the last input's sequence."""

    positions: dict[int, int]
    inputs: int = 0


@dataclass(frozen=True, slots=True)
class Queued:
    """An intent as the sender takes it: with how often a provider refused it as bad."""

    intent: Intent
    fails: int = 0
    again: bool = False  # its last delivery was ambiguous: this one is marked as a possible repeat
    tried: bool = False  # and it was so because nobody answered, not because its sender died


@dataclass(frozen=True, slots=True)
class Sibling:
    """What became of another intent of the same incident on the same account."""

    state: State
    not_before_ms: int
    done_ms: int  # when it reached that state; 0: it has not
    over: bool = False  # it says that the alert is over


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one receiver on one account, written before it is sent."""

    account: str
    receiver: str
    intents: tuple[Intent, ...]
    payload: bytes
    sent_ms: int
    crit: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class AccountState:
    """What the store remembers of an account, so that a restart does not forget its limits."""

    sent: tuple[tuple[int, bool], ...]  # attempts: when, and whether critical; oldest first
    closed_until_ms: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a carrier reported of a message to one phone, by the provider's id."""

    id: str
    delivered: bool
    code: str = ""


@dataclass(frozen=True, slots=True)
class Unreported:
    """An accepted delivery of which no carrier has said yet whether it arrived."""

    delivery: int
    sent_ms: int
    payload: bytes
    ids: tuple[str, ...]  # the provider's, one for each phone


@dataclass(frozen=True, slots=True)
class Waits:
    """An account on which something waits that should have left."""

    account: str
    waiting: int
    oldest_ms: int  # since when it is due


@dataclass(frozen=True, slots=True)
class Flight:
    """A delivery that was being sent when its sender died."""

    delivery: int
    receiver: str
    payload: bytes
    intents: tuple[Intent, ...]
