"""What of a shard is to be stored, and from which record its log must be folded again.

State trails: the rows of a shop are those of its last record, and shops are stored at different records.
The **floor** is a record from which on the log brings every shop up to date. What spans shops (clock,
sources) is stored as it was before the floor: a **mark** of it is kept for each second, and the floor is
always at one. Ids that are remembered are stored as they come, those of the records before a mark with it.
"""

from __future__ import annotations

from collections import deque
from itertools import groupby, islice, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import xxhash

from monitor.engine.rows import IdRow, SourceRow
from monitor.engine.state import FORMAT, pack_shop, unpack_shop
from monitor.errors import MonitorError
from monitor.watch import ShopWatch
from rules.transition import RuleState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.shard import Shard

MARK_MS = 1_000  # the least time of the log between two marks
SHARD_ROW = ("", "mark")
IDS_PART = "ids "  # and the floor, in digits that sort: ids of the records up to it


class OtherFormatError(MonitorError):
    """The stored state is of an older format: the shard begins anew, from the beginning of its log."""


class Mark(NamedTuple):
    """What spans shops, before the record at ``position``, with the ids that came since the mark before."""

    position: int
    now_ms: int
    row: bytes  # MarkRow
    ids: IdRow | None  # None: they are stored


class Slice(NamedTuple):
    """All rows of some shops, and the floor once they are stored."""

    rows: Sequence[tuple[str, str, int, bytes | None]]
    floor: int
    floor_clock_ms: int
    taken: dict[str, int]  # shop → the record since which it had changed
    hashes: dict[str, dict[str, int]]  # shop → part → hash of what the slice stores, as it was before
    marks: Sequence[Mark]  # those up to the floor, as they were before
    ids: Sequence[tuple[str, int]]  # the parts of ids, as they were before


class MarkRow(msgspec.Struct, array_like=True):
    """What spans shops, before the record at ``position``."""

    format: int
    position: int
    now_ms: int
    judged_ms: int
    since_ms: int
    ids_from_ms: int  # the first arrival whose ids are remembered
    sources: list[
        tuple[SourceRow, dict[str, RuleState], int]
    ]  # with the states of its rules, and its next look


class WatchRow(msgspec.Struct, array_like=True):
    """The rules on one shop."""

    day: int
    next_ms: int
    changed: bool
    retracted: bool
    states: dict[str, tuple[int, RuleState]]  # rule → hash of its meaning, state


_encode = msgspec.msgpack.Encoder().encode
_mark = msgspec.msgpack.Decoder(MarkRow).decode
_format = msgspec.msgpack.Decoder(list[Any]).decode
_ids = msgspec.msgpack.Decoder(list[IdRow]).decode
_watch = msgspec.msgpack.Decoder(WatchRow).decode


class Checkpoints:
    """Which shops changed since they were stored, and the marks a floor can be at."""

    def __init__(self) -> None:
        self.dirty: dict[str, int] = {}  # shop → the first record that changed it since, oldest first
        self.marks: deque[Mark] = deque()
        self.stored: dict[str, dict[str, int]] = {}  # shop → part → hash of what is stored
        self.floor = -1  # the last one taken
        self.ids: deque[tuple[str, int]] = deque()  # parts of ids that are stored → their last arrival
        self._ids_taken = 0  # how many ids the marks and the store have

    def before(self, shard: Shard, position: int) -> None:
        """Keep what spans shops as it is before the record at ``position``, once a second."""
        if not self.marks or shard.now_ms - self.marks[-1].now_ms >= MARK_MS:
            ids, self._ids_taken = shard.engine.ids.since(self._ids_taken), shard.engine.ids.taken
            self.marks.append(Mark(position, shard.now_ms, _encode(_pack_mark(shard, position)), ids))

    def after(self, shard: Shard, position: int) -> None:
        """Note which shops the record at ``position`` changed."""
        changed = shard.engine.dirty
        for key in changed:
            self.dirty.setdefault(key, position)
        changed.clear()

    def restored(self, shard: Shard, floor: int) -> None:
        """Go on from a floor."""
        self.floor, self._ids_taken = floor, shard.engine.ids.taken

    def forget(self) -> None:
        """Nothing of what changed is to be stored: a log that is replayed."""
        self.dirty.clear()
        self.marks.clear()

    def take(self, shard: Shard, shops_max: int) -> Slice | None:
        """The rows of up to so many shops, those changed longest ago first; without any, the floor alone."""
        taken = dict(list(self.dirty.items())[:shops_max])
        first = next(islice(self.dirty.values(), len(taken), None), shard.position + 1)
        passed = list(takewhile(lambda mark: mark.position <= first, self.marks))
        if not passed or not (taken or passed[-1].position > self.floor):
            return None
        for key in taken:
            del self.dirty[key]
        mark, ids = passed[-1], list(self.ids)
        for _ in passed:
            self.marks.popleft()
        self.marks.appendleft(mark._replace(ids=None))
        self.floor = mark.position
        rows: list[tuple[str, str, int, bytes | None]] = [(*SHARD_ROW, mark.position - 1, mark.row)]
        rows += self._id_rows(passed, mark.now_ms - shard.engine.ids.horizon_ms)
        before = {key: dict(self.stored.get(key, {})) for key in taken}
        for key in taken:
            rows += self._rows(shard, key)
        return Slice(rows, mark.position, mark.now_ms, taken, before, passed, ids)

    def _id_rows(self, passed: Sequence[Mark], from_ms: int) -> Iterable[tuple[str, str, int, bytes | None]]:
        """The ids of the records up to the last mark, and those parts deleted that nobody asks for again."""
        key, floor = SHARD_ROW[0], passed[-1].position
        found = [mark.ids for mark in passed if mark.ids is not None and mark.ids.keys]
        if found:
            part = f"{IDS_PART}{floor:016d}"
            self.ids.append((part, found[-1].arrivals[-1]))
            yield key, part, floor - 1, _encode(found)
        while self.ids and self.ids[0][1] < from_ms:
            part, _ = self.ids.popleft()
            yield key, part, floor - 1, None

    def _rows(self, shard: Shard, key: str) -> Iterable[tuple[str, str, int, bytes | None]]:
        platform, _, shop_id = key.partition(":")
        shop = shard.engine.shops[platform, shop_id]
        parts = dict(pack_shop(shop))
        parts["watch"] = _encode(_pack_watch(shard, key))
        # After a restore a shop may hold more of the log than the shard has come to.
        applied = max(shard.position, shard.engine.skips.get(key, -1))
        stored = self.stored.setdefault(key, {})
        for part in [part for part in stored if part not in parts]:
            del stored[part]
            yield key, part, applied, None
        for part, data in parts.items():
            digest = xxhash.xxh3_64_intdigest(data)
            # The watch is always written: it carries up to which record the shop's rows hold.
            if stored.get(part) != digest or part == "watch":
                stored[part] = digest
                yield key, part, applied, data

    def failed(self, slice_: Slice) -> None:
        """Put back what a slice took: it is not stored."""
        self.dirty = dict(sorted((self.dirty | slice_.taken).items(), key=lambda item: item[1]))
        self.stored.update(slice_.hashes)
        self.marks.popleft()
        self.marks.extendleft(reversed(slice_.marks))
        self.ids, self.floor = deque(slice_.ids), -1


def _pack_mark(shard: Shard, position: int) -> MarkRow:
    engine = shard.engine
    sources = [
        (watch.source.row(), watch.states, watch.next_ms) for _, watch in sorted(shard.sources.items())
    ]
    ids_ms = engine.ids.oldest_ms
    return MarkRow(FORMAT, position, engine.now_ms, engine.judged_ms, shard.since_ms, ids_ms, sources)


def _pack_watch(shard: Shard, key: str) -> WatchRow:
    platform, _, shop_id = key.partition(":")
    shop = shard.engine.shops[platform, shop_id]
    watch = shard.watches.get(key)
    if watch is None:
        return WatchRow(-1, 0, shop.changed, shop.retracted, {})
    states = {rule: (shard.book.meaning_of(rule), state) for rule, state in watch.states.items()}
    states |= {rule: (0, state) for rule, state in watch.removed.items()}
    return WatchRow(watch.day, watch.next_ms, shop.changed, shop.retracted, states)


def restore(
    shard: Shard, rows: Iterable[tuple[str, str, int, bytes]], floor: int, floor_clock_ms: int
) -> None:
    """Take a fresh shard back; the next record it is given is ``floor``.

    The rows come key by key, the shard's own first, so that no more than a shop's are held. A shop stored
    beyond the floor skips the records it holds already.

    Raises:
        OtherFormatError: Nothing was taken; the log is to be folded again, as far as it reaches.
        MonitorError: A newer slawatch wrote the state.
    """
    engine = shard.engine
    for key, group in groupby(rows, itemgetter(0)):
        parts: dict[str, bytes] = {}
        applied = -1
        for _, part, position, data in group:
            parts[part] = data
            applied = max(applied, position)
        if key == SHARD_ROW[0]:
            _restore_mark(shard, parts[SHARD_ROW[1]])
            _restore_ids(shard, parts, floor_clock_ms)
            continue
        unpack_shop(engine.add_shop(*key.split(":", 1)), parts, engine.judged_ms)
        _restore_watch(shard, key, parts["watch"], ahead=applied >= floor)
        shard.checkpoints.stored[key] = {part: xxhash.xxh3_64_intdigest(data) for part, data in parts.items()}
        if applied >= floor:
            engine.skips[key] = applied
            engine.skips_until = max(engine.skips_until, applied)
    engine.now_ms = max(engine.now_ms, floor_clock_ms)
    engine.dirty.clear()
    shard.position = floor - 1
    shard.checkpoints.restored(shard, floor)


def _restore_mark(shard: Shard, data: bytes) -> None:
    found = _format(data)[0]
    if found > FORMAT:
        raise MonitorError(
            f"the stored state is of format {found}, this slawatch reads {FORMAT}",
            mend="install the newer version again, or start on a backup made before it ran",
            code="newer_state",
        )
    if found < FORMAT:
        raise OtherFormatError(f"state of format {found}, this slawatch reads {FORMAT}")
    row = _mark(data)
    engine = shard.engine
    engine.now_ms, engine.judged_ms, shard.since_ms = row.now_ms, row.judged_ms, row.since_ms
    for source, states, next_ms in row.sources:
        watch = shard.add_source(source.name, row.judged_ms)
        watch.source.restore(source)
        for platform, key in source.packs:
            watch.source.serves(platform, key, engine.spec.of(platform, key))
        watch.states, watch.next_ms = states, next_ms
        if next_ms:
            engine.wheel.at(max(next_ms, row.judged_ms + 1), watch)


def _restore_ids(shard: Shard, parts: Mapping[str, bytes], floor_clock_ms: int) -> None:
    """Remember the ids that were remembered at the floor."""
    ids, row = shard.engine.ids, _mark(parts[SHARD_ROW[1]])
    from_ms = max(row.ids_from_ms, floor_clock_ms - ids.horizon_ms)
    for part in sorted(part for part in parts if part.startswith(IDS_PART)):
        rows = _ids(parts[part])
        for one in rows:
            ids.remember(one, from_ms)
        shard.checkpoints.ids.append((part, rows[-1].arrivals[-1]))


def _restore_watch(shard: Shard, key: str, data: bytes, *, ahead: bool) -> None:
    row = _watch(data)
    platform, _, shop_id = key.partition(":")
    shop = shard.engine.shops[platform, shop_id]
    shop.retracted = row.retracted
    watch = shard.watches[key] = ShopWatch(shop, shard)
    if row.day >= 0:
        watch.begin(row.day)
        for rule, (meaning, state) in row.states.items():
            kept = meaning and meaning == shard.book.meaning_of(rule)
            (watch.states if kept else watch.removed)[rule] = state
    judged_ms = shard.engine.judged_ms
    for state in watch.states.values():
        if state.due_ms:
            watch.at(max(state.due_ms, judged_ms + 1))
    if watch.states:
        watch.at(max(shop.zone.midnight(watch.day + 1), judged_ms + 1))
    if row.next_ms:
        watch.next_ms = row.next_ms
        watch.at(max(row.next_ms, judged_ms + 1))
    if row.changed or watch.removed or any(lookout.watched.judge.timed for lookout in watch.lookouts):
        shop.touched()
    if ahead:
        shop.touched()
