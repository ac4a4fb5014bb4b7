"""A small shard to build the runtime against: counts each shop's distinct events, tells every tenth."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from rules.transition import Transition


@dataclass
class Given:
    transitions: list = field(default_factory=list)
    rejected: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)
    late: dict = field(default_factory=dict)
    parts: list = field(default_factory=list)


@dataclass
class Taken:
    rows: list
    floor: int
    floor_clock_ms: int
    marks: dict


class StandIn:
    def __init__(self, _plan: str = "") -> None:
        self.ids: dict[str, list[str]] = {}
        self.applied: dict[str, int] = {}
        self.changed: dict[str, tuple[int, int]] = {}  # shop → first record not in its row, clock before it
        self.position = 0
        self.clock_ms = 0
        self.ticks: list[int] = []
        self.heard: dict[str, int] = {}
        self.calls: list[int] = []
        self.poison = ""
        self.asleep_unstored = 0

    @property
    def counted(self):
        return {shop: len(ids) for shop, ids in self.ids.items()}

    def step(self, records):
        out = Given()
        self.calls.append(len(records))
        for record in records:
            assert record.position == self.position + 1, (record.position, self.position)
            assert record.arrival_ms >= self.clock_ms
            before_ms = self.clock_ms
            self.position, self.clock_ms = record.position, record.arrival_ms
            if record.heard is not None:
                self.ticks.append(record.position)
                self.heard.update(record.heard)
            for event in record.events:
                assert event.id != self.poison, "poison"
                self._fold(event, before_ms, out)
        return out

    def _fold(self, event, before_ms, out):
        shop = f"{event.platform}:{event.shop_id}"
        if self.position <= self.applied.get(shop, 0):
            return
        ids = self.ids.setdefault(shop, [])
        if event.id in ids:
            return
        ids.append(event.id)
        self.changed.setdefault(shop, (self.position, before_ms))
        if len(ids) % 10 == 0:
            out.transitions.append(
                Transition(
                    at_ms=self.clock_ms,
                    rule=f"every-{len(ids)}",
                    subject={"shop": shop},
                    from_state="ok",
                    to_state="firing",
                    severity="warn",
                    verdict="warn",
                    reason="test",
                    position=self.position,
                    n=len(out.transitions),
                )
            )

    def checkpoint(self, shops_max):
        shops = list(self.changed)[:shops_max]
        if not shops:
            return None
        marks = {shop: self.changed.pop(shop) for shop in shops}
        rows = [(shop, "head", self.position, msgspec.json.encode(self.ids[shop])) for shop in shops]
        floor, floor_clock_ms = min(self.changed.values(), default=(self.position + 1, self.clock_ms))
        return Taken(rows, floor, floor_clock_ms, marks)

    def end(self):
        """Its floor is behind the last record whenever all is taken."""

    def checkpoint_failed(self, taken):
        self.changed = {**taken.marks, **self.changed, **taken.marks}

    def restore(self, rows, floor, floor_clock_ms):
        self.position, self.clock_ms = max(floor - 1, 0), floor_clock_ms
        for shop, _, applied, data in rows:
            self.ids[shop], self.applied[shop] = msgspec.json.decode(data), applied
