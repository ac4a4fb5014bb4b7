"""What is known of a shop while it sleeps: all else of it is bytes, as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.wheel import Timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.engine.packer import Packer


class Sleeper(Timed):
    """Something that is packed while nothing happens in it, and woken by whoever asks for more than is here.

    Args:
        packer: What packs it.
        rouse: Unpacks it.
    """

    __slots__ = (
        "active_ms",
        "busy",
        "calm_until_ms",
        "due_ms",
        "laid_ms",
        "packed",
        "packed_rest",
        "packer",
        "rouse",
        "stirred",
    )

    def __init__(self, packer: Packer, rouse: Callable[[Sleeper], None]) -> None:
        self.packer = packer
        self.rouse = rouse
        self.packed = self.packed_rest = b""  # its rows while it sleeps
        self.due_ms = 0  # when time alone wakes it
        self.calm_until_ms = 0  # until then no rule says anything of it unless a figure moves
        self.active_ms = 0  # when something last happened in it
        self.laid_ms = 0  # when it last lay down because nothing did
        self.busy = False  # an event woke it soon after that: it is not to lie down so soon again
        self.stirred = False  # its rules are to look, though nothing of it may be due

    def wake(self) -> None:
        """Be awake."""
        if self.packed:
            self.rouse(self)

    def due(self, now_ms: int) -> None:
        """Be looked at in this second, if it sleeps and this is the time."""
        if self.packed and self.due_ms <= now_ms:
            self.touched()

    def touched(self) -> None:
        """Something of it has changed."""
        raise NotImplementedError

    def is_set(self) -> bool:
        """Whether it sleeps, and is to be woken."""
        return bool(self.packed)
