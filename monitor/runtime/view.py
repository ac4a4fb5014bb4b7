"""What pages and the API read: implements ``monitor.web.ports.ViewPort`` over shard and desk."""

from __future__ import annotations

import asyncio
import heapq
import time
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from alerting.messages.about import About
from alerting.messages.style import Style
from monitor.runtime import limits
from monitor.runtime.show import both, nearness, shop_health, shop_view, waiting_views
from monitor.web.ports import AlertView, Headline, SourceStatus
from rules.transition import Transition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alerting.desk import Desk
    from alerting.policy.state import Alert
    from alerting.ports import Directory
    from monitor.runtime.ports import Figures
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
        self._at_risk: dict[str, list[WaitingView]] = {}  # by shop
        self._alerts: dict[str, tuple[Transition, AlertView]] = {}  # as shown last, until something moves
        self._asked = asyncio.Event()
        self._read_at_s = 0  # the shard's second of which the lists are, where they were made at once

    def shops(self) -> list[ShopView]:
        """Every shop, the nearest to a line first; at most a few seconds old."""
        self._ask()
        return self._shops

    def at_risk(
        self, limit: int, covers: Callable[[str], bool] | None = None
    ) -> tuple[list[WaitingView], int]:
        """Open rounds of the shops covered, the soonest deadline first; how many there are."""
        self._ask()
        shops = [rounds for shop, rounds in self._at_risk.items() if covers is None or covers(shop)]
        soonest = heapq.nsmallest(limit, chain.from_iterable(shops), key=lambda one: one.deadline_ms)
        return [self._with_agent(one) for one in soonest], sum(map(len, shops))

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
        """Make the lists anew while somebody asks, using at most a tenth of the time."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), limits.VIEW_AGE_S)
            self._asked.clear()
            took_s = await self.refresh()
            await asyncio.sleep(max(1.0, 9 * took_s))

    async def refresh(self) -> float:
        """Make the lists of all shops, a slice at a time; seconds of the loop it took."""
        figures, severities = self._figures(), self._severities()
        shops: list[ShopView] = []
        waiting: dict[str, list[WaitingView]] = {}
        took_s = 0.0
        keys = figures.shop_keys() if figures else []
        for first in range(0, len(keys), limits.VIEW_SLICE_SHOPS):
            if first:
                await asyncio.sleep(0)
            began = time.perf_counter()
            assert figures is not None
            self._read(figures, keys[first : first + limits.VIEW_SLICE_SHOPS], severities, shops, waiting)
            took_s += time.perf_counter() - began
        self._keep(shops, waiting)
        return took_s

    def _ask(self) -> None:
        """Have the lists made; at once where that is short and they are not of this second."""
        self._asked.set()
        figures = self._figures()
        if figures is None or figures.now_ms // 1000 == self._read_at_s:
            return
        keys = figures.shop_keys()
        if len(keys) <= limits.VIEW_SLICE_SHOPS:
            shops: list[ShopView] = []
            waiting: dict[str, list[WaitingView]] = {}
            self._read(figures, keys, self._severities(), shops, waiting)
            self._keep(shops, waiting)
            self._read_at_s = figures.now_ms // 1000

    def _read(
        self,
        figures: Figures,
        keys: Sequence[str],
        severities: Mapping[str, list[str]],
        shops: list[ShopView],
        waiting: dict[str, list[WaitingView]],
    ) -> None:
        for key in keys:
            watched, info = figures.watched(key), self._directory.shop(key)
            shops.append(shop_view(key, watched, info, shop_health(severities.get(key, []), watched)))
            if not any(w.reading.blind for w in watched):  # a countdown on what we cannot see would be false
                waiting[key] = waiting_views(key, watched, info)

    def _keep(self, shops: list[ShopView], waiting: dict[str, list[WaitingView]]) -> None:
        self._shops = sorted(shops, key=nearness)
        self.waiting = sum(shop.waiting for shop in shops)
        self._at_risk = waiting

    def _with_agent(self, one: WaitingView) -> WaitingView:
        if not one.agent_id:
            return one
        agent = self._directory.agent(f"{one.platform}:{one.shop_id}", one.agent_id)
        return replace(one, agent_name=agent.name)

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
