"""What was taken and is not folded yet, and who waits until it is less.

It costs no memory: the journal has it. But the log is one line, and what comes behind a backlog is judged so
much later, whoever sent it. So beyond a limit large batches wait for the shard, the sources by turns, and are
refused when that takes long. Small ones are never held up, heartbeats and webhooks among them: as requests
they cost more than the shard needs for their events, so that they cannot get ahead of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from monitor.runtime import limits
from monitor.web.ports import EntranceClosedError
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Callable

_BUSY = "ingest: more comes than is folded"


class Backlog:
    """Counts events from when they are let in until they are folded.

    Args:
        paced: Whether who sends is held to what the shard folds. One that reads again what it had, or cannot
            go on, says no: to send more slowly would not help it, and what is durable is safe.
        monotonic_s: What tells how long ago something was refused.
    """

    def __init__(self, paced: Callable[[], bool], monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.events = 0  # let in, and not folded
        self.held = 0  # in batches that wait to be let in
        self.refused = 0  # since the start
        self._paced, self._monotonic_s = paced, monotonic_s
        self._records: deque[tuple[int, int]] = deque()  # position and events of each that is not folded
        self._folded = 0  # the furthest position that was
        # Source → batches in line and their events; the source whose turn is next stands first.
        self._lines: dict[str, dict[asyncio.Future[None], int]] = {}
        self._refused_of, self._refused_s = "", float("-inf")  # the last one

    async def enter(self, source: str, events: int) -> None:
        """Return once a batch may go into the journal; its events count from then on.

        Raises:
            EntranceClosedError: It may not, and should be sent again.
        """
        self._let_in()  # who stands in line goes first where it need not wait any more
        if events > limits.SMALL_EVENTS and not self._has_room(events):
            await self._wait(source, events)
        else:
            self.events += events

    def landed(self, position: int, events: int) -> None:
        """Events that were let in are durable as a record."""
        if position <= self._folded:  # the shard was sooner than the news of the commit
            self.leave(events)
        else:
            self._records.append((position, events))

    def leave(self, events: int) -> None:
        """Events that were let in did not become durable."""
        self.events -= events
        self._let_in()

    def folded(self, position: int) -> None:
        """All records up to ``position`` are folded."""
        self._folded = max(self._folded, position)
        while self._records and self._records[0][0] <= position:
            self.events -= self._records.popleft()[1]
        self._let_in()

    @property
    def notices(self) -> tuple[Text, ...]:
        """That batches were refused, for a minute after it."""
        if self._monotonic_s() - self._refused_s > limits.REFUSED_TOLD_S:
            return ()
        what = f"{_BUSY}: batches of {self._refused_of} were answered 429; send less at a time"
        zh = f"事件来得比处理快：来源 {self._refused_of} 的批次被答 429；请放慢发送"
        return (Text(zh, what),)

    def _has_room(self, events: int) -> bool:
        """Whether a batch may pass that came just now: nobody is overtaken."""
        return (not self._lines and self._fits(events)) or not self._paced()

    def _fits(self, events: int) -> bool:
        return self.events + events <= limits.BACKLOG_EVENTS

    async def _wait(self, source: str, events: int) -> None:
        line = self._lines.get(source, {})
        if (
            self.held + events > limits.HELD_EVENTS
            or sum(line.values()) + events > limits.HELD_EVENTS_OF_SOURCE
        ):
            raise self._refusal(source, events)
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(source, line)[turn] = events
        self.held += events
        try:
            await asyncio.wait((turn,), timeout=limits.HELD_S)
        except asyncio.CancelledError:  # the sender has gone
            if not turn.done():
                self._take(source, turn)
                self._let_in()
            else:
                self.leave(events)
            raise
        if turn.done():
            return
        self._take(source, turn)
        self._let_in()  # who stood behind it may have room
        if self._paced():
            raise self._refusal(source, events)
        self.events += events

    def _let_in(self) -> None:
        """Let in who is next, one batch of each source by turns, while there is room, or none is needed."""
        while self._lines:
            source, line = next(iter(self._lines.items()))
            turn, events = next(iter(line.items()))
            if not self._fits(events) and self._paced():
                return
            self._take(source, turn)
            if line:
                self._lines[source] = self._lines.pop(source)
            self.events += events
            turn.set_result(None)

    def _take(self, source: str, turn: asyncio.Future[None]) -> None:
        """Take a batch out of its line."""
        line = self._lines[source]
        self.held -= line.pop(turn)
        if not line:
            del self._lines[source]

    def _refusal(self, source: str, events: int) -> EntranceClosedError:
        self.refused += events
        self._refused_of, self._refused_s = source, self._monotonic_s()
        mend = "send again in a moment, and less at a time"
        return EntranceClosedError(_BUSY, mend=mend, code="busy", retry_after_s=1)
