"""Parts of figures: what one shard's shops add to each subject, at a moment of the shard's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from monitor.engine.responses import Responses
from monitor.engine.rows import ResponsesRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Sums(msgspec.Struct, array_like=True, frozen=True):
    """Sums over shops; the figures are those of shops that are not dark."""

    shops: int = 0
    dark: int = 0  # shops whose figures are not known: a source of theirs is blind or catching up
    partial: int = 0  # shops whose sources were not complete for the whole period
    asked: int = 0
    late: int = 0
    open: int = 0
    expected: int = 0
    newly_asked: int = 0
    newly_late: int = 0
    waiting: int = 0
    manned: int = 0  # shops of which an agent event was ever seen
    online: int = 0
    oldest_ask_ms: int = 0  # of the rounds that wait; 0: none does
    answers: ResponsesRow | None = None


COUNTS = 12  # the fields of Sums that are added, the first of them
AimSums = dict[int, dict[str, Sums]]  # number of the aim → subject → sums


class Part(msgspec.Struct, array_like=True, frozen=True):
    """What a shard's shops add at a whole second of its clock.

    ``ended``: where a service day has ended since the part before, its final sums. ``plan`` names the
    plan that the shard decided by, whose aims the numbers are.
    """

    at_ms: int
    plan: str
    sums: AimSums
    ended: AimSums = {}


def sums_of(counts: Sequence[int], oldest_ask_ms: int, answers: ResponsesRow | None) -> Sums:
    """Sums of what is added, in the order of the fields, and of what is not."""
    shops, dark, partial, *rates, waiting, manned, online = counts
    asked, late, still, expected, newly_asked, newly_late = rates
    return Sums(
        *(shops, dark, partial, asked, late, still, expected, newly_asked, newly_late),
        *(waiting, manned, online),
        oldest_ask_ms=oldest_ask_ms,
        answers=answers,
    )


encode_part = msgspec.msgpack.Encoder().encode
decode_part = msgspec.msgpack.Decoder(Part).decode


def merged(parts: Iterable[AimSums]) -> AimSums:
    """The sums over several shards."""
    every = [part for part in parts if part]
    if len(every) == 1:
        return every[0]
    found: AimSums = {}
    for part in every:
        for aim, subjects in part.items():
            into = found.setdefault(aim, {})
            for subject, sums in subjects.items():
                known = into.get(subject)
                into[subject] = sums if known is None else _both(known, sums)
    return found


def _both(one: Sums, other: Sums) -> Sums:
    ours, theirs = msgspec.structs.astuple(one), msgspec.structs.astuple(other)
    counts = [ours[place] + theirs[place] for place in range(COUNTS)]
    asks = [ask for ask in (one.oldest_ask_ms, other.oldest_ask_ms) if ask]
    return sums_of(counts, min(asks, default=0), _answers(one.answers, other.answers))


def _answers(one: ResponsesRow | None, other: ResponsesRow | None) -> ResponsesRow | None:
    if one is None or other is None:
        return one or other
    total = Responses()
    total.merge(Responses(one))
    total.merge(Responses(other))
    return total.row()
