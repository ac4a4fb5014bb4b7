"""One shard: a partition of shops. State and a record of its log in, state, transitions and refusals out.

A shard is a function of its log alone: the same records give the same outputs, however many it is given at
a time, and whether or not it was stored, killed and restored between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from monitor.aggregate.publisher import publisher_of, seconds_of_parts
from monitor.engine.engine import Engine
from monitor.engine.sources import Source
from monitor.engine.zone import DAY_MS
from monitor.rulebook import Plan, Rulebook
from monitor.shard.checkpoint import Checkpoints
from monitor.shard.outputs import Outputs
from monitor.shard.restore import restore
from monitor.shard.slumber import Slumber
from monitor.shard.source_watch import SourceWatch
from monitor.shard.turnover import turn_to
from monitor.shard.watch import Host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.aggregate.sums import Part
    from monitor.engine.events import Event
    from monitor.engine.records import Record
    from monitor.engine.shop import Shop
    from monitor.shard.lookout import Watched
    from monitor.shard.marks import Slice
    from monitor.shard.watch import ShopWatch
    from rules.transition import Transition

DOWN_MS: Final = 5_000  # a longer gap between records is time down


class Shard(Host):
    """The engine of some shops, and the rules on them."""

    def __init__(
        self,
        plan: Plan,
        shard: int = 0,
        plans: Mapping[str, Plan] | None = None,
        name: str = "",
        rest_ms: int = 0,
    ) -> None:
        """Begin with ``plan``, which the log calls ``name``; ``plans`` has those that records of it name.

        Shops in which nothing happens for ``rest_ms`` are packed (0: none are).
        """
        self.number = shard
        self.plans = plans if plans is not None else {}
        self.plan_name = name
        self.book = Rulebook(plan)
        self.quiet_gaps = plan.quiet_gaps
        self.engine = Engine(self.book.engine_spec())
        self.watches: dict[str, ShopWatch] = {}
        self.sources: dict[str, SourceWatch] = {}
        self.position = 0  # of the record that is being folded, or was last
        self.since_ms = 0  # files: the midnight of the first event's day, from which figures are complete
        self.checkpoints = Checkpoints()
        self._called: dict[str, SourceWatch] = {}
        self._told: list[Transition] = []
        self._rejected: list[tuple[Event, str]] = []
        self._n = 0
        self.publisher = publisher_of(self.book)
        self.slumber = Slumber(self, rest_ms)
        self._parts: list[tuple[int, Part]] = []

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self.book.plan

    @property
    def now_ms(self) -> int:
        """The shard's clock."""
        return self.engine.now_ms

    # folding

    def step(self, records: Sequence[Record]) -> Outputs:
        """Fold records, in order and without a gap."""
        engine = self.engine
        before = engine.counts.as_dict()
        self._told, self._parts, self._rejected = [], [], []
        for record in records:
            self._fold(record)
        late, engine.late = engine.late, {}
        counts = {name: count - before[name] for name, count in engine.counts.as_dict().items()}
        return Outputs(self._told, self._rejected, counts, late, self._parts)

    def _fold(self, record: Record) -> None:
        engine = self.engine
        if self.quiet_gaps:  # files are not stored
            self._take(record)
            return
        position = record.position
        self.checkpoints.before(self, position)
        self._take(record)
        self.slumber.sweep(engine.now_ms)
        self.checkpoints.after(self, position)
        if engine.skips and position >= engine.skips_until:
            engine.skips.clear()

    def _take(self, record: Record) -> None:
        engine = self.engine
        position, events, source = record.position, record.events, record.source
        self.position, self._n = position, 0
        arrival_ms = max(record.arrival_ms, engine.now_ms)
        if engine.now_ms and arrival_ms - engine.now_ms > DOWN_MS and not self.quiet_gaps:
            for watch in self.sources.values():
                watch.source.go_blind()
        if self.publisher is not None:
            self._publish(arrival_ms)
        self.advance(arrival_ms)
        plan = record.plan
        if plan and plan > self.plan_name and plan in self.plans:  # names rise with each change
            turn_to(self, plan, self.plans[plan])
        if not self.sources and not self.quiet_gaps:
            self._expect(arrival_ms)
        if record.heard is not None:
            for name, heard_ms in record.heard.items():
                if name in self.sources:
                    self._hear(name, min(heard_ms, arrival_ms), 0)
        if not events:
            if source:
                self._hear(source, arrival_ms, 0)
            return
        if self.quiet_gaps and not self.since_ms:
            first = next((event for event in events if event.type != "heartbeat"), None)
            self.since_ms = self._first_midnight(first) if first is not None else 0
        refused = engine.fold(events, arrival_ms, source, position)
        heard, engine.heard = engine.heard, []
        for name, promised_ms in heard:
            self._hear(name, arrival_ms, promised_ms)
        if engine.linked:
            for name, shop in engine.linked:
                self.sources[name].source.serves(shop.platform, shop.key, shop.pack)
                if self.publisher is not None:
                    self.publisher.dirty[shop.key] = shop
            engine.linked.clear()
        if engine.heard_old:
            for name in engine.heard_old:
                self.sources[name].source.hear_old(arrival_ms)
            engine.heard_old.clear()
        if refused:
            self._rejected += [(events[place], reason) for place, reason in refused]

    def advance(self, to_ms: int) -> None:
        """Move the clock on without a record: files end at a time, not at an event."""
        if not self.engine.stays(to_ms):
            self.engine.advance(to_ms, self._judge, self._look)

    def _publish(self, to_ms: int) -> None:
        """Read what is summed over shops at the seconds for it up to ``to_ms``."""
        engine, publisher = self.engine, self.publisher
        assert publisher is not None
        for second_ms in seconds_of_parts(engine.now_ms, to_ms, every=self.quiet_gaps):
            before_ms = engine.now_ms
            self.advance(second_ms)
            if not engine.skips:  # what was stored beyond the floor was read before it was stored
                part = publisher.publish(second_ms, before_ms, self.slumber.every_shop, self, self.plan_name)
                self._parts.append((self.position, part))

    def _first_midnight(self, event: Event) -> int:
        assert isinstance(event.at, int)
        zone = self.engine.spec.of(event.platform, f"{event.platform}:{event.shop_id}").zone
        return zone.midnight(zone.local(event.at) // DAY_MS)

    def call(self, watch: SourceWatch) -> None:
        """Have a source looked at in this second."""
        self._called[watch.source.name] = watch
        self.engine.called = True

    def _look(self, now_ms: int) -> None:
        called, self._called = self._called, {}
        for _, watch in sorted(called.items()):
            watch.look(now_ms)

    def is_beyond(self, shop: Shop) -> bool:
        """Whether it was stored beyond the record that is folded, maybe under a plan still to come."""
        return self.engine.skips.get(shop.key, -1) >= self.position

    def _judge(self, now_ms: int, changed: dict[str, Shop]) -> None:
        skips = self.engine.skips
        if self.publisher is not None:
            self.publisher.dirty.update(changed)
        for key in sorted(changed) if len(changed) > 1 else changed:
            shop = changed[key]
            if skips and self.is_beyond(shop):
                shop.touched()  # it was judged here already; look when its own records begin
                continue
            self.slumber.look(shop, now_ms)

    # storing

    def checkpoint(self, shops_max: int) -> Slice | None:
        """Take the changed rows of up to so many shops; None: none left. What was taken counts as stored."""
        return self.checkpoints.take(self, shops_max)

    @property
    def asleep_unstored(self) -> int:
        """At least so many shops sleep that changed since they were stored: all changed but those awake."""
        return len(self.checkpoints.dirty) - len(self.watches)

    def end(self) -> None:
        """Have what is stored from here on reach to the last record."""
        self.checkpoints.end(self)

    def checkpoint_failed(self, slice_: Slice) -> None:
        """Mark the rows of a slice as changed again, as old as they were."""
        self.checkpoints.failed(slice_)

    def restore(self, rows: Iterable[tuple[str, str, int, bytes]], floor: int, floor_clock_ms: int) -> None:
        """Take stored rows into a fresh shard; the next record it is given is ``floor``."""
        restore(self, rows, floor, floor_clock_ms)

    # sources

    def _hear(self, name: str, heard_ms: int, promised_ms: int) -> None:
        watch = self.sources.get(name) or self.add_source(name, heard_ms)
        source = watch.source
        if promised_ms and promised_ms != source.promised_ms:
            source.promised_ms = promised_ms
            watch.look_soon(self.engine.now_ms)
        if watch.states and heard_ms > source.heard_ms:
            watch.look_soon(self.engine.now_ms)
        source.hear(heard_ms)

    def _expect(self, now_ms: int) -> None:
        """Wait for the sources that promised a heartbeat, from the first record on."""
        for name, promised in sorted(self.plan.sources.items()):
            if promised.promised_ms:
                self.add_source(name, now_ms)

    def add_source(self, name: str, now_ms: int) -> SourceWatch:
        """A source heard for the first time."""
        promised = self.plan.source(name)
        source = Source(
            name,
            now_ms,
            promised_ms=promised.promised_ms,
            silent_after_ms=0 if self.quiet_gaps else promised.silent_after_ms,
            on_change=self._source_changed,
            on_new_pack=lambda source: self.sources[source.name].look_soon(self.engine.now_ms),
        )
        watch = self.sources[name] = SourceWatch(source, self.book.of_sources(), self, self.engine.wheel)
        watch.look_soon(now_ms)
        return watch

    def _source_changed(self, source: Source) -> None:
        self.slumber.stir(source)
        self.sources[source.name].look_soon(self.engine.now_ms)

    # what watches ask for

    def tell(self, told: Transition) -> None:
        """Put a transition out, with its place in the log."""
        self._told.append(msgspec.structs.replace(told, shard=self.number, position=self.position, n=self._n))
        self._n += 1

    def rules_of(self, shop: Shop, day: int) -> tuple[tuple[Watched, ...], Sequence[int]]:
        """The rules that watch a shop on a service day, and its pack's profile in sums."""
        return self.book.of_shop(shop.platform, shop.shop_id, day)

    def sources_of(self, shop: Shop) -> tuple[bool, int]:
        """Whether one is blind or catching up, and from when the shop's figures are complete; 0: always."""
        dark, since_ms = False, 0
        for name in shop.sources:
            watch = self.sources.get(name)
            if watch is not None:
                source = watch.source
                dark, since_ms = dark or source.dark, max(since_ms, source.since_ms)
        return dark, self.since_ms if self.quiet_gaps else since_ms

    def told_late(self, shop: Shop, now_ms: int) -> bool:
        """Whether what is told at this second is told after a backfill."""
        sources = self.sources
        return any(name in sources and sources[name].source.told_ms == now_ms for name in shop.sources)
