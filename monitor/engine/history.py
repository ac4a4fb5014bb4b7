"""Days that are closed, as totals: what 7d and 30d are summed from, packed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from monitor.engine.limits import DAYS_KEPT
from monitor.engine.rows import Totals

if TYPE_CHECKING:
    from monitor.engine.packer import Packer

_encode: Final = msgspec.msgpack.Encoder().encode
_days: Final = msgspec.msgpack.Decoder(dict[int, bytes]).decode
_totals: Final = msgspec.msgpack.Decoder(Totals).decode


def with_day(packed: bytes, packer: Packer, number: int, totals: Totals) -> bytes:
    """The days that are closed and one more, of which the oldest goes."""
    closed = _closed(packed, packer)
    closed[number] = _encode(totals)
    return packer.small(_encode({day: closed[day] for day in sorted(closed)[-DAYS_KEPT:]}))


def totals_of(packed: bytes, packer: Packer, first: int, last: int) -> list[Totals]:
    """The totals of the days from ``first`` to ``last``."""
    return [_totals(day) for number, day in _closed(packed, packer).items() if first <= number <= last]


def _closed(packed: bytes, packer: Packer) -> dict[int, bytes]:
    return _days(packer.unzip(packed)) if packed else {}
