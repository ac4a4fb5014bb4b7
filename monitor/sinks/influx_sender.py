"""Takes batches from the spool to InfluxDB, oldest first, for ever: nothing leaves the spool unanswered."""

from __future__ import annotations

import random
import re
import sqlite3
import threading
import time
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from monitor.sinks import influx_limits as limits
from monitor.sinks.influx_link import Answer, Verdict
from monitor.sinks.influx_spool import Refused, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.sinks.influx_link import Link
    from monitor.sinks.influx_spool import Batch, Spool

log = structlog.get_logger(__name__)
_DROPPED = re.compile(r"dropped=(\d+)")
OK, DOWN, REFUSED = "ok", "down", "refused"


@dataclass(frozen=True, slots=True)
class State:
    """How sending goes. ``quarantined``: points that the server will never take."""

    way: str = OK  # ok, down, or refused: somebody must mend something
    words: str = ""
    since_ms: int = 0  # when it went wrong first; 0: it does not
    sent: int = 0  # points that the server has taken since the start
    quarantined: int = 0


class NotNowError(Exception):
    """The server did not take it, and may later."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.words)
        self.answer = answer


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
                batch = self._spool.take()
                if batch is None:
                    pause_s = 0.0
                    self._news.wait()
                    continue
                pause_s = self._pause_s(self._turn(batch), pause_s)
            except sqlite3.Error as error:  # read-only, no room to forget: never send the same without a rest
                spool = Answer(0, f"spool: {error}")
                self._failed(spool)
                pause_s = self._pause_s(spool, pause_s)
            except Exception as error:  # nothing foreseen; the batch stays, and the thread must live
                log.exception("batch not sent")
                self._failed(Answer(0, f"not sent: {type(error).__name__}"))
                pause_s = limits.PAUSE_MAX_S
        self._link.close()

    def _turn(self, batch: Batch) -> Answer | None:
        """Send a batch and forget it; the answer that keeps it, or None."""
        refused: list[Refused] = []
        try:
            self._deliver(batch.body, batch.points, refused)
        except NotNowError as not_now:
            if not_now.answer.status >= 500 and _damaged(batch.body):  # it says 500 to what is no gzip
                self._give_up(batch)
                return None
            self._failed(not_now.answer)
            return not_now.answer
        except zlib.error:
            self._give_up(batch)
            return None
        self._spool.done(batch, self._now_ms(), refused)
        lost = sum(_lost(one) for one in refused)
        if refused:  # thousands may be wrong in the same way: one line in the log
            first = refused[0]
            log.warning("InfluxDB refused points", points=lost, status=first.status, words=first.words[:200])
        if self.state.since_ms:
            log.info("InfluxDB takes points again", waiting=self._spool.points)
        self.state = State(
            sent=self.state.sent + batch.points - lost, quarantined=self.state.quarantined + lost
        )
        return None

    def _give_up(self, batch: Batch) -> None:
        """Forget and count what the disk changed: nobody can read what is left."""
        self._spool.done(batch, self._now_ms())
        self._spool.lose(batch.points, "disk")
        log.warning("damaged points dropped", points=batch.points)

    def _deliver(self, body: bytes, points: int, refused: list[Refused]) -> None:
        """Have it stored, halving what is refused for what is in it, down to the lines that are wrong."""
        if self._stop.is_set():
            raise NotNowError(Answer(0, "stopping"))
        answer = self._link.post(body)
        match answer.verdict:
            case Verdict.STORED:
                return
            case Verdict.PARTLY:
                refused.append(Refused(answer.status, answer.words, unpacked(body).split(b"\n")))
            case Verdict.SPLIT:
                lines = unpacked(body).split(b"\n")
                if points == 1 or len(lines) == 1:
                    refused.append(Refused(answer.status, answer.words, lines))
                    return
                half = len(lines) // 2
                for part in (lines[:half], lines[half:]):
                    self._deliver(packed(b"\n".join(part)), len(part), refused)
            case _:
                raise NotNowError(answer)

    def _failed(self, answer: Answer) -> None:
        way = REFUSED if answer.verdict is Verdict.REFUSED else DOWN
        words = f"{answer.status} {answer.words}" if answer.status else answer.words
        if way != self.state.way and not self._stop.is_set():
            log.warning("points wait on disk", way=way, words=words[:200])
        since_ms = self.state.since_ms or self._now_ms()
        self.state = replace(self.state, way=way, words=words[: limits.WORDS], since_ms=since_ms)

    def _pause_s(self, answer: Answer | None, before_s: float) -> float:
        """The rest before the next try: what the server asks for, else doubled from a second."""
        if answer is None:
            return 0.0
        if answer.retry_after_s:
            return answer.retry_after_s
        if answer.verdict is Verdict.REFUSED:
            return limits.OPERATOR_PAUSE_S
        longest_s = min(max(2 * before_s, limits.PAUSE_S), limits.PAUSE_MAX_S)
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - daemons must not come all at once


def _damaged(body: bytes) -> bool:
    try:
        unpacked(body)
    except zlib.error:
        return True
    return False


def _lost(one: Refused) -> int:
    """How many points of what was refused are not stored."""
    said = _DROPPED.search(one.words)
    return int(said[1]) if said and one.status == 422 else len(one.lines)
