"""Figures over shops as they were published last: implements ``monitor.web.sums.SumsPort``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from alerting.errors import StoreBusy
from monitor.aggregate.aims import aims_of
from monitor.aggregate.shard import AGGREGATE_SHARD
from monitor.aggregate.sums import decode_part, merged
from monitor.runtime import limits
from monitor.runtime.show import share
from rules.rule import OVER_SHOPS

if TYPE_CHECKING:
    from monitor.aggregate.aims import Aim
    from monitor.aggregate.sums import AimSums, Sums
    from monitor.rulebook import Plan
    from monitor.runtime.plan_book import PlanBook
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.port import ShardStore
    from rules.pack import Measure


class PublishedSums:
    """Adds up the newest part of each shard.

    Args:
        plans: Those that parts name.
        store: Where parts lie; called only in ``thread``.
        thread: Where that waits.
        shards: How many shards there should be.
    """

    def __init__(self, plans: PlanBook, store: ShardStore, thread: StoreThread, shards: int) -> None:
        self._plans, self._store, self._thread, self._shards = plans, store, thread, shards
        self.latest: dict[str, dict[str, Any]] = {}  # by team, platform and agent, for pages

    async def run(self) -> None:
        """Have the latest at hand, for ever."""
        while True:
            with suppress(StoreBusy):
                self.latest = {each: await self.sums(each) for each in OVER_SHOPS}
            await asyncio.sleep(limits.SUMS_LOOK_S)

    async def sums(self, each: str) -> dict[str, Any]:
        """Every sum of teams, platforms or agents; see ``SumsPort``."""
        return await self._thread.run(self._read, each)

    def _read(self, each: str) -> dict[str, Any]:
        rows = [row for row in self._store.latest_parts() if row[1] != AGGREGATE_SHARD]
        newest_ms = max((at_ms for at_ms, *_ in rows), default=0)
        parts = [decode_part(b) for at_ms, _, b in rows if newest_ms - at_ms < limits.PART_LATE_MS]
        name = max((part.plan for part in parts), default="")
        parts = [part for part in parts if part.plan == name]
        if not parts:
            return {"as_of_ms": 0, "missing": self._shards, "sums": []}
        self._plans.fetch(self._store, name)
        found = merged(part.sums for part in parts)
        plan = self._plans.known[name]
        return {
            "as_of_ms": min(part.at_ms for part in parts),
            "missing": self._shards - len(parts),
            "sums": _told(plan, found, each),
        }


def _told(plan: Plan, found: AimSums, each: str) -> list[dict[str, Any]]:
    packs = [pack for versions in plan.packs.values() for pack in versions]
    told = []
    for number, aim in enumerate(aims_of(plan)):
        if aim.each != each:
            continue
        aimed = next((aimed for pack in packs if (aimed := aim.target(pack))), None)
        measure = aimed.measure if aimed is not None else None
        for subject, sums in sorted(found.get(number, {}).items()):
            told.append({each: subject, **_what(aim, measure), **_figures(sums, measure)})
    return told


def _what(aim: Aim, measure: Measure | None) -> dict[str, Any]:
    title = {"zh": measure.title.zh, "en": measure.title.en} if measure else {"zh": "", "en": ""}
    named = {"measure": measure.id, "kind": measure.kind} if measure else {"measure": "", "kind": ""}
    return {"line": aim.line, **named, "title": title, "period": aim.period}


def _figures(sums: Sums, measure: Measure | None) -> dict[str, Any]:
    kind = measure.kind if measure is not None else ""
    went = {"reply_rate": sums.asked - sums.late, "order_rate": sums.late}.get(kind)
    return {
        "shops": sums.shops,
        "dark": sums.dark,
        "partial": sums.partial > 0,
        "asked": sums.asked,
        "late": sums.late,
        "open": sums.open,
        "value": share(went, sums.asked) if went is not None else None,
        "waiting": sums.waiting,
        "online": sums.online if sums.manned else None,
    }
