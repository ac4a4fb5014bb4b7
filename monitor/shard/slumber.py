"""Which shops sleep: those in which nothing happens are kept as the bytes they are stored as.

A shop is woken by an event, by time, and by a source that goes blind or returns, unless none of its rules
could say anything about that (``calm``). Whether one sleeps changes nothing that a shard gives out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from monitor.engine.shop import Shop
from monitor.engine.state import lay, pack_shop, unpack_shop
from monitor.engine.wheel import Wheel
from monitor.shard.calm import calm_until_ms, due_ms
from monitor.shard.marks import WatchRow
from monitor.shard.turnover import sort_states
from monitor.shard.watch import ShopWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.engine.sources import Source
    from monitor.shard.shard import Shard

LAID_DOWN: Final = 500  # shops in one second of the log: 35 ms
AWAKE: Final = 250  # the more shops are awake beyond these, the sooner they sleep: 12 MB
NAP: Final = 3  # times the rest: an event that wakes a shop sooner finds a busy one …
STAYS: Final = 12  # … which stays awake for so many, since each waking costs as much as fifty events
STEP_MS: Final = 30_000  # of the pace; the forecast moves by minutes
AGAIN_MS: Final = 2_000  # a shop that is due sooner stays awake


_encode = msgspec.msgpack.Encoder().encode
_watch = msgspec.msgpack.Decoder(WatchRow).decode


class Slumber:
    """The sleep of one shard's shops.

    Args:
        shard: Whose.
        rest_ms: Shops in which nothing happens for so long sleep again; 0: what is awake stays awake.
    """

    def __init__(self, shard: Shard, rest_ms: int) -> None:
        self._shard, self.rest_ms = shard, rest_ms
        self.spare = 0  # a shard of no more shops than these puts none to rest
        self._looked_ms, self._soon_ms = 0, rest_ms
        self._awake: list[Shop] = []  # still to be looked at
        shard.engine.on_wake = self.wake

    def rows(self, shop: Shop) -> tuple[bytes, bytes]:
        """The rows of a shop, awake or not."""
        if shop.packed:
            return shop.packed, shop.packed_rest
        return self._pack(shop, *self._when(shop))

    def _pack(self, shop: Shop, wakes_ms: int, calm_ms: int) -> tuple[bytes, bytes]:
        watch = self._shard.watches.get(shop.key)
        return pack_shop(shop, self._pack_watch(shop, watch), wakes_ms, calm_ms)

    def _when(self, shop: Shop) -> tuple[int, int]:
        """When a shop must be woken, and until when it is calm."""
        watch, now_ms = self._shard.watches.get(shop.key), self._shard.engine.judged_ms
        calm_ms = calm_until_ms(shop, watch, now_ms) if watch is not None and not shop.changed else 0
        return due_ms(shop, watch, calm_ms, now_ms), calm_ms

    def _pack_watch(self, shop: Shop, watch: ShopWatch | None) -> bytes:
        if watch is None:
            return _encode(WatchRow(-1, 0, shop.changed, shop.retracted, {}))
        book = self._shard.book
        states = {rule: (book.meaning_of(rule), state) for rule, state in watch.states.items()}
        states |= watch.removed
        return _encode(WatchRow(watch.day, watch.next_ms, shop.changed, shop.retracted, states))

    # sleep

    @property
    def _may_lie_down(self) -> bool:
        """Whether any shop may: figures over shops are read of all every few seconds."""
        shard = self._shard
        return self.rest_ms > 0 and shard.publisher is None and len(shard.engine.shops) > self.spare

    def lay(self, shop: Shop, row: bytes, rest: bytes) -> None:
        """Have a shop that was restored sleep."""
        lay(shop, row, rest)
        self._shard.engine.lay_down(shop, 0)

    def sweep(self, now_ms: int) -> None:
        """Once a second, lay some of those down in which nothing happens."""
        if now_ms - self._looked_ms < 1_000 or not self._may_lie_down:
            return
        self._looked_ms = now_ms
        if not self._awake:
            self._awake = [shop for shop in self._shard.engine.shops.values() if not shop.packed]
            self._soon_ms = self.rest_ms * AWAKE // max(AWAKE, len(self._awake))
        laid = 0
        while self._awake and laid < LAID_DOWN:
            shop = self._awake.pop()
            if self._rests(shop, now_ms) and self._put_to_rest(shop, now_ms):
                laid += 1

    def _rests(self, shop: Shop, now_ms: int) -> bool:
        """Whether nothing happened in a shop that is awake for so long that it may sleep."""
        rest_ms = max(self._soon_ms, STAYS * self.rest_ms) if shop.busy else self._soon_ms
        return not shop.packed and shop.active_ms + rest_ms <= now_ms

    def _put_to_rest(self, shop: Shop, now_ms: int) -> bool:
        if not self.lie_down(shop):
            return False
        shop.laid_ms = now_ms
        return True

    def lie_down(self, shop: Shop) -> bool:
        """Have a shop sleep, unless it would soon be woken."""
        shard = self._shard
        engine = shard.engine
        watch = shard.watches.get(shop.key)
        if shop.changed or (watch is not None and watch.removed):
            return False
        wakes_ms, calm_ms = self._when(shop)
        if wakes_ms < engine.judged_ms + AGAIN_MS:
            return False
        row, rest = self._pack(shop, wakes_ms, calm_ms)
        timers = 2 * len(shop.conversations) + len(shop.days) + 2
        lay(shop, row, rest)
        if watch is not None:
            watch.over, watch.lookouts = True, []
            del shard.watches[shop.key]
        engine.lay_down(shop, timers)
        return True

    # waking

    def wake(self, shop: Shop) -> None:
        """Unpack a shop, and have its rules look when they wanted to."""
        shard = self._shard
        judged_ms, calm_ms = shard.engine.judged_ms, shop.calm_until_ms
        row = _watch(unpack_shop(shop, judged_ms))
        shop.active_ms, shop.stirred = judged_ms, False
        shop.busy = judged_ms < shop.laid_ms + NAP * self.rest_ms
        shop.retracted = row.retracted
        watch = shard.watches[shop.key] = ShopWatch(shop, shard)
        if row.day >= 0:
            watch.begin(row.day)
            sort_states(watch, row.states, shard.book, judged_ms)
        if row.next_ms:
            # What it slept through moved nothing, and figures that time moves move at multiples of this.
            slept_to_ms = (judged_ms // STEP_MS + 1) * STEP_MS if judged_ms < calm_ms else judged_ms + 1
            watch.next_ms = max(row.next_ms, min(slept_to_ms, calm_ms or slept_to_ms))
            watch.at(watch.next_ms)
        if row.changed or watch.removed or any(lookout.watched.timed for lookout in watch.lookouts):
            shop.touched()

    def look(self, shop: Shop, now_ms: int) -> None:
        """Have the rules look at a shop; one that time alone woke lies down again.

        One after the other, so that few are awake when many are due in one second.
        """
        slept, rest = bool(shop.packed), shop.packed_rest
        if not slept or self._comes_to(shop, now_ms):
            watch = self._shard.watches.get(shop.key)
            if watch is None:
                watch = self._shard.watches[shop.key] = ShopWatch(shop, self._shard)
            watch.look(now_ms)
            shop.retracted = False
        if not self._may_lie_down:
            return
        if slept:
            self.lie_down(shop)
            if shop.packed_rest == rest:
                shop.packed_rest = rest  # the bytes that lie there already: the heap gets no hole
        elif self._rests(shop, now_ms):
            self._put_to_rest(shop, now_ms)

    def _comes_to(self, shop: Shop, now_ms: int) -> bool:
        """Wake a shop and do what is due of it at this second; whether its rules are to look."""
        engine, wanted, busy = self._shard.engine, shop.stirred, shop.busy
        engine.judged_ms = now_ms - 1_000
        shop.wake()
        engine.judged_ms, shop.active_ms, shop.stirred, shop.busy = now_ms, 0, False, busy
        while due := engine.wheel.take(now_ms // 1_000):
            for what in due:
                what.due(now_ms)
        wanted, shop.changed = wanted or shop.changed, False
        engine.changed.pop(shop.key, None)
        return wanted

    def every_shop(self) -> Iterator[Shop]:
        """All shops, awake."""
        for shop in self._shard.engine.shops.values():
            shop.wake()
            yield shop

    def read(self, shop: Shop) -> Shop:
        """A shop to be read from: where shops lie down again, a copy of one that sleeps without an alert."""
        if not shop.packed:
            return shop
        beyond = self._shard.is_beyond(shop)
        if not self.rest_ms and not beyond:
            shop.wake()
            return shop
        engine = self._shard.engine
        copy = Shop(shop.platform, shop.shop_id, engine.spec, Wheel(), {}, {}, engine.packer, engine.wake)
        lay(copy, shop.packed, shop.packed_rest)
        if _watch(unpack_shop(copy, engine.judged_ms)).states and not beyond:
            shop.wake()
            return shop
        return copy

    def stir(self, source: Source) -> None:
        """A source went blind, or is heard again: its shops are looked at, where that can say anything."""
        engine = self._shard.engine
        # They are looked at in the second after the clock at the latest, or in the one that is being judged.
        until_ms = max(engine.now_ms, engine.judged_ms) + 1_000
        for shop in engine.shops.values():
            if source.name in shop.sources and not (shop.packed and until_ms < shop.calm_until_ms):
                shop.stirred = bool(shop.packed)
                shop.touched()
