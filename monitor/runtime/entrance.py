"""The way in: a batch is durable in the journal before its sender is told what became of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from monitor.engine import limits as engine_limits
from monitor.engine.fields import content_of, fields_of, seed_of
from monitor.engine.ids import NEW, REUSED, Ids
from monitor.runtime import limits
from monitor.sources.wire import pack_events, unpack_events
from monitor.store.journal_reader import JournalError, JournalReader, Kind
from monitor.web.ports import EntranceClosedError, Receipt, Refused
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from monitor.engine.events import Event
    from monitor.runtime.backlog import Backlog
    from monitor.runtime.ports import DeadLetters
    from monitor.runtime.worker_thread import WorkerThread
    from monitor.sources.found import Rejected
    from monitor.store.journal import Journal
    from monitor.store.journal_reader import Appended, Mark

STARTING = Text("正在启动，读取已收事件的编号，暂不接收事件", "ingest: starting, reading which ids were seen")
STOPPING = Text("正在停止，不再接收事件", "ingest: the daemon is stopping")


class Entrance:
    """Implements ``monitor.web.ports.EntrancePort`` over the journal.

    Ids are checked when a batch has been committed, in the order of the log and at the log's arrival:
    as the engine does it, so that both say the same, and nothing need be taken back when a commit fails.

    Args:
        journal: Where batches go.
        backlog: What is taken and not folded yet; who sends much waits for it.
        dead_letters: Where refused ones go.
        lateness_ms: Ids are remembered for twice this.
    """

    def __init__(
        self,
        journal: Journal,
        backlog: Backlog,
        dead_letters: DeadLetters,
        lateness_ms: int = engine_limits.LATENESS_MS,
    ) -> None:
        self._journal, self._dead_letters, self._lateness_ms = journal, dead_letters, lateness_ms
        self.backlog = backlog
        self._ids = Ids(lateness_ms)
        self.closed: Text | None = STARTING  # why nothing is taken; None: it is
        self.heard: dict[str, int] = {}  # source → when it was last heard, epoch ms
        self.accepted = 0

    async def open(self, thread: WorkerThread) -> None:
        """Remember the ids of the journal's tail, then take events.

        The tail is at most ``IDS_MAX`` events long, in the thread so that probes are answered meanwhile.
        """
        reader = self._journal.reader()
        try:
            self._ids, heard = await thread.run(remember, reader, self._lateness_ms)
        finally:
            reader.close()
        self.heard.update(heard)
        self.closed = None

    def close(self) -> None:
        """Take nothing any more."""
        self.closed = STOPPING

    async def accept(self, source: str, events: Sequence[Event], arrival_ms: int) -> Receipt:  # noqa: ARG002 - the log's own arrival, taken later, is never less
        """Make a batch durable and say what became of it; see ``EntrancePort``.

        A large batch becomes several records, so that no step of the shard is long.
        """
        await self.backlog.enter(source, len(events))
        receipts, left = list[Receipt](), len(events)
        try:
            for place in range(0, len(events), limits.STEP_EVENTS):
                part = events[place : place + limits.STEP_EVENTS]
                durable = self._put(source, part, place)
                left -= len(part)
                receipts.append(await durable)
        except JournalError as error:
            raise _closed(error) from error
        finally:
            self.backlog.leave(left)
        return Receipt(
            accepted=sum(receipt.accepted for receipt in receipts),
            duplicates=sum(receipt.duplicates for receipt in receipts),
            rejected=tuple(refused for receipt in receipts for refused in receipt.rejected),
        )

    async def follow(self, source: str, events: Sequence[Event], mark: Mark) -> Receipt:
        """Make what was read of a file durable, together with how far it was read.

        Args:
            source: Of the events.
            events: At most ``STEP_EVENTS``, since they become one record; none: only the mark is set.
            mark: What says how far.

        Raises:
            EntranceClosedError: Nothing was taken, and the mark is where it was.
        """
        try:
            if events:
                durable = self._put(source, events, 0, (mark,))
                self.backlog.events += len(events)  # it waits for the shard by itself
                return await durable
            await asyncio.wrap_future(self._journal.mark((mark,)))
        except JournalError as error:
            raise _closed(error) from error
        return Receipt(0)

    async def refuse(self, source: str, rejected: Sequence[Rejected], arrival_ms: int) -> None:
        """Put into the dead letters what did not decode, or was refused later; see ``EntrancePort``."""
        await self._dead_letters.put(source, rejected, arrival_ms)

    def _put(
        self, source: str, events: Sequence[Event], place: int, marks: Sequence[Mark] = ()
    ) -> asyncio.Future[Receipt]:
        """Put a record in line for the journal; its events are counted by the backlog already."""
        if self.closed:
            raise EntranceClosedError(self.closed.en, mend="send again in a moment")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Receipt] = loop.create_future()

        def settle(done: Future[Appended]) -> None:
            """In the order of the log, also for a sender that has gone: its ids count all the same."""
            receipt, failure = None, done.exception()
            if failure:
                self.backlog.leave(len(events))
            else:
                position, arrival_ms = done.result()
                self.backlog.landed(position, len(events))
                receipt = self._receipt(source, events, place, arrival_ms)
            if answer.done():
                return
            if receipt is not None:
                answer.set_result(receipt)
            else:
                answer.set_exception(failure or AssertionError)

        appended = self._journal.append(source, pack_events(list(events)), len(events), marks)
        appended.add_done_callback(lambda done: loop.call_soon_threadsafe(settle, done))
        return answer

    def _receipt(self, source: str, events: Sequence[Event], place: int, arrival_ms: int) -> Receipt:
        self.heard[source] = arrival_ms
        seen = [verdict_on(self._ids, event, arrival_ms) for event in events]
        reused = tuple(
            Refused(place + n, "reused", f"id {events[n].id!r} came before with other content; use a new id")
            for n, verdict in enumerate(seen)
            if verdict == REUSED
        )
        accepted = seen.count(NEW)
        self.accepted += accepted
        return Receipt(accepted, len(seen) - accepted - len(reused), reused)


def verdict_on(ids: Ids, event: Event, arrival_ms: int) -> int:
    """What the engine will say of the event's id; a heartbeat is of no shop and may repeat."""
    if event.type == "heartbeat":
        return NEW
    seed = seed_of(f"{event.platform}:{event.shop_id}")
    return ids.check(seed, event.id, content_of(fields_of(event)), arrival_ms)


def remember(reader: JournalReader, lateness_ms: int) -> tuple[Ids, dict[str, int]]:
    """Ids of the journal's tail as the engine would hold them, and when each source was last heard."""
    ids, heard = Ids(lateness_ms), dict[str, int]()
    _, last = reader.ends()
    for row in reader.read(_tail(reader, last, lateness_ms)):
        if row.kind is not Kind.EVENTS:
            continue
        heard[row.source] = row.arrival_ms
        for event in unpack_events(row.body):
            verdict_on(ids, event, row.arrival_ms)
    return ids, heard


def _tail(reader: JournalReader, last: int, lateness_ms: int) -> int:
    """The first position whose ids are still remembered after record ``last``."""
    newest = reader.batch(last, 1)
    return reader.position_at(newest[0].arrival_ms - 2 * lateness_ms) if newest else 1


def _closed(error: JournalError) -> EntranceClosedError:
    return EntranceClosedError(error.what, mend=error.mend, code=error.code)
