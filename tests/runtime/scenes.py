"""The daemon in process, with real HTTP on both sides and a clock that is told: what its tests share."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from alerting.fakes.wecom import FakeWecom
from monitor.app import daemon
from monitor.configured import configure
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from monitor.settings import load_settings
from tests.runtime.live import ALERTING, PACK, RULES
from tests.waiting import PATIENCE_S

TEN_MS = 1_794_362_400_000  # 2026-11-11T10:00:00+08:00


def folder(place: Path, wecom_url: str, settings: str = "") -> Path:
    files = {
        "packs/mall.yaml": PACK,
        "rules/rules.yaml": RULES,
        "alerting.yaml": ALERTING.replace("WECOM", wecom_url),
        "slawatch.yaml": f"listen: 127.0.0.1:0\npacks: packs\nlow_water: 1MB\n{settings}",
    }
    for name, text in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text, "utf-8")
    return place


def configured(place: Path):
    return configure(load_settings(place / "slawatch.yaml"), place)


def client_of(it):
    """A client for a daemon's address."""
    return httpx.AsyncClient(base_url=it.url, timeout=PATIENCE_S)


@asynccontextmanager
async def running(place: Path, clock: ManualClock):
    """A daemon over a folder that is written already, and a client for its address."""
    async with daemon(configured(place), clock) as it, client_of(it) as client:
        await it.running.settled()
        yield it, client


@asynccontextmanager
async def living(place: Path, clock: ManualClock, settings: str = ""):
    """A daemon, its clock's mover, and a client for its address; the fake outlives nothing."""
    wecom = FakeWecom(clock.now_ms)
    folder(place, await wecom.start(), settings)
    try:
        async with running(place, clock) as (it, client):
            yield it, client, wecom
    finally:
        await wecom.close()


def play(place: Path, scene, at_ms=TEN_MS, settings=""):
    """Run ``scene(it, client, wecom, clock)`` with a daemon that begins at ``at_ms``."""

    async def main():
        clock = ManualClock(at_ms)
        async with living(place, clock, settings) as (it, client, wecom):
            await scene(it, client, wecom, clock)

    asyncio.run(main())


def message(n, at_ms, actor="customer", shop="s1"):
    event = {"type": "message", "id": f"{actor}{n}", "at": at_ms, "platform": "mall", "shop_id": shop}
    return event | {"conversation_id": f"c{n}", "customer_id": f"u{n}", "actor": actor, "text": "在吗"}


async def post(client, *events):
    answer = await client.post("/api/v1/events", content="\n".join(map(json.dumps, events)))
    assert answer.status_code == 202, answer.text
    return answer.json()


async def a_miss(it, client, clock):
    """The first customer asks at ``TEN_MS`` and is late: four seconds later the alert is out."""
    await post(client, message(1, TEN_MS))
    await pass_time(clock, TEN_MS + 4_000, it.running.settled)


async def line_of(client, shop="s1"):
    return (await client.get(f"/api/v1/shops/mall/{shop}")).json()["lines"][0]


async def why(client, **query):
    """The steps that the daemon says: step, verdict, reason."""
    answer = await client.get("/api/v1/why", params=query)
    assert answer.status_code == 200, answer.text
    return [(step["step"], step["verdict"], step["reason"]) for step in answer.json()["steps"]]
