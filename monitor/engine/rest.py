"""A conversation at rest: everything it was folded to, as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from monitor.engine.fields import order_of
from monitor.engine.rounds import Round
from monitor.engine.rows import ConversationRow, RoundRow
from monitor.engine.zone import DAY_MS

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.fold import Fold
    from monitor.engine.shop import Shop


_encode: Final = msgspec.msgpack.Encoder().encode
decode_row: Final = msgspec.msgpack.Decoder(ConversationRow).decode


def pack(fold: Fold, last: tuple[int, int, str]) -> bytes:
    """What stands after the entry ``last``, as bytes."""
    day = fold.day
    assert day is not None
    first_ms = day.start_ms - DAY_MS  # no round of an earlier day can ask who held it
    return _encode(
        ConversationRow(
            fold.id,
            day.number,
            (last[0] - day.start_ms, last[1], last[2]),
            fold.customer,
            fold.human | fold.excluded << 1,
            fold.written,
            fold.first_ms,
            [(since - day.start_ms, who, given) for since, who, given in fold.holders if since >= first_ms],
            [_pack_round(r, day, fold.customer_unit(), r in fold.open) for r in fold.rounds],
        )
    )


def _pack_round(r: Round, day: Day, customer: str, is_open: bool) -> RoundRow:
    opened_ms = r.opened_ms
    return RoundRow(
        r.day.number - day.number,
        r.track.number,
        opened_ms - r.day.start_ms,
        r.ask_ms - opened_ms if r.ask_ms >= 0 else -1,
        r.answer_ms - opened_ms if r.answer_ms >= 0 else -1,
        r.by,
        "" if r.customer == customer else r.customer,
        r.arrival_ms - opened_ms,
        r.robot | r.overnight << 1 | is_open << 2,
        r.served_ms - opened_ms if r.served_ms >= 0 else -1,
        [ask - opened_ms for ask in r.later] if r.later is not None else None,
        r.marks if r.answer_ms < 0 or r.overnight else None,
        (r.key[0], r.key[1], r.key[4]) if r.key is not None else None,
    )


def last_of(shop: Shop, row: ConversationRow) -> tuple[int, int, str]:
    """The order of the last entry in what was packed."""
    start_ms = shop.days[row.day].start_ms if shop.keeps(row.day) else shop.zone.midnight(row.day)
    return (start_ms + row.last[0], row.last[1], row.last[2])


def restore(fold: Fold, row: ConversationRow) -> None:
    """Have a fresh fold stand as packed. Rounds of closed days are left out: they are only totals now."""
    shop = fold.shop
    if not shop.keeps(row.day):
        return
    fold.day = shop.days[row.day]
    fold.customer = row.customer
    fold.human, fold.excluded = bool(row.flags & 1), bool(row.flags & 2)
    fold.written, fold.first_ms = row.written, row.first_ms
    start_ms = fold.day.start_ms
    fold.holders = tuple([(since + start_ms, who, given) for since, who, given in row.holders])
    rounds, still_open = [], []
    for packed in row.rounds:
        if shop.keeps(row.day + packed.day):
            r = _unpack_round(fold, shop.days[row.day + packed.day], packed)
            rounds.append(r)
            if packed.flags & 4:
                still_open.append(r)
    fold.rounds = tuple(rounds)
    fold.open = fold.rounds if len(still_open) == len(rounds) else tuple(still_open)


def _unpack_round(fold: Fold, day: Day, packed: RoundRow) -> Round:
    opened_ms = day.start_ms + packed.opened
    r = Round(fold, day.tracks[packed.track], opened_ms, packed.customer or fold.customer_unit())
    r.key = order_of(*packed.key) if packed.key is not None else None
    r.ask_ms = opened_ms + packed.ask if packed.ask >= 0 else -1
    r.answer_ms = opened_ms + packed.answer if packed.answer >= 0 else -1
    r.by = packed.by
    r.arrival_ms = opened_ms + packed.arrival
    r.robot, r.overnight = bool(packed.flags & 1), bool(packed.flags & 2)
    r.served_ms = opened_ms + packed.served if packed.served >= 0 else -1
    r.later = [opened_ms + ask for ask in packed.later] if packed.later is not None else None
    if r.ask_ms >= 0:
        tallies = r.track.tallies
        if packed.marks is not None:
            r.marks = packed.marks
        else:
            for index, tally in enumerate(tallies):
                r.set_mark(index, tally.mark(r))
        blame = [tally.blamed(r, index) if tally.by_agent else [] for index, tally in enumerate(tallies)]
        r.blame = blame if any(blame) else None
    return r
