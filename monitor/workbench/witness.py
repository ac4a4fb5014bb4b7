"""A shop's events, folded one at a time, and what became of each: what ``explain`` goes by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.engine.limits import DAY_KEPT_MS
from monitor.engine.records import Record
from monitor.workbench.replay import REASONS, pass_deadlines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.engine.events import Event
    from monitor.engine.shop import Shop
    from monitor.shard.outputs import Outputs
    from monitor.shard.shard import Shard

DUPLICATE = "a repeat of an event that came before"
LATE_DROPPED = "came too late: what follows it was folded for good"


@dataclass(slots=True)
class Witness:
    """One shop of a shard, its accepted events, and those left out with the reason."""

    shard: Shard
    platform: str
    shop_id: str
    accepted: list[Event] = field(default_factory=list)
    left_out: list[tuple[Event, str]] = field(default_factory=list)

    @property
    def shop(self) -> Shop | None:
        """The shop as it stands; None when nothing of it was taken."""
        return self.shard.engine.shops.get(f"{self.platform}:{self.shop_id}")

    def watch(
        self, arrivals: Iterable[tuple[int, list[Event]]], *, at_ms: int | None = None, day: int | None = None
    ) -> None:
        """Fold what is of the shop; what is not only moves the clock.

        Args:
            arrivals: As ``read_arrivals`` gives them.
            at_ms: The clock at the end; None: the last arrival.
            day: Stop while this service day is still kept, since nothing can change it afterwards.
        """
        last_ms = None if day is None else self.kept_until_ms(day)
        if at_ms is not None:
            last_ms = at_ms if last_ms is None else min(at_ms, last_ms)
        end_ms = last_ms if at_ms is not None else None
        for arrival_ms, events in arrivals:
            if last_ms is not None and arrival_ms > last_ms:
                end_ms = last_ms
                break
            self._step(arrival_ms, None)
            for event in events:
                if event.shop_id == self.shop_id and event.platform == self.platform:
                    self._judge(event, self._step(arrival_ms, event))
        if end_ms is not None:
            self._step(end_ms, None)
        pass_deadlines(self.shard)

    def kept_until_ms(self, day: int) -> int:
        """The last moment at which a service day can change."""
        spec = self.shard.engine.spec.of(self.platform, f"{self.platform}:{self.shop_id}")
        return spec.zone.midnight(day + 1) + DAY_KEPT_MS - 1

    def _step(self, arrival_ms: int, event: Event | None) -> Outputs:
        position = self.shard.position + 1
        return self.shard.step([Record(position, arrival_ms, [] if event is None else [event])])

    def _judge(self, event: Event, outputs: Outputs) -> None:
        if outputs.counts["accepted"]:
            self.accepted.append(event)
        elif outputs.counts["duplicates"]:
            self.left_out.append((event, DUPLICATE))
        elif outputs.counts["late_dropped"]:
            self.left_out.append((event, LATE_DROPPED))
        for _, reason in outputs.rejected:
            self.left_out.append((event, REASONS.get(reason, reason)))
