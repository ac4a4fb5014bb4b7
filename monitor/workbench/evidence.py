"""What a figure is made of, as people and scripts read it: of files, or of one shop's events in a journal."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from monitor import limits
from monitor.engine.limits import AHEAD_MS, DAY_KEPT_MS, ORDER_DAYS
from monitor.errors import MonitorError
from monitor.sources.wire import unpack_events
from monitor.store.journal_reader import Kind
from monitor.workbench.explain import explain
from monitor.workbench.report import local_time
from rules.pack import DAY_MS
from rules.problems import closest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.engine.events import Event
    from monitor.shard.shard import Shard
    from monitor.store.journal_reader import JournalReader
    from monitor.workbench.explain import Explained, Unit, Wait
    from monitor.workbench.witness import Witness

    Written = dict[str, Any]
    Show = Callable[[str], str]

KINDS = ("reply_rate", "response_time", "order_rate")
_ROWS_EVENTS = 2_000  # of the journal, read between two pauses: about 5 ms


def evidence(witness: Witness, measure: str, number: int | None, show: Show) -> Written:
    """Write down what a figure of the witness's shop is made of.

    Args:
        witness: Has seen what came of the shop.
        measure: Of the shop's pack.
        number: The service day, days since 1970; None: the one of the clock.
        show: How customers and conversations are shown.

    Raises:
        MonitorError: The pack of that day has no such measure (code ``not_found``).
    """
    shop = f"{witness.platform}:{witness.shop_id}"
    zone = witness.shard.engine.spec.of(witness.platform, shop).zone
    if number is None:
        number = zone.local(witness.shard.now_ms) // DAY_MS
    kind_of(witness.shard, witness.platform, witness.shop_id, measure, number)
    time_of = partial(local_time, zone)
    return _written(explain(witness, measure, number), time_of, show) | {
        "shop": shop,
        "measure": measure,
        "day": time_of(zone.midnight(number))[:10],
        "as_of": time_of(witness.shard.now_ms),
    }


class History(Protocol):
    """A log that is read again."""

    def arrivals(self, witness: Witness, from_ms: int, to_ms: int) -> Iterator[tuple[int, list[Event]]]:
        """What came of the witness's shop in a span of arrival times (epoch ms), in order.

        Raises:
            MonitorError: There is too much of it.
        """

    def begins_ms(self) -> int:
        """The arrival of the first record that is kept, epoch ms; 0: none is."""


def evidence_in(
    history: History, witness: Witness, measure: str, number: int | None, show: Show, *, at_ms: int
) -> Written:
    """The same of the events of a shop in a log, folded again; ``since`` is set where it begins too late.

    Args:
        history: The log.
        witness: A new one, of a plan with quiet gaps and without rules.
        measure: Of the shop's pack.
        number: The service day; None: the one of ``at_ms``.
        show: How customers and conversations are shown.
        at_ms: The clock at the end.

    Raises:
        MonitorError: No such measure, or nothing of that shop (code ``not_found``), or too much of it.
    """
    shard, platform, shop_id = witness.shard, witness.platform, witness.shop_id
    zone = shard.engine.spec.of(platform, f"{platform}:{shop_id}").zone
    if number is None:
        number = zone.local(at_ms) // DAY_MS
    kind = kind_of(shard, platform, shop_id, measure, number)
    begins_ms = zone.midnight(number)
    from_ms = begins_ms - _before_ms(kind, shard.plan.lateness_ms)
    arrivals = history.arrivals(witness, from_ms, min(at_ms, witness.kept_until_ms(number)))
    witness.watch(arrivals, at_ms=at_ms, day=number)
    if witness.shop is None:
        mend = "GET /api/v1/shops lists the shops; see how long `journal.keep` or the topic keeps events"
        what = f"nothing of shop {platform}:{shop_id} in the journal about that day"
        raise MonitorError(what, mend=mend, code="not_found")
    first_ms = history.begins_ms()
    since = local_time(zone, first_ms) if first_ms > begins_ms else None
    return evidence(witness, measure, number, show) | {"since": since}


class JournalHistory:
    """A journal as a log that is read again.

    Args:
        reader: Of the journal.
        pause: Called now and then, to let others work; may raise to end it.
    """

    def __init__(self, reader: JournalReader, pause: Callable[[], object] = lambda: None) -> None:
        self._reader, self._pause = reader, pause

    def begins_ms(self) -> int:
        """The arrival of the first row that is kept."""
        first = self._reader.batch(0, 1)
        return first[0].arrival_ms if first else 0

    def arrivals(self, witness: Witness, from_ms: int, to_ms: int) -> Iterator[tuple[int, list[Event]]]:
        """What came of the witness's shop. A body that does not even name the shop is not unpacked."""
        name, found, reader = witness.shop_id.encode(), 0, self._reader
        position = reader.position_at(from_ms)
        while (rows := reader.batch(position, _ROWS_EVENTS)) and rows[0].arrival_ms <= to_ms:
            for row in rows:
                if row.kind is not Kind.EVENTS or name not in row.body:
                    continue
                mine = [
                    event
                    for event in unpack_events(row.body)
                    if event.shop_id == witness.shop_id and event.platform == witness.platform
                ]
                found += len(mine)
                require_few(witness, found)
                if mine:
                    yield row.arrival_ms, mine
            position = rows[-1].position + 1
            self._pause()


def require_few(witness: Witness, events: int) -> None:
    """Raise where a shop has more events than are folded again while others wait."""
    if events > limits.EXPLAIN_EVENTS:
        what = f"more than {limits.EXPLAIN_EVENTS} events of {witness.platform}:{witness.shop_id}"
        raise MonitorError(what, mend="explain from files, with --file", code="too_much")


def kind_of(shard: Shard, platform: str, shop_id: str, measure: str, number: int) -> str:
    """The kind of a measure that can be explained.

    Raises:
        MonitorError: The shop's pack of that day has none of that name (code ``not_found``).
    """
    shop = f"{platform}:{shop_id}"
    pack = shard.book.pack_on(platform, shop, number)
    if pack is None:
        mend = "name one with --pack, or for the shop in shops.yaml"
        raise MonitorError(f"{shop} has no pack on that day, and so no measures", mend=mend, code="not_found")
    known = {m.id: m.kind for m in pack.measures.values() if m.kind in KINDS}
    if measure in known:
        return known[measure]
    hint = closest(measure, known)
    mend = f"did you mean {hint}?" if hint else f"there are {', '.join(known) or 'none'}"
    raise MonitorError(f"no measure {measure!r} of {shop} on that day", mend=mend, code="not_found")


def _before_ms(kind: str, lateness_ms: int) -> int:
    """How long before a day what decides about it may have come.

    Ids are remembered for twice the lateness, an order for the days on which forming it again is the same
    one, and what is of the day may have come that much ahead.
    """
    orders_ms = (ORDER_DAYS - 1) * DAY_MS + DAY_KEPT_MS if kind == "order_rate" else 0
    return max(2 * lateness_ms, DAY_MS, orders_ms) + AHEAD_MS


def _written(found: Explained, time_of: Callable[[int], str], show: Show) -> Written:
    """Names masked or not, and times as people and scripts read them."""

    def wait(one: Wait) -> Written:
        return {
            **msgspec.structs.asdict(one),
            "conversation": show(one.conversation) if one.conversation else "",
            "customer": show(one.customer) if one.customer else "",
            "asked": None if one.ask_ms is None else time_of(one.ask_ms),
            "answered": None if one.answer_ms is None else time_of(one.answer_ms),
        }

    def unit(one: Unit) -> Written:
        return {"unit": show(one.unit), "state": one.state, "waits": [wait(each) for each in one.waits]}

    return {
        "figure": found.figure,
        "units": [unit(one) for one in found.units],
        "left_out": [wait(one) for one in found.left_out],
    }
