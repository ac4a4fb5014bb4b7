"""Reads a shard's figures for pages, between two steps: implements ``monitor.runtime.ports.Figures``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.figures import SPANS
from monitor.runtime.ports import SourceHeard, Watched
from monitor.shard.readings import PageReading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.engine.shop import Shop
    from monitor.shard.shard import Shard
    from rules.pack import Measure


class ShardFigures:
    """Figures as of the last whole second of the shard's clock."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    @property
    def now_ms(self) -> int:
        """The shard's clock."""
        return self._shard.now_ms

    def shop_keys(self) -> list[str]:
        """Every shop seen."""
        return list(self._shard.engine.shops)

    def watched(self, shop: str) -> list[Watched]:
        """Every line of the shop's pack, then every measure over each of its periods."""
        found = self._shard.engine.shops.get(shop)
        if found is None:
            return []
        found = self._shard.slumber.read(found)
        second_ms = self._shard.now_ms // 1000 * 1000
        day = found.day_number(second_ms)
        pack = self._shard.book.pack_on(found.platform, shop, day)
        if pack is None:
            return []
        _, since_ms = self._shard.sources_of(found)
        read = self._reader(found, second_ms, day, self._shard.book.sums(pack))
        lines = [
            Watched(m, line.period, line, read(m, line.period), since_ms)
            for line in pack.lines.values()
            if (m := pack.measures[line.measure])
        ]
        figures = [
            Watched(m, period, None, read(m, period), since_ms)
            for m in pack.measures.values()
            for period in m.periods
        ]
        return lines + figures

    def waits(self, shop: str, conversation_id: str, ask_ms: int) -> bool:
        """Whether a round that was open is so still: in a shop that sleeps, nothing has happened."""
        found = self._shard.engine.shops.get(shop)
        if found is None or found.packed:
            return found is not None
        conversation = found.conversations.get(conversation_id)
        return conversation is not None and any(r.ask_ms == ask_ms for r in conversation.open)

    def sources(self) -> list[SourceHeard]:
        """Every source seen, by name."""
        found = sorted(self._shard.sources.items())
        return [SourceHeard(name, watch.source.blind, watch.source.heard_ms) for name, watch in found]

    def reading(
        self, shop: Shop, measure: Measure | None, period: str, second_ms: int, day: int
    ) -> PageReading:
        """A shop's measure over a period at a whole second of a service day; None: only who is there."""
        _, sums = self._shard.book.of_shop(shop.platform, shop.shop_id, day)
        return self._reader(shop, second_ms, day, sums)(measure, period)

    def _reader(
        self, shop: Shop, second_ms: int, day: int, sums: Sequence[int]
    ) -> Callable[[Measure | None, str], PageReading]:
        """Reads a shop's measures; what they have in common is looked up once."""
        shard = self._shard
        blind, since_ms = shard.sources_of(shop)
        midnights = {days: shop.zone.midnight(day - days + 1) for days in {1, *SPANS.values()}}

        def read(measure: Measure | None, period: str) -> PageReading:
            complete = not since_ms or since_ms <= midnights[SPANS.get(period, 1)]
            return PageReading(shop, measure, period, sums, second_ms, day, blind=blind, complete=complete)

        return read
