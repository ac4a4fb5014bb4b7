"""Takes batches from the spool to InfluxDB, oldest first, for ever: nothing leaves the spool unanswered."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from monitor.sinks import influx_limits as limits
from monitor.sinks.influx_link import Answer, Verdict
from monitor.sinks.influx_parcel import Parcel
from monitor.sinks.influx_refused import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.sinks.influx_link import Link
    from monitor.sinks.influx_spool import Spool

log = structlog.get_logger(__name__)
OK, SLOW, DOWN, REFUSED = "ok", "slow", "down", "refused"


@dataclass(frozen=True, slots=True)
class State:
    """How sending goes. ``quarantined``: points that the server will never take."""

    way: str = OK  # slow: fewer at once, as it takes too long; down; refused: somebody must mend something
    words: str = ""
    since_ms: int = 0  # when it went wrong first; 0: it does not
    sent: int = 0  # points that the server has taken since the start
    quarantined: int = 0
    at_once: int = limits.REQUEST_POINTS  # points of one request, at most


class PointSender:
    """One thread that sends.

    Args:
        spool: Where batches rest.
        link: To the server.
        now_ms: The time, for how long something lasts.
    """

    def __init__(self, spool: Spool, link: Link, now_ms: Callable[[], int]) -> None:
        self._spool, self._link, self._now_ms = spool, link, now_ms
        self.state = State()
        self._at_once, self._slow = limits.REQUEST_POINTS, False
        self._parcel: Parcel | None = None  # what is on its way
        self.resting = False  # nothing is there to send, and what became of all before is told
        self._news, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="influx sender", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to send."""
        self._news.set()

    def stop(self) -> None:
        """Stop at once: what was on its way stays in the spool, and is sent again next time."""
        self._stop.set()
        self._news.set()
        end_s = time.monotonic() + limits.STOP_S
        while self._thread.is_alive() and time.monotonic() < end_s:
            self._link.break_off()  # again, should it have connected in between
            self._thread.join(0.01)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            self._news.clear()
            try:
                if not self._in_hand():
                    pause_s, self.resting = 0.0, True
                    self._news.wait()
                    self.resting = False
                    continue
                pause_s = self._pause_s(self._turn(), pause_s)
            except sqlite3.Error as error:  # read-only, no room to forget: never again without a rest
                pause_s = self._pause_s(self._failed(Answer(0, f"spool: {error}")), pause_s)
            except Exception as error:  # nothing foreseen; the batch stays, and the thread must live
                log.exception("batch not sent")
                self._failed(Answer(0, f"not sent: {type(error).__name__}"))
                pause_s = limits.PAUSE_MAX_S
        self._link.close()

    def _in_hand(self) -> Parcel | None:
        """What is on its way; the oldest that waits, if nothing is."""
        if self._parcel is None and (batch := self._spool.take(self._at_once)) is not None:
            self._parcel = Parcel(batch)
        return self._parcel

    def _turn(self) -> Answer | None:
        """One request of what is in hand, which is forgotten once all of it is answered.

        Returns:
            The answer after which to rest, or None.
        """
        parcel = self._parcel
        assert parcel is not None
        answer = None
        try:
            if parcel.left:  # else the spool could not forget it: nothing of it is sent again for that
                answer = self._sent(parcel)
        except zlib.error:
            log.warning("damaged points dropped", points=parcel.left)
            self._spool.lose(parcel.left, "disk")
            parcel.spoil()
        if not parcel.left:
            self._spool.done(parcel.batch, self._now_ms(), parcel.refused)
            self._parcel = None
            self._well()
        elif answer is not None and not parcel.begun:
            self._parcel = None  # until then it may grow, or be too old
        return answer

    def _sent(self, parcel: Parcel) -> Answer | None:
        """Send the next part, and note what became of it; the answer after which to rest, or None."""
        part, before = parcel.next(self._at_once), parcel.left
        answer, lost = self._link.post(part.body), 0
        match answer.verdict:
            case Verdict.STORED:
                parcel.stored()
                self._at_once = min(
                    limits.REQUEST_POINTS, self._at_once + self._at_once // limits.GROWN_BY + 1
                )
            case Verdict.PARTLY:
                lost = parcel.partly(answer)
            case Verdict.WRONG:
                lost = parcel.wrong(answer)
            case Verdict.SMALLER if part.points > 1:
                return self._halve(answer, part.points)
            case Verdict.SMALLER if answer.status == 413 and answer.own:
                lost = parcel.wrong(answer)
            case Verdict.SMALLER if answer.status == 413:  # a proxy that takes not even a line
                return self._failed(replace(answer, because=Verdict.REFUSED))
            case _:
                if answer.status >= 500:  # it says 500 to what is no gzip
                    unpacked(part.body)
                return self._failed(answer)
        if lost:  # thousands may be wrong in the same way: one line in the log
            words = answer.words[:200]
            log.warning("InfluxDB refused points", points=lost, status=answer.status, words=words)
        sent, quarantined = self.state.sent + before - parcel.left - lost, self.state.quarantined + lost
        self.state = replace(self.state, sent=sent, quarantined=quarantined)
        self._well()
        return None

    def _halve(self, answer: Answer, points: int) -> Answer | None:
        """Send half as many at once from now on; after a time-out it is slow until all goes at once again."""
        self._at_once = max(1, min(self._at_once, points) // 2)
        if answer.status == 413:
            return None
        self._slow = True
        log.warning("InfluxDB takes too long", at_once=self._at_once, words=answer.words[:200])
        return self._failed(answer)

    def _well(self) -> None:
        """The server has answered for good: nothing is wrong but that it may be slow."""
        self._slow = self._slow and self._at_once < limits.REQUEST_POINTS
        way = SLOW if self._slow else OK
        if way != self.state.way:
            log.info("InfluxDB takes points again", way=way, waiting=self._spool.points)
        since_ms, words = (self.state.since_ms, self.state.words) if self._slow else (0, "")
        self.state = replace(self.state, way=way, words=words, since_ms=since_ms, at_once=self._at_once)

    def _failed(self, answer: Answer) -> Answer:
        """Note that the server takes nothing, since when and why; the answer."""
        way = REFUSED if answer.verdict is Verdict.REFUSED else DOWN
        words = f"{answer.status} {answer.words}" if answer.status else answer.words
        if way != self.state.way and not self._stop.is_set():
            log.warning("points wait on disk", way=way, words=words[:200])
        now_ms = self._now_ms()
        since_ms = min(self.state.since_ms or now_ms, now_ms)  # a clock that was set back counts from there
        words = words[: limits.WORDS]
        self.state = replace(self.state, way=way, words=words, since_ms=since_ms, at_once=self._at_once)
        return answer

    def _pause_s(self, answer: Answer | None, before_s: float) -> float:
        """The rest before the next try: what the server asks for, else doubled from a second."""
        if answer is None:
            return 0.0
        if answer.retry_after_s:
            return max(answer.retry_after_s, limits.PAUSE_S)
        if answer.verdict is Verdict.REFUSED:
            return limits.OPERATOR_PAUSE_S
        longest_s = min(max(2 * before_s, limits.PAUSE_S), limits.PAUSE_MAX_S)
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - daemons must not come all at once
