"""What of a shard is to be stored, and from which record its log must be folded again.

State trails: the rows of a shop are those of its last record, and shops are stored at different records.
The **floor** is a record from which on the log brings every shop up to date. What spans shops (clock,
sources) is stored as it was before the floor: a **mark** of it is kept every few seconds, and the floor is
always at one. Ids that are remembered are stored as they come, those of the records before a mark with it.
"""

from __future__ import annotations

from collections import deque
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

from monitor.engine.state import FORMAT
from monitor.shard.marks import IDS_PART, PARTS, SHARD_ROW, Mark, MarkRow, Slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.shard.shard import Shard

MARK_MS: Final = 1_000  # the least time of the log between two marks …
MARK_RECORDS: Final = 100  # … which lie so many records apart: at 20 a second each cost as much as they did …
MARK_MS_MAX: Final = 5_000  # … or so long


_encode = msgspec.msgpack.Encoder().encode
_hashes = msgspec.msgpack.Decoder(dict[str, int]).decode
NOTHING_STORED = _encode({})


class Checkpoints:
    """Which shops changed since they were stored, and the marks a floor can be at."""

    def __init__(self) -> None:
        self.dirty: dict[str, int] = {}  # shop → the first record that changed it since, oldest first
        self.marks: deque[Mark] = deque()
        self.stored: dict[str, bytes] = {}  # shop → part → hash of what is stored, packed
        self.mark_records = MARK_RECORDS
        self.floor = -1  # the last one taken
        self.ids: deque[tuple[str, int]] = deque()  # parts of ids that are stored → their last arrival
        self._ids_taken = 0  # how many ids the marks and the store have

    def before(self, shard: Shard, position: int) -> None:
        """Keep what spans shops as it is before the record at ``position``, every few seconds."""
        if self._is_due(shard.now_ms, position):
            self._mark(shard, position)

    def end(self, shard: Shard) -> None:
        """Keep it as it is behind the last record: what is stored then need not be folded again."""
        if self.marks and self.marks[-1].position <= shard.position:
            self._mark(shard, shard.position + 1)

    def _mark(self, shard: Shard, position: int) -> None:
        ids, self._ids_taken = shard.engine.ids.since(self._ids_taken), shard.engine.ids.taken
        self.marks.append(Mark(position, shard.now_ms, _encode(_pack_mark(shard, position)), ids))

    def _is_due(self, now_ms: int, position: int) -> bool:
        if not self.marks:
            return True
        last = self.marks[-1]
        since_ms = now_ms - last.now_ms
        return since_ms >= MARK_MS and (
            since_ms >= MARK_MS_MAX or position - last.position >= self.mark_records
        )

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
        before = {key: self.stored.get(key, NOTHING_STORED) for key in taken}
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
        parts = dict(zip(PARTS, shard.slumber.rows(shard.engine.shops[key]), strict=True))
        # After a restore a shop may hold more of the log than the shard has come to.
        applied = max(shard.position, shard.engine.skips.get(key, -1))
        before = _hashes(self.stored.get(key, NOTHING_STORED))
        after = self.keep(key, parts)
        for part, data in parts.items():
            # The first is always written: it carries up to which record the shop's rows hold.
            if before.get(part) != after[part] or part == PARTS[0]:
                yield key, part, applied, data

    def keep(self, key: str, parts: Mapping[str, bytes]) -> dict[str, int]:
        """Remember what is stored of a shop by its hashes, and return them."""
        hashes = {part: xxhash.xxh3_64_intdigest(data) for part, data in parts.items()}
        self.stored[key] = _encode(hashes)
        return hashes

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
    clocks = (engine.now_ms, engine.judged_ms, shard.since_ms)
    return MarkRow(FORMAT, position, *clocks, shard.plan_name, engine.ids.oldest_ms, sources)
