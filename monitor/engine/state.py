"""A shop as rows of bytes, and back: everything its figures follow from, and nothing that can be derived.

Timers are not stored: they are set again from open rounds, days and conversations. A row is
versioned by ``FORMAT``; the state of another format is not read but folded again from the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from monitor.engine.conversation import Conversation
from monitor.engine.fields import order_of
from monitor.engine.responses import Responses
from monitor.engine.rows import DayRow, LiveRow, ShopRow, TallyRow
from monitor.engine.table import Keys, Shelf, UnitTable
from monitor.engine.units import FirstTally, Unit, UnitTally
from monitor.engine.windows import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from monitor.engine.day import Day
    from monitor.engine.shop import Shop
    from monitor.engine.tallies import Tally

FORMAT: Final = 3


_encode: Final = msgspec.msgpack.Encoder().encode
_shop: Final = msgspec.msgpack.Decoder(ShopRow).decode
_day: Final = msgspec.msgpack.Decoder(DayRow).decode
_live: Final = msgspec.msgpack.Decoder(list[LiveRow]).decode
_quiet: Final = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode


def pack_shop(shop: Shop) -> Iterator[tuple[str, bytes]]:
    """The rows of a shop: ``(part, bytes)``."""
    states = [(m, w, log.floor_ms, log.buckets) for (m, w), log in sorted(shop.state_windows.items())]
    waits = [(m, w, log.floor_ms, log.buckets) for (m, w), log in sorted(shop.wait_windows.items())]
    formed = {number: keys.keys.tobytes() for number, keys in shop.formed.items()}
    row = ShopRow(
        FORMAT,
        shop.agents,
        shop.sources,
        shop.closed,
        formed,
        states,
        waits,
        shop.orders_changed,
        shop.agents_changed,
    )
    yield "shop", _encode(row)
    live = [_pack_live(conversation) for conversation in shop.conversations.values()]
    yield "live", _encode(live)
    for place, block in enumerate(shop.quiet.cut()):
        yield f"quiet {place}", _encode(block)
    for number, day in sorted(shop.days.items()):
        yield f"day {number}", _encode(_pack_day(day))


def _pack_live(conversation: Conversation) -> LiveRow:
    return LiveRow(
        conversation.pack() if conversation.day is not None else b"",
        conversation.base,
        conversation.entries,
        conversation.checkpoint,
        conversation.latest_ms,
    )


def _pack_day(day: Day) -> DayRow:
    return DayRow(
        day.spec,
        [[_pack_tally(tally) for tally in track.tallies] for track in day.tracks],
        [[answers.day.row() for answers in track.responses] for track in day.tracks],
        day.waiting,
        day.formed.keys.tobytes(),
        [keys.keys.tobytes() for keys in day.disputed],
    )


def _pack_tally(tally: Tally) -> TallyRow:
    row = TallyRow(
        (tally.open, tally.late, tally.good), tally.asked.buckets, tally.missed.buckets, tally.agents
    )
    if isinstance(tally, UnitTally):
        row.units = {key: (unit.rounds, unit.ask_ms, unit.missed_ms) for key, unit in tally.units.items()}
        row.rest_keys = tally.at_rest.keys.tobytes()
        row.rest_asked = tally.at_rest.asked.tobytes()
        row.rest_more = tally.at_rest.more
    if isinstance(tally, FirstTally):
        row.firsts = {unit: (ask, (key[0], key[1], key[4])) for unit, (ask, key) in tally.firsts.items()}
    return row


def unpack_shop(shop: Shop, rows: Mapping[str, bytes], now_ms: int) -> None:
    """Take a fresh shop back to what its rows say, and set its timers for a clock at ``now_ms``."""
    row = _shop(rows["shop"])
    shop.agents, shop.sources, shop.closed = row.agents, row.sources, row.closed
    shop.online_agents = sum(agent[3] == "online" for agent in row.agents.values())
    shop.formed = {number: Keys(keys) for number, keys in row.formed.items()}
    shop.orders_changed, shop.agents_changed = row.orders_changed, row.agents_changed
    for part in sorted(rows):
        if part.startswith("day "):
            _unpack_day(shop, int(part[4:]), _day(rows[part]))
    for measure, width, floor_ms, buckets in row.states:
        if (states := shop.state_windows.get((measure, width))) is not None:
            states.floor_ms, states.buckets = floor_ms, buckets
    for measure, width, floor_ms, buckets in row.waits:
        if (waits := shop.wait_windows.get((measure, width))) is not None:
            waits.floor_ms, waits.buckets = floor_ms, buckets
    places = sorted(int(part[6:]) for part in rows if part.startswith("quiet "))
    shop.quiet = Shelf.of([_quiet(rows[f"quiet {place}"]) for place in places])
    for live in _live(rows["live"]):
        _unpack_live(shop, live, now_ms)


def _unpack_day(shop: Shop, number: int, row: DayRow) -> None:
    day = shop.begin(number, row.spec)
    for track, packed in zip(day.tracks, row.tallies, strict=True):
        for tally, kept in zip(track.tallies, packed, strict=True):
            _unpack_tally(tally, kept)
    for track, kept_track in zip(day.tracks, row.responses, strict=True):
        for answers, responses in zip(track.responses, kept_track, strict=True):
            answers.day = Responses(responses)
    day.waiting = row.waiting
    day.formed = Keys(row.formed)
    day.disputed = tuple(Keys(keys) for keys in row.disputed)
    shop.wheel.after(day.settles_ms, day)


def _unpack_tally(tally: Tally, row: TallyRow) -> None:
    tally.open, tally.late, tally.good = row.units_by_state
    tally.agents = row.agents
    if tally.paced:
        tally.asked, tally.missed = Pace(row.asked), Pace(row.missed)
    if isinstance(tally, UnitTally):
        tally.units = {key: Unit(*packed) for key, packed in row.units.items()}
        tally.at_rest = UnitTable(row.rest_keys, row.rest_asked, row.rest_more)
    if isinstance(tally, FirstTally):
        tally.firsts = {unit: (ask, order_of(*key)) for unit, (ask, key) in row.firsts.items()}


def _unpack_live(shop: Shop, row: LiveRow, now_ms: int) -> None:
    if not row.head:
        return
    conversation = Conversation.woken(shop, row.head)
    conversation.base, conversation.entries, conversation.checkpoint = row.base, row.entries, row.checkpoint
    conversation.latest_ms = row.latest_ms
    shop.conversations[conversation.id] = conversation
    shop.wheel.after(row.latest_ms + shop.spec.lateness_ms, conversation)
    for r in conversation.open:
        deadline_ms = r.next_deadline_ms(now_ms) if r.ask_ms >= 0 else None
        shop.set_deadline(r, deadline_ms)
        if deadline_ms is not None:
            shop.arm_marks(r, now_ms)
