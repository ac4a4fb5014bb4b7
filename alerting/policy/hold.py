"""Until when what is due is held, by which step, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from alerting import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.policy.rulings import Policy
    from alerting.policy.silence import Silences


class Hold(NamedTuple):
    """Held until ``until_ms`` by ``step`` (silence, mute, inhibit); ``until_ms`` 0: nothing holds it."""

    until_ms: int
    step: str = ""
    name: str = ""  # of the mute time or silence
    reason: str = ""

    @classmethod
    def for_ever(cls, step: str, reason: str) -> Hold:
        """Held until something releases it."""
        return cls(limits.NEVER_MS, step, "", reason)

    def __bool__(self) -> bool:
        """Whether anything holds it."""
        return bool(self.until_ms)


NONE = Hold(0)


def hold(policy: Policy, silences: Silences, labels: Mapping[str, str], node: str, due_ms: int) -> Hold:
    """What holds an alert that is due at ``due_ms``.

    One may hold it to where another begins: a silence until 22:30 and a night from 22:00 hold it until the
    morning. The first of them is named.
    """
    at_ms, found = due_ms, NONE
    while True:
        silence = silences.active(labels, at_ms)
        muted_ms, mute = policy.muted_until(node, at_ms)
        if silence:
            at_ms, by = silence.until_ms, ("silence", silence.id, f"silence {silence.id} by {silence.who}")
        elif muted_ms:
            at_ms, by = muted_ms, ("mute", mute, f"mute time {mute}")
        else:
            return found
        found = Hold(at_ms, *(found[1:] if found else by))
