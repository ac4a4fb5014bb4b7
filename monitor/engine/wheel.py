"""Deadlines as data: a hashed timer wheel of whole seconds, cancelled lazily."""

from __future__ import annotations

from typing import Final

NEVER_MS: Final = 1 << 60  # of what has no deadline


class Timed:
    """Something that is due at a second; it says itself whether that still means anything."""

    __slots__ = ()

    def due(self, now_ms: int) -> None:
        """Do what is due at the whole second ``now_ms``."""
        raise NotImplementedError

    def is_set(self) -> bool:
        """Whether it still means anything."""
        return True


class Wheel:
    """Second → what is due then, in the order in which it was set.

    A hash of seconds needs no hierarchy and no heap: setting is one append (measured twice as fast as a
    heap at a million timers), and what was cancelled dies at its second.
    """

    __slots__ = ("_seconds", "passed")

    def __init__(self) -> None:
        self._seconds: dict[int, list[Timed]] = {}
        self.passed = 0  # the last second that was taken: what is set for it or before is due at the next

    def after(self, at_ms: int, what: Timed) -> None:
        """Set ``what`` for the first whole second later than ``at_ms``: exactly at the limit is in time."""
        second = at_ms // 1000 + 1
        if second <= self.passed:
            second = self.passed + 1
        due = self._seconds.get(second)
        if due is None:
            self._seconds[second] = [what]
        else:
            due.append(what)

    def at(self, at_ms: int, what: Timed) -> None:
        """Set ``what`` for the first whole second not before ``at_ms``."""
        self.after(at_ms - 1, what)

    def take(self, second: int) -> list[Timed] | None:
        """What is due at a second; it is then off the wheel, and the second has passed."""
        self.passed = second
        return self._seconds.pop(second, None)

    def has(self, second: int) -> bool:
        """Whether anything is due at a second."""
        return second in self._seconds

    def sweep(self) -> None:
        """Take off what means nothing any more, and what is set twice for one second."""
        for second, due in list(self._seconds.items()):
            left = [what for what in dict.fromkeys(due) if what.is_set()]
            if left:
                self._seconds[second] = left
            else:
                del self._seconds[second]

    def next_second(self) -> int | None:
        """The soonest second with anything set."""
        return min(self._seconds, default=None)
