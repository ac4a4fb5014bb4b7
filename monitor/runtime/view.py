"""What pages and the API read: implements ``monitor.web.ports.ViewPort`` over shard and desk."""

from __future__ import annotations

import asyncio
import heapq
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from alerting.messages.about import About
from alerting.messages.style import Style
from monitor.runtime import limits
from monitor.runtime.show import both, countdowns, nearness, shop_health, shop_view, waiting_view
from monitor.web.ports import AlertView, Headline, SourceStatus
from rules.transition import Transition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alerting.desk import Desk
    from alerting.policy.state import Alert
    from alerting.ports import Directory
    from monitor.runtime.ports import Figures
    from monitor.runtime.show import Countdown
    from monitor.web.ports import ShopView, Status, WaitingView


BOTH = ("zh", "en")


class View:
    """Reads figures between the shard's steps; lists of all shops are made in slices, ahead of the asking.

    Args:
        figures: The shard, or None while it is restored.
        desk: The desk, or None while it is read.
        directory: Names, links and texts.
        status: How the daemon is, but for the sources.
    """

    def __init__(
        self,
        figures: Callable[[], Figures | None],
        desk: Callable[[], Desk | None],
        directory: Directory,
        status: Callable[[tuple[SourceStatus, ...], int], Status],
    ) -> None:
        self._figures, self._desk = figures, desk
        self._directory, self._status = directory, status
        self.waiting = 0  # open rounds of all shops, as of the lists
        self._shops: list[ShopView] = []
        self._at_risk: dict[str, list[Countdown]] = {}  # by shop, the soonest last
        self._alerts: dict[str, tuple[Transition, AlertView]] = {}  # as shown last, until something moves
        self._asked = asyncio.Event()
        self._read_at_s = 0  # the shard's second of which the lists are, where they were made at once
        self._took_s = 0.0  # of the loop, to make the lists last

    def shops(self) -> list[ShopView]:
        """Every shop, the nearest to a line first; ten times as old as the lists take to make."""
        self._ask()
        return self._shops

    def at_risk(
        self, limit: int, covers: Callable[[str], bool] | None = None
    ) -> tuple[list[WaitingView], int]:
        """Open rounds of the shops covered, the soonest deadline first; how many there are.

        Those answered or late since the lists were made are left out; of new ones the lists know later.
        """
        self._ask()
        figures = self._figures()
        if figures is None:
            return [], 0
        found: list[WaitingView] = []
        heads: list[tuple[int, str, int]] = []  # of each shop: its soonest, and where that stands
        covered = [shop for shop in self._at_risk if covers is None or covers(shop)]
        for shop in covered:
            rounds = self._at_risk[shop]
            while rounds and rounds[-1].deadline_ms < figures.now_ms:
                rounds.pop()
            if rounds:
                heads.append((rounds[-1].deadline_ms, shop, len(rounds) - 1))
        heapq.heapify(heads)
        while heads and len(found) < limit:
            _, shop, place = heads[0]
            rounds = self._at_risk[shop]
            item = rounds[place].item
            if figures.waits(shop, item.conversation_id, item.ask_ms):
                found.append(self._waiting_view(shop, rounds[place]))
            else:
                del rounds[place]
            if place:
                heapq.heapreplace(heads, (rounds[place - 1].deadline_ms, shop, place - 1))
            else:
                heapq.heappop(heads)
        return found, sum(len(self._at_risk[shop]) for shop in covered)

    def shop(self, platform: str, shop_id: str) -> ShopView | None:
        """One shop with all its figures, as of now."""
        figures, key = self._figures(), f"{platform}:{shop_id}"
        watched = figures.watched(key) if figures else ()
        if not watched:
            return None
        health = shop_health(self._severities().get(key, []), watched)
        return shop_view(key, watched, self._directory.shop(key), health, figures=True)

    def alerts(self) -> list[AlertView]:
        """Open alerts: crit first, then the oldest."""
        desk = self._desk()
        alerts = [alert for alert in desk.books.alerts.values() if not alert.over] if desk else []
        self._alerts = {alert.key: (alert.transition, self._told(alert)) for alert in alerts}
        found = [self._alert_view(alert, desk) for alert in alerts] if desk else []
        return sorted(found, key=lambda a: (a.severity != "crit", a.since_ms, a.id))

    def headline(self, rule: str, subject: dict[str, str]) -> Headline:
        """What an alert is about, be it open or long over."""
        abouts = {
            language: About(_bare(rule, subject), self._directory, _style(language)) for language in BOTH
        }
        return Headline(
            {language: one.title for language, one in abouts.items()},
            {language: one.name for language, one in abouts.items()},
            abouts["zh"].shop.timezone if "shop" in subject else "",
        )

    def status(self) -> Status:
        """How the daemon is."""
        figures = self._figures()
        sources = figures.sources() if figures else ()
        statuses = tuple(SourceStatus(one.name, one.blind, one.heard_ms or None) for one in sources)
        return self._status(statuses, len(figures.shop_keys()) if figures else 0)

    async def run(self) -> None:
        """Make the lists before anybody asks, and anew while somebody does, in a tenth of the time."""
        while True:
            await self.refresh()
            await asyncio.sleep(1.0)
            if self._shops:
                with suppress(TimeoutError):
                    async with asyncio.timeout(limits.VIEW_AGE_S):
                        await self._asked.wait()
                self._asked.clear()

    async def refresh(self) -> None:
        """Make the lists of all shops, a slice at a time."""
        figures, took_s = self._figures(), 0.0
        shops: list[ShopView] = []
        keys, severities = figures.shop_keys() if figures else [], self._severities()
        began = time.perf_counter()
        for key in keys:
            assert figures is not None
            shops.append(self._read(figures, key, severities))
            slice_s = time.perf_counter() - began
            if slice_s >= limits.VIEW_SLICE_S:
                took_s += slice_s
                # Without lists a page would say that nobody waits: the first ones are made without a rest.
                await asyncio.sleep(limits.VIEW_REST * slice_s if self._shops else 0)
                began = time.perf_counter()
        self._keep(shops, took_s + time.perf_counter() - began)

    def _ask(self) -> None:
        """Have the lists made; at once where that is short and they are not of this second."""
        self._asked.set()
        figures = self._figures()
        if figures is None or figures.now_ms // 1000 == self._read_at_s:
            return
        keys = figures.shop_keys()
        if len(keys) <= limits.VIEW_SHOPS_AT_ONCE and self._took_s <= limits.VIEW_SLICE_S:
            severities, began = self._severities(), time.perf_counter()
            shops = [self._read(figures, key, severities) for key in keys]
            self._keep(shops, time.perf_counter() - began)
            self._read_at_s = figures.now_ms // 1000

    def _read(self, figures: Figures, key: str, severities: Mapping[str, Sequence[str]]) -> ShopView:
        """A shop as it is now; its open rounds are in the lists at once, for some have a short limit."""
        watched, info = figures.watched(key), self._directory.shop(key)
        blind = any(w.reading.blind for w in watched)  # a countdown on what we cannot see would be false
        self._at_risk[key] = [] if blind else countdowns(watched)
        return shop_view(key, watched, info, shop_health(severities.get(key, []), watched))

    def _keep(self, shops: list[ShopView], took_s: float) -> None:
        self._shops = sorted(shops, key=nearness)
        self.waiting = sum(shop.waiting for shop in shops)
        known = {shop.key for shop in shops}
        self._at_risk = {shop: rounds for shop, rounds in self._at_risk.items() if shop in known}
        self._took_s = took_s

    def _waiting_view(self, shop: str, one: Countdown) -> WaitingView:
        agent_id = one.item.agent_id
        agent_name = self._directory.agent(shop, agent_id).name if agent_id else ""
        return waiting_view(shop, one, self._directory.shop(shop), agent_name)

    def _severities(self) -> dict[str, list[str]]:
        """The severities of the alerts that fire on each shop."""
        desk, found = self._desk(), dict[str, list[str]]()
        for alert in desk.books.alerts.values() if desk else ():
            if not alert.over:
                found.setdefault(alert.transition.subject.get("shop", ""), []).append(
                    alert.transition.severity
                )
        return found

    def _alert_view(self, alert: Alert, desk: Desk) -> AlertView:
        """An alert as it is now; what its transition says is put into words once."""
        silence = desk.books.silenced(alert, alert.transition.at_ms)
        return replace(
            self._alerts[alert.key][1],
            state=alert.state,
            incident=alert.incident,
            since_ms=alert.since_ms,
            acknowledged_by=alert.acked_by,
            acknowledged_until_ms=alert.ack_until_ms,
            silenced_until_ms=silence.until_ms if silence else 0,
        )

    def _told(self, alert: Alert) -> AlertView:
        """What the last transition of an alert says."""
        t = alert.transition
        known, view = self._alerts.get(alert.key, (None, None))
        if view is not None and known is t:
            return view
        abouts = {language: About(t, self._directory, _style(language, t.at_ms)) for language in BOTH}
        about = abouts["zh"]
        return AlertView(
            id=alert.key,
            rule=t.rule,
            title={language: one.title for language, one in abouts.items()},
            subject=t.subject,
            state=alert.state,
            severity="crit" if t.severity == "crit" else "warn",
            since_ms=alert.since_ms,
            reason={language: one.reason() for language, one in abouts.items()},
            advice=both(about.rule.advice),
            reason_ms=t.at_ms,
            name={language: one.name for language, one in abouts.items()},
            timezone=about.shop.timezone if "shop" in t.subject else "",
        )


def _style(language: str, now_ms: int = 0) -> Style:
    """Plain words of any length."""
    return Style(language, "text", 0, now_ms)


def _bare(rule: str, subject: dict[str, str]) -> Transition:
    """A transition that says no more than what it is about."""
    return Transition(0, rule, subject, "ok", "ok", "warn", "ok", "")
