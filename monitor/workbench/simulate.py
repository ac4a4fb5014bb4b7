"""Realistic traffic with known truth: a day of shops as their platforms would deliver it.

Everything follows from a ``World``; nothing here reads a clock. Events come in the order in which they
arrive, lazily: a minute of starts is drawn, then what is due by its end is given out, so that memory holds
the conversations that are going on and not the day. Networks repeat, delay and hold back; what a dead
source held back arrives in a rush when it is heard again.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from monitor.engine.events import Event
from monitor.workbench.scripts import LAST_ASK_MS, Conversation, play_order
from monitor.workbench.truth import Truth
from monitor.workbench.world import DAY_MS, HOUR_MS, MINUTE_MS, PROFILE, ZONE_MS, Hours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.workbench.world import Shop, World

HEARTBEAT_MS = 10_000
RUSH = 60  # times faster than it happened, a source hands over what it held back
BURST_MS = 5 * MINUTE_MS
ON_DUTY_MS = 8 * HOUR_MS
OFF_DUTY_MS = 23 * HOUR_MS

Arrival = tuple[int, Event]  # (arrival_ms, event); an event that is repeated is the same object


class Simulation:
    """The traffic of a world, to be iterated once, and afterwards its ``truth``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.truth = Truth(world.until_ms)
        self.sent = 0  # events given out, the repeats among them
        self.repeated = 0
        self._rng = random.Random(f"traffic {world.seed}")
        self._due: dict[int, list[tuple[int, int, Event]]] = {}  # minute → (arrival, number, event)
        self._numbers = 0  # events made: also their ids
        self._deliveries = 0
        self._customers = dict.fromkeys(world.shops, 0)
        self._conversations = 0
        self._weights = _cumulated([shop.weight for shop in world.shops])

    def __iter__(self) -> Iterator[Arrival]:
        """Every arrival in its order; equal times in the order of making."""
        world = self.world
        for minute_ms in range(world.from_ms, world.until_ms, MINUTE_MS):
            self._live(minute_ms)
            yield from self._give_out((minute_ms + MINUTE_MS) // MINUTE_MS)
        while self._due:
            yield from self._give_out(min(self._due) + 1)

    def _give_out(self, before_minute: int) -> Iterator[Arrival]:
        """What arrives before a minute (counted from 1970), in order."""
        for minute in sorted(m for m in self._due if m < before_minute):
            batch = self._due.pop(minute)
            batch.sort()
            self.sent += len(batch)
            yield from ((arrival_ms, event) for arrival_ms, _, event in batch)

    def _live(self, minute_ms: int) -> None:
        """Everything that begins in the minute at ``minute_ms``."""
        rng, world, habits = self._rng, self.world, self.world.habits
        self._beat(minute_ms)
        self._change_shifts(minute_ms)
        promo = minute_ms in world.promo
        a_minute = world.conversations * len(world.shops) * _share(minute_ms)
        count = _poisson(rng, a_minute * (habits.promo_rush if promo else 1.0))
        for shop in rng.choices(world.shops, cum_weights=self._weights, k=count):
            self._begin(shop, minute_ms + int(rng.random() * MINUTE_MS), 1.0)
        if minute_ms % HOUR_MS < MINUTE_MS:
            self._burst(minute_ms)

    def _burst(self, hour_ms: int) -> None:
        """In some shops, some minutes of this hour bring far more than people can answer."""
        rng, world, habits = self._rng, self.world, self.world.habits
        for _ in range(_poisson(rng, habits.bursts * len(world.shops))):
            shop = rng.choices(world.shops, cum_weights=self._weights)[0]
            start_ms = hour_ms + int(rng.random() * (HOUR_MS - BURST_MS))
            an_hour = world.conversations * shop.weight * _share(start_ms) * 60
            for _ in range(_poisson(rng, habits.burst_size * an_hour)):
                self._begin(shop, start_ms + int(rng.random() * BURST_MS), habits.overrun_factor)

    def _begin(self, shop: Shop, start_ms: int, haste: float) -> None:
        """A conversation, and the orders of that moment."""
        rng, habits = self._rng, self.world.habits
        if start_ms >= self.world.until_ms or (start_ms + ZONE_MS) % DAY_MS >= LAST_ASK_MS:
            return
        if start_ms in self.world.promo:
            haste *= habits.promo_factor
        if shop.key == self.world.short_handed_shop and start_ms in self.world.short_handed:
            haste *= habits.short_handed_factor
        customer = self._draw_customer(shop)
        self._conversations += 1
        conversation = Conversation(rng, shop, customer, self._conversations, start_ms, haste)
        self._deliver(conversation.play(habits, self.truth), shop.source)
        if rng.random() < habits.orders:
            after_ms = start_ms + int(rng.random() * 20 * MINUTE_MS)
            self._order(shop, customer, after_ms)
        if rng.random() < habits.silent_orders:
            self._order(shop, self._draw_customer(shop), start_ms)

    def _order(self, shop: Shop, customer: int, start_ms: int) -> None:
        events = play_order(self._rng, shop, customer, self._numbers, start_ms, self.world.habits, self.truth)
        self._deliver(events, shop.source)

    def _draw_customer(self, shop: Shop) -> int:
        known = self._customers[shop]
        if known and self._rng.random() < self.world.habits.comes_back:
            return 1 + int(self._rng.random() * known)
        self._customers[shop] = known + 1
        return known + 1

    def _beat(self, minute_ms: int) -> None:
        """The heartbeats of every source that is alive."""
        for source in self.world.sources:
            for at_ms in range(minute_ms, minute_ms + MINUTE_MS, HEARTBEAT_MS):
                if not (source == self.world.dead_source and at_ms in self.world.dead):
                    event = Event(type="heartbeat", id="", at=at_ms, every="30s")
                    self._number(event, source)
                    self._schedule(at_ms + 50, event)

    def _change_shifts(self, minute_ms: int) -> None:
        """Who comes to work at eight, or is at work when the simulation begins, and goes at eleven."""
        of_day_ms = (minute_ms + ZONE_MS) % DAY_MS
        first = minute_ms == self.world.from_ms and ON_DUTY_MS <= of_day_ms < OFF_DUTY_MS
        if first or 0 <= of_day_ms - ON_DUTY_MS < MINUTE_MS:
            self._announce(minute_ms, "online")
        elif 0 <= of_day_ms - OFF_DUTY_MS < MINUTE_MS:
            self._announce(minute_ms, "offline")

    def _announce(self, minute_ms: int, action: str) -> None:
        for shop in self.world.shops:
            events = [
                Event(
                    type="agent",
                    id="",
                    at=minute_ms + int(self._rng.random() * 1_000),
                    platform=shop.platform,
                    shop_id=shop.shop_id,
                    agent_id=agent,
                    action=action,
                )
                for agent in shop.agents
            ]
            self._deliver(events, shop.source)

    def _number(self, event: Event, source: str) -> None:
        self._numbers += 1
        event.id = str(self._numbers)
        event.source = source

    def _deliver(self, events: list[Event], source: str) -> None:
        """Hand events to a network that delays, reorders and repeats some of them."""
        rng, habits = self._rng, self.world.habits
        dead = self.world.dead if source == self.world.dead_source else Hours()
        for event in events:
            at_ms: int = event.at  # type: ignore[assignment]
            if at_ms >= self.world.until_ms:
                continue
            self._number(event, source)
            prompt_ms = at_ms + 50 + int(rng.random() * 350)
            if prompt_ms in dead:  # held back: handed over in order, and once
                self._schedule(dead.until_ms + (prompt_ms - dead.from_ms) // RUSH, event)
                continue
            chance = rng.random()
            delay_ms = 0
            if chance < habits.late_a_lot:
                delay_ms = int(rng.random() * 8 * MINUTE_MS)
            elif chance < habits.late_a_lot + habits.late_a_little:
                delay_ms = int(rng.random() * MINUTE_MS)
            # What is under way when the source dies has left it.
            arrival_ms = dead.from_ms if prompt_ms + delay_ms in dead else prompt_ms + delay_ms
            self._schedule(arrival_ms, event)
            again_ms = arrival_ms + int(rng.random() * 3 * MINUTE_MS)
            if rng.random() < habits.repeated and again_ms not in dead:
                self._schedule(again_ms, event)
                self.repeated += 1

    def _schedule(self, arrival_ms: int, event: Event) -> None:
        self._deliveries += 1
        self._due.setdefault(arrival_ms // MINUTE_MS, []).append((arrival_ms, self._deliveries, event))


def _share(at_ms: int) -> float:
    """The part of a day's conversations that begin in the minute at ``at_ms``."""
    return PROFILE[(at_ms + ZONE_MS) % DAY_MS // (30 * MINUTE_MS)] / (sum(PROFILE) * 30)


def _cumulated(weights: list[float]) -> list[float]:
    total = 0.0
    return [total := total + weight for weight in weights]


def _poisson(rng: random.Random, mean: float) -> int:
    """A Poisson draw: Knuth's product up to 30, above it the normal that no longer differs to the eye."""
    if mean > 30:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    count, product, floor = 0, rng.random(), math.exp(-mean)
    while product > floor:
        count += 1
        product *= rng.random()
    return count
