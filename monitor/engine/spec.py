"""What the engine must keep, compiled from packs by ``monitor.plan``: no platform, only numbers.

A **track** is one way of telling rounds apart (who answers, which hours, when a hand-over opens one).
Measures that agree on it share its rounds; each adds a **meter** that says when a unit is late.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from monitor.engine.zone import DAY_MS, Zone


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """One reply rate on a track."""

    measure: str
    within_ms: int
    unit: str = "round"  # message | round | session | customer_day
    first_round: bool = False
    by_agent: bool = False
    paced: bool = True  # keep when units were first asked and first late, for breach_in
    windows_ms: tuple[int, ...] = ()
    marks_ms: tuple[int, ...] = ()  # rules look so long before each deadline


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """One response time on a track."""

    measure: str
    windows_ms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackSpec:
    """How the rounds of one track open and close, and what is measured on them."""

    answered_by: frozenset[str] = frozenset({"agent"})
    human_stage: bool = False
    session_start: bool = False
    handover_opens: bool = True
    spans: tuple[tuple[int, int], ...] = ((0, DAY_MS),)  # service hours, half-open ms of the day
    meters: tuple[MeterSpec, ...] = ()
    responses: tuple[ResponseSpec, ...] = ()
    waiting: bool = False  # the pack's first reply rate is on this track
    waiting_meter: int = 0  # and its meter
    messages: bool = False  # some meter counts messages, so their times are kept
    marked: bool = False  # some meter has marks


@dataclass(frozen=True, slots=True)
class OrderSpec:
    """One order rate: distinct orders with ``event`` ÷ distinct orders formed."""

    measure: str
    event: str = "dispute.opened"  # type.action
    outcomes: frozenset[str] = frozenset()  # empty: any


@dataclass(frozen=True, slots=True)
class DaySpec:
    """What is counted on one service day of shops with one pack (exempt measures left out)."""

    pack: str = ""
    tracks: tuple[TrackSpec, ...] = ()
    orders: tuple[OrderSpec, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()  # the pack's own service hours
    profile: tuple[int, ...] = (1,) * 48


NOTHING = DaySpec()


@dataclass(frozen=True, slots=True)
class PackSpec:
    """A platform's days: which ``DaySpec`` holds from which service day on."""

    zone: Zone
    from_days: tuple[int, ...] = ()  # sorted
    specs: tuple[DaySpec, ...] = ()
    exceptions: dict[int, DaySpec] = field(default_factory=dict)  # exempt days

    def on(self, day: int) -> DaySpec:
        """What is counted on a service day (days since 1970 in the pack's zone)."""
        found = self.exceptions.get(day)
        if found is None:
            index = bisect_right(self.from_days, day) - 1
            found = self.specs[index] if index >= 0 else NOTHING
        return found


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """All packs by platform, and what single shops have instead."""

    platforms: dict[str, PackSpec]
    shops: dict[str, PackSpec] = field(default_factory=dict)  # by shop key
    default: PackSpec = PackSpec(Zone((8 * 3_600_000,)))  # a platform without a pack
    lateness_ms: int = 600_000

    def of(self, platform: str, key: str) -> PackSpec:
        """The pack that counts for a shop."""
        return self.shops.get(key) or self.platforms.get(platform) or self.default
