"""What people did about alerts, as it is kept: one row each, and what they thought of a rule's alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Opinion = Literal["false_alarm", "useful"]
What = Literal["acknowledge", "silence", "unsilence", "resolve", "false_alarm", "useful"]
OPINIONS: frozenset[str] = frozenset(get_args(Opinion))
TAKING = frozenset({"acknowledge", "false_alarm"})  # after which nobody needs to be told again


class Act(msgspec.Struct, frozen=True, array_like=True):
    """Somebody did something about an alert.

    ``who`` is the name of a token, ``wecom:USER`` or ``link:RECEIVER NAME``. ``alert`` is its key, or a
    silence's id; ``incident`` one firing of it.
    """

    at_ms: int
    who: str
    what: What
    alert: str
    incident: str = ""
    comment: str = ""

    @property
    def rule(self) -> str:
        """The rule of the alert."""
        return self.alert.partition("|")[0]


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """What people thought of the alerts of a rule."""

    rule: str
    false_alarms: int
    useful: int


def name_of(who: str) -> tuple[str, str]:
    """Who took an alert, by name, and what they said: of ``link:managers 老王: 在看`` 老王 and 在看."""
    head, _, comment = who.partition(": ")
    name = (head.partition(" ")[2] or head) if head.startswith("link:") else head.removeprefix("wecom:")
    return name, comment


def closed_since(acts: Iterable[Act], rose_ms: int) -> bool:
    """Whether somebody closed the alert by hand since ``rose_ms``, when its last change came."""
    return any(act.what == "resolve" and act.at_ms >= rose_ms for act in acts)


def taken_by(acts: Iterable[Act], rose_ms: int) -> Act | None:
    """Who has the alert: the first to take it since ``rose_ms``, when its last change came."""
    return next((act for act in acts if act.what in TAKING and act.at_ms >= rose_ms), None)
