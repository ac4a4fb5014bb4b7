"""The demo is the daemon: its figures are the simulation's truth, its messages reach the group."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from monitor.errors import MonitorError
from monitor.settings import Settings
from monitor.workbench.demo import MARK, demo
from monitor.workbench.truth import Counts, day_of
from monitor.workbench.world import HOUR_MS, make_world
from tests.waiting import PATIENCE_S

TEN_MS = 1_794_362_400_000  # 2026-11-11T10:00:00+08:00
AS_FAST_AS_IT_GOES = 1e9


def test_a_day_played_into_the_daemon_shows_its_truth(tmp_path):
    """Journal, ticks, engine and pages between: asked, late and open of each shop are the generator's."""
    world = make_world(8, 3, TEN_MS, TEN_MS + HOUR_MS // 2, conversations=2_000)
    settings = Settings(data=Path("demo"), listen="127.0.0.1:0", language="zh")

    async def play():
        async with demo(world, settings, tmp_path / "demo", lambda _message: None) as it:
            await it.play(AS_FAST_AS_IT_GOES)
            async with httpx.AsyncClient(base_url=f"{it.url}/api/v1", timeout=PATIENCE_S) as api:
                shops = {
                    shop.key: (await api.get(f"/shops/{shop.platform}/{shop.shop_id}")).json()
                    for shop in world.shops
                }
            return it.simulation.truth, shops, it._clock.now_ms(), it.inbox

    truth, shops, now_ms, inbox = asyncio.run(play())
    for shop in world.shops:
        known = truth.figures(shop.key, day_of(TEN_MS), now_ms)
        counts = known.customers if shop.platform == "pinduoduo" else known.rounds
        figure = next(
            one["parts"]
            for one in shops[shop.key]["figures"]
            if (one["measure"], one["period"]) == ("reply_rate_3m", "day")
        )
        assert Counts(figure["asked"], figure["late"], figure["open"]) == counts, shop.key
    short_handed = next(shop.name for shop in world.shops if shop.key == world.short_handed_shop)
    assert [message for message in inbox if short_handed in message.text]


def test_the_demo_prints_its_address_and_what_the_group_reads(tmp_path):
    """As a newcomer runs it: the first message within the first minute of watching, the page answers."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored by what runs in the background
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "demo", "--listen", "127.0.0.1:0", "--data", "var/demo"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
            assert httpx.get(f"{url}/healthz", timeout=PATIENCE_S).status_code == 200
            assert "<html" in httpx.get(url, timeout=PATIENCE_S).text
            said = "".join(process.stdout.readline() for _ in range(3))
            assert re.search(r"── 10:\d\d:\d\d ─+\n【(警告|严重)】", said)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
        assert process.returncode == 130


def test_a_demo_that_is_told_to_end_leaves_nothing_behind(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "demo", "--listen", "127.0.0.1:0", "--shops", "1"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline().startswith("http://")
        (store,) = tmp_path.glob("slawatch-demo-*")
        process.terminate()
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert (process.returncode, "Traceback" in said, store.exists()) == (0, False, False)


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    world = make_world(1, 1, TEN_MS, TEN_MS + HOUR_MS)

    async def start():
        async with demo(world, Settings(listen="127.0.0.1:0"), tmp_path, print):
            pass

    with pytest.raises(MonitorError, match="holds something that is no demo's; name another --data"):
        asyncio.run(start())
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt"}
    assert not (tmp_path / MARK).exists()
