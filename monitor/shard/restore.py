"""The way back: a shard from what is stored of it."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from monitor.engine.rows import IdRow
from monitor.engine.state import FORMAT
from monitor.errors import MonitorError
from monitor.shard.marks import IDS_PART, PARTS, SHARD_ROW, MarkRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.shard.shard import Shard

_mark = msgspec.msgpack.Decoder(MarkRow).decode


class Head(msgspec.Struct, array_like=True):
    """The first field of a mark, which says how to read the others."""

    format: int


_head = msgspec.msgpack.Decoder(Head).decode
_ids = msgspec.msgpack.Decoder(list[IdRow]).decode


class OtherFormatError(MonitorError):
    """The stored state is of an older format: the shard begins anew, from the beginning of its log."""


def restore(
    shard: Shard, rows: Iterable[tuple[str, str, int, bytes]], floor: int, floor_clock_ms: int
) -> None:
    """Take a fresh shard back; the next record it is given is ``floor``.

    The rows come key by key, the shard's own first, so that no more than a shop's are held. A shop stored
    beyond the floor sleeps through the records it holds already.

    Raises:
        OtherFormatError: Nothing was taken; the log is to be folded again, as far as it reaches.
        MonitorError: A newer slawatch wrote the state.
    """
    engine, platforms = shard.engine, dict[str, str]()  # of each name one text for all shops
    for key, group in groupby(rows, itemgetter(0)):
        parts: dict[str, bytes] = {}
        applied = -1
        for _, part, position, data in group:
            parts[part] = data
            applied = max(applied, position)
        if key == SHARD_ROW[0]:
            row = _restore_mark(shard, parts[SHARD_ROW[1]])
            _restore_ids(shard, parts, max(row.ids_from_ms, floor_clock_ms - engine.ids.horizon_ms))
            continue
        platform, _, shop_id = key.partition(":")
        shop = engine.add_shop(platforms.setdefault(platform, platform), shop_id)
        shard.slumber.lay(shop, *(parts[part] for part in PARTS))
        shard.checkpoints.keep(shop.key, parts)
        if applied >= floor:
            if shop.due_ms <= engine.judged_ms:
                shop.touched()  # at the beginning of a log no second before its first record is looked at
            engine.skips[key] = applied
            engine.skips_until = max(engine.skips_until, applied)
    engine.now_ms = max(engine.now_ms, floor_clock_ms)
    engine.dirty.clear()
    shard.position = floor - 1
    shard.checkpoints.restored(shard, floor)


def plan_in(rows: Iterable[tuple[str, str, int, bytes]]) -> str:
    """The name of the plan that stored rows were made under, by the first of them; empty: there are none.

    Raises:
        OtherFormatError, MonitorError: As ``restore``.
    """
    for key, part, _, data in rows:
        if (key, part) == SHARD_ROW:
            _require_format(data)
            return _mark(data).plan
        break
    return ""


def _require_format(data: bytes) -> None:
    found = _head(data).format
    if found > FORMAT:
        raise MonitorError(
            f"the stored state is of format {found}, this slawatch reads {FORMAT}",
            mend="install the newer version again, or start on a backup made before it ran",
            code="newer_state",
        )
    if found < FORMAT:
        raise OtherFormatError(f"state of format {found}, this slawatch reads {FORMAT}")


def _restore_mark(shard: Shard, data: bytes) -> MarkRow:
    _require_format(data)
    row = _mark(data)
    engine = shard.engine
    engine.go_on_from(row.judged_ms)
    engine.now_ms, shard.since_ms = row.now_ms, row.since_ms
    for source, states, next_ms in row.sources:
        watch = shard.add_source(source.name, row.judged_ms)
        watch.source.restore(source)
        for platform, key in source.packs:
            watch.source.serves(platform, key, engine.spec.of(platform, key))
        watch.states, watch.next_ms = states, next_ms
        if next_ms:
            engine.wheel.at(next_ms, watch)
    return row


def _restore_ids(shard: Shard, parts: Mapping[str, bytes], from_ms: int) -> None:
    """Remember the ids that were remembered at the floor."""
    ids = shard.engine.ids
    for part in sorted(part for part in parts if part.startswith(IDS_PART)):
        rows = _ids(parts[part])
        for one in rows:
            ids.remember(one, from_ms)
        shard.checkpoints.ids.append((part, rows[-1].arrivals[-1]))
