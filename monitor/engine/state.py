"""A shop as rows of bytes, and back: everything its figures follow from, and nothing that can be derived.

Two rows: ``shop`` is what moves, compressed, after what must be known without reading it; ``rest`` is what
seldom moves. Timers are not stored: they are set again from open rounds, days and conversations. A row is
versioned by ``FORMAT``; the state of another format is not read but folded again from the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from monitor.engine.conversation import Conversation
from monitor.engine.entry import Entry
from monitor.engine.fields import order_of
from monitor.engine.figures import Past
from monitor.engine.keys import Keys
from monitor.engine.limits import DAY_KEPT_MS
from monitor.engine.packer import cut
from monitor.engine.responses import Responses
from monitor.engine.rows import BedRow, DayRow, LiveRow, RestRow, ShopRow, TallyRow
from monitor.engine.table import Shelf, UnitTable
from monitor.engine.units import FirstTally, Unit, UnitTally
from monitor.engine.wheel import NEVER_MS
from monitor.engine.windows import Pace

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.rounds import Round
    from monitor.engine.shop import Shop
    from monitor.engine.tallies import Tally
    from monitor.engine.windows import StateLog, WaitLog

FORMAT: Final = 5
STEP_BYTES: Final = 256  # less, and what says how many there are stays two bytes long


# What a shop that sleeps has of everything: one for all, never written to.
NO_CONVERSATIONS: Final[dict[str, Conversation]] = {}
NO_DAYS: Final[dict[int, Day]] = {}
NO_PAST: Final[dict[tuple[int, int], Past]] = {}
NO_FORMED: Final[dict[int, Keys]] = {}
NO_AGENTS: Final[dict[str, tuple[int, int, str, str]]] = {}
NO_ROUNDS: Final[dict[Round, None]] = {}
NO_STATES: Final[dict[tuple[str, int], StateLog]] = {}
NO_WAITS: Final[dict[tuple[str, int], WaitLog]] = {}

_encode: Final = msgspec.msgpack.Encoder().encode
_bed: Final = msgspec.msgpack.Decoder(BedRow).decode
_shop: Final = msgspec.msgpack.Decoder(ShopRow).decode
_rest: Final = msgspec.msgpack.Decoder(RestRow).decode


def pack_shop(shop: Shop, watch: bytes, due_ms: int, calm_until_ms: int) -> tuple[bytes, bytes]:
    """The rows ``shop`` and ``rest`` of a shop that is awake.

    Args:
        shop: Which.
        watch: The rules on it.
        due_ms: When time alone must wake it.
        calm_until_ms: Until when no rule says anything of it unless a figure moves.
    """
    shelf = shop.shelf()
    row = ShopRow(
        shop.agents,
        shop.sources,
        shop.orders_changed,
        shop.agents_changed,
        [(m, w, log.floor_ms, log.buckets) for (m, w), log in sorted(shop.state_windows.items())],
        [(m, w, log.floor_ms, log.buckets) for (m, w), log in sorted(shop.wait_windows.items())],
        [(day, span, past.rates, past.orders) for (day, span), past in shop.past.items()],
        shelf.places.rows(),
        shelf.last,
        [_pack_live(conversation) for conversation in shop.conversations.values()],
        [(number, _pack_day(day)) for number, day in sorted(shop.days.items())],
        watch,
    )
    bed = BedRow(due_ms, calm_until_ms, list(shop.sources), shop.packer.fast(_encode(row)))
    formed = {number: keys.rows for number, keys in shop.formed.items()}
    return _in_steps(bed), _in_steps(RestRow(shop.closed, formed, shelf.counts, shelf.blocks))


def _in_steps(row: BedRow | RestRow) -> bytes:
    """A row as bytes, in a size that other rows have: what lies in its place next fits there.

    Rows grow by some 40 bytes an event, and no shop's new row fitted into any shop's old place.
    """
    row.slack = bytes(-len(_encode(row)) % STEP_BYTES)
    return cut(_encode(row))


def lay(shop: Shop, row: bytes, rest: bytes) -> None:
    """Have a shop sleep as what its rows say: what they were made of is let go."""
    bed = _bed(row)
    shop.due_ms, shop.calm_until_ms = bed.due_ms, bed.calm_until_ms
    shop.packed, shop.packed_rest, shop.sources = row, rest, shop.packer.names(bed.sources)
    for day in shop.days.values():
        day.forget()
    for conversation in shop.conversations.values():
        conversation.leave()
    shop.conversations, shop.days, shop.past, shop.formed = NO_CONVERSATIONS, NO_DAYS, NO_PAST, NO_FORMED
    shop.agents, shop.near, shop.closed, shop.quiet = NO_AGENTS, NO_ROUNDS, b"", None
    shop.state_windows, shop.wait_windows = NO_STATES, NO_WAITS


def _pack_live(conversation: Conversation) -> LiveRow:
    return LiveRow(
        conversation.pack() if conversation.day is not None else b"",
        conversation.base,
        [entry.row() for entry in conversation.entries],
        conversation.checkpoint,
        conversation.latest_ms,
    )


def _pack_day(day: Day) -> DayRow:
    return DayRow(
        msgspec.Raw(day.shop.packer.spec_row(day.spec)),
        [[_pack_tally(tally) for tally in track.tallies] for track in day.tracks],
        [[answers.day.row() for answers in track.responses] for track in day.tracks],
        day.waiting,
        day.formed.rows,
        [keys.rows for keys in day.disputed],
        day.own_bounds(),
    )


def _pack_tally(tally: Tally) -> TallyRow:
    row = TallyRow(
        (tally.open, tally.late, tally.good), tally.asked.buckets, tally.missed.buckets, tally.agents
    )
    if isinstance(tally, UnitTally):
        row.units = {key: (unit.rounds, unit.ask_ms, unit.missed_ms) for key, unit in tally.units.items()}
        row.rest = tally.at_rest.asked.rows()
        row.rest_more = tally.at_rest.more
    if isinstance(tally, FirstTally):
        row.firsts = {unit: (ask, (key[0], key[1], key[4])) for unit, (ask, key) in tally.firsts.items()}
    return row


def unpack_shop(shop: Shop, now_ms: int) -> bytes:
    """Wake a shop, and set its timers for a clock at ``now_ms``; the rules on it."""
    packer = shop.packer
    row, rest = _shop(packer.unzip(_bed(shop.packed).shop)), _rest(shop.packed_rest)
    shop.packed = shop.packed_rest = b""
    shop.begin_anew()
    shop.agents, shop.sources, shop.closed = row.agents, row.sources, rest.closed
    shop.online_agents = sum(agent[3] == "online" for agent in row.agents.values())
    shop.formed = {number: Keys(keys) for number, keys in rest.formed.items()}
    shop.orders_changed, shop.agents_changed = row.orders_changed, row.agents_changed
    for day, span, rates, orders in row.past:
        shop.past[day, span] = Past(rates, orders)
    for number, of_day in row.days:
        _unpack_day(shop, number, of_day, now_ms)
    for measure, width, floor_ms, buckets in row.states:
        if (states := shop.state_windows.get((measure, width))) is not None:
            states.floor_ms, states.buckets = floor_ms, buckets
    for measure, width, floor_ms, buckets in row.waits:
        if (waits := shop.wait_windows.get((measure, width))) is not None:
            waits.floor_ms, waits.buckets = floor_ms, buckets
    shop.quiet = Shelf.of(packer, row.places, rest.blocks, rest.counts, row.last)
    for live in row.live:
        _unpack_live(shop, live, now_ms)
    return row.watch


def _unpack_day(shop: Shop, number: int, row: DayRow, now_ms: int) -> None:
    day = shop.begin(number, shop.packer.spec(bytes(row.spec)))
    if row.bounds:
        day.lie_between(*row.bounds)
    for track, packed in zip(day.tracks, row.tallies, strict=True):
        for tally, kept in zip(track.tallies, packed, strict=True):
            _unpack_tally(tally, kept)
    for track, kept_track in zip(day.tracks, row.responses, strict=True):
        for answers, responses in zip(track.responses, kept_track, strict=True):
            answers.day = Responses(responses)
    day.waiting = row.waiting
    day.formed = Keys(row.formed)
    day.disputed = tuple(Keys(keys) for keys in row.disputed)
    settled = not day.waiting and day.settles_ms < now_ms  # then only its end is left
    shop.wheel.after(day.end_ms + DAY_KEPT_MS - 1 if settled else day.settles_ms, day)


def _unpack_tally(tally: Tally, row: TallyRow) -> None:
    tally.open, tally.late, tally.good = row.units_by_state
    tally.agents = row.agents
    if tally.paced:
        tally.asked, tally.missed = Pace(row.asked), Pace(row.missed)
    if isinstance(tally, UnitTally):
        tally.units = {key: Unit(*packed) for key, packed in row.units.items()}
        tally.at_rest = UnitTable(row.rest, row.rest_more)
    if isinstance(tally, FirstTally):
        tally.firsts = {unit: (ask, order_of(*key)) for unit, (ask, key) in row.firsts.items()}


def _unpack_live(shop: Shop, row: LiveRow, now_ms: int) -> None:
    if not row.head:
        return
    conversation = Conversation.woken(shop, row.head)
    conversation.base, conversation.checkpoint = row.base, row.checkpoint
    conversation.entries = tuple([Entry(*entry) for entry in row.entries])
    conversation.latest_ms = row.latest_ms
    shop.conversations[conversation.id] = conversation
    for r in conversation.open:  # before the conversation may rest: a deadline is then told of
        marks = r.marks
        if r.is_open():
            r.judge(now_ms)
        if r.marks != marks:  # the shop slept through a deadline
            shop.near_moved = True
            shop.touched()
        deadline_ms = r.next_deadline_ms(now_ms)
        shop.set_deadline(r, deadline_ms)
        if deadline_ms < NEVER_MS:
            shop.arm_marks(r, now_ms)
    shop.wheel.after(row.latest_ms + shop.lateness_ms, conversation)
