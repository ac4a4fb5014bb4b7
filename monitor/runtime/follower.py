"""A followed directory as a source: what is dropped or appended there goes into the journal, once.

How far each file was taken is a mark of the journal, set by the transaction that writes the events: whenever
the process ends, either both are there or neither is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from monitor.runtime import limits
from monitor.runtime.followed_file import Batch, listed, news
from monitor.runtime.worker_thread import WorkerThread
from monitor.sources.follow import Place, Stamp
from monitor.sources.found import Rejected
from monitor.sources.wire import decode_lines
from monitor.store.journal_reader import Mark
from monitor.web.ports import EntranceClosedError
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from monitor.engine.events import Event
    from monitor.runtime.clock import Clock
    from monitor.runtime.entrance import Entrance
    from monitor.runtime.health import Health
    from monitor.sources.follow import FollowedDirectory
    from monitor.store.journal import Journal
    from monitor.web.ports import Receipt

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Place).decode


class Follower:
    """Looks at a directory once a second and takes what is new in its files, one file after the other.

    Args:
        directory: Which.
        journal: Knows how far its files were taken.
        entrance: Where events go, and what was refused.
        clock: When the next look is due.
        health: Told while something cannot be read.
        folded: Returns once the record at a position is folded: nothing more is taken before.
        count: Told a source, how many were accepted and repeated, and what was refused.
    """

    def __init__(
        self,
        directory: FollowedDirectory,
        journal: Journal,
        entrance: Entrance,
        clock: Clock,
        health: Health,
        *,
        folded: Callable[[int], Awaitable[None]],
        count: Callable[[str, int, int, Sequence[Rejected]], None],
    ) -> None:
        self._directory, self._journal, self._entrance = directory, journal, entrance
        self._clock, self._health, self._folded, self._count = clock, health, folded, count
        self._part = f"directory {directory.name}"
        self._keys = f"follow/{directory.name}/"
        self._places: dict[str, Place] = {}  # by the key of its mark
        self._looked: dict[str, Stamp] = {}  # name → as it was when nothing new was left in it

    async def run(self) -> None:
        """Follow for ever."""
        thread = WorkerThread(self._part)
        try:
            self._places = await thread.run(self._restored)
            self._looked = {place.name: place.stamp for place in self._places.values() if any(place.stamp)}
            while True:
                await self._look(thread)
                await self._clock.sleep_until(self._clock.now_ms() + limits.FOLLOW_MS)
        finally:
            thread.close()

    def _restored(self) -> dict[str, Place]:
        reader = self._journal.reader()
        try:
            return {key: _unpack(value) for key, value in reader.marks(self._keys).items()}
        finally:
            reader.close()

    async def _look(self, thread: WorkerThread) -> None:
        """Take all that is new; what cannot be read is told and tried again at the next look."""
        folder, troubles = self._directory.path, list[str]()
        try:
            found = await thread.run(listed, folder, self._directory.files)
        except OSError as error:
            self._tell([_trouble(folder, error)])
            return
        if len(found) > limits.FOLLOWED_FILES:
            troubles.append(f"{folder}: more than {limits.FOLLOWED_FILES} files; move away what was taken")
        for name, stamp in list(found.items())[-limits.FOLLOWED_FILES :]:
            if self._looked.get(name) == stamp:
                continue
            if not name.isprintable():
                troubles.append(f"{folder}: {name!a} is no name to be told or kept; rename it")
                continue
            try:
                await self._read(thread, name)
            except FileNotFoundError:  # renamed or removed meanwhile: the next look finds it, or does not
                continue
            except OSError as error:
                troubles.append(_trouble(folder / name, error))
            else:
                self._looked[name] = stamp
        self._tell(troubles)
        self._notice(found)
        await self._forget(found)

    async def _read(self, thread: WorkerThread, name: str) -> None:
        batches: Iterator[Batch] = news(self._directory.path, name, tuple(self._places.values()))
        while (batch := await thread.run(_next, batches)) is not None:
            await self._take(name, batch)

    async def _take(self, name: str, batch: Batch) -> None:
        """One batch: refused lines to the dead letters, the others with the file's place to the journal.

        Refused lines go first. A crash between the two tells them twice, never not at all.
        """
        source, arrival_ms = self._directory.name, self._clock.now_ms()
        decoded = decode_lines(batch.lines, arrival_ms)
        for event in decoded.events:  # only the way in says where an event came from and when
            event.source = event.received_at = ""
        refused = [self._letter(name, batch.first_line + one.index, one) for one in decoded.rejected]
        if batch.damage:
            damage = Rejected(0, "damaged", f"{batch.damage}; drop it again under another name", b"")
            refused.append(self._letter(name, batch.first_line, damage))
        if refused:
            await self._entrance.refuse(source, refused, arrival_ms)
        key = f"{self._keys}{batch.place.head:016x}/{name}"
        receipt = await self._until_taken(decoded.events, Mark(key, _pack(batch.place)))
        self._places.pop(key, None)  # the newest last
        self._places[key] = batch.place
        reused = [
            self._letter(
                name,
                batch.first_line + decoded.indexes[one.place],
                Rejected(0, one.code, one.reason, msgspec.json.encode(decoded.events[one.place])),
            )
            for one in receipt.rejected
        ]
        if reused:
            await self._entrance.refuse(source, reused, arrival_ms)
        self._count(source, receipt.accepted, receipt.duplicates, refused + reused)

    async def _until_taken(self, events: Sequence[Event], mark: Mark) -> Receipt:
        """Wait while nothing is taken, and while the shard has not folded what came before."""
        while True:
            await self._folded(self._journal.last.position)
            try:
                return await self._entrance.follow(self._directory.name, events, mark)
            except EntranceClosedError as error:
                self._tell([f"waits; {error}"])
                await self._clock.sleep_until(self._clock.now_ms() + limits.FOLLOW_MS)

    def _notice(self, found: Mapping[str, Stamp]) -> None:
        """Say which files wait for the rest of a line, or of themselves, and have not changed for a while."""
        before_ns = (self._clock.now_ms() - limits.FOLLOW_WAITS_MS) * 1_000_000
        waiting = sorted(
            place.name
            for place in self._places.values()
            if place.waits and place.stamp.changed_ns <= before_ns and found.get(place.name) == place.stamp
        )
        if waiting:
            name, some = self._directory.name, "、".join(waiting[:3])
            what = f"{', '.join(waiting[:3])}: not whole; end the last line with a newline, or drop it again"
            zh = f"目录 {name}：{some} 不完整；请以换行结束最后一行，或重新放入"
            self._health.notices[self._part] = Text(zh, f"{self._part}: {what}")
        else:
            self._health.notices.pop(self._part, None)

    async def _forget(self, found: Mapping[str, Stamp]) -> None:
        """Forget files that are gone, the longest untouched first, where more are known than may be."""
        surplus = len(self._places) - limits.FOLLOWED_PLACES
        gone = [key for key, place in self._places.items() if place.name not in found]
        for key in gone[: max(surplus, 0)]:
            await self._entrance.follow(self._directory.name, (), Mark(key, None))
            del self._places[key]
        self._looked = {name: stamp for name, stamp in self._looked.items() if name in found}

    def _letter(self, name: str, line: int, one: Rejected) -> Rejected:
        """A dead letter that names its file and line."""
        return Rejected(line - 1, one.code, f"{name}:{line}: {one.reason}", one.raw)

    def _tell(self, troubles: Sequence[str]) -> None:
        """Say what is wrong while it is; of many things the first three."""
        if not troubles:
            self._health.well(self._part)
            return
        what = f"{self._part}: {'; '.join(troubles[:3])}"
        self._health.failed(self._part, what)


def _next(batches: Iterator[Batch]) -> Batch | None:
    return next(batches, None)


def _trouble(path: Path, error: OSError) -> str:
    return f"{path}: {error.strerror or error}; make it readable for this user"
