"""The demo: a simulated day played into a real daemon, whose WeCom is a fake that keeps the real limits.

One clock, which is told, for shard, desk, sender and fake: a minute of the day takes a second, and every
limit, countdown and interval is that of the day.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from alerting.config.model import Alerting
from alerting.fakes.wecom import FakeWecom
from monitor.app import daemon
from monitor.configured import Configured
from monitor.directory import Person, Shop
from monitor.errors import MonitorError
from monitor.runtime.clock import ManualClock
from monitor.runtime.names import Names
from monitor.runtime.plans import plan_of
from monitor.workbench.play import play
from monitor.workbench.simulate import Simulation
from monitor.workbench.world import ZONE_MS
from rules.load import load_packs, load_rules, starter_rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from alerting.fakes.provider import Received
    from monitor.app import Daemon
    from monitor.settings import Settings
    from monitor.workbench.world import World

MARK = ".demo"  # a directory with it is a demo's, and is emptied for the next
KEY = "demo"
TEAMS = ("一组", "二组", "三组")
SURNAMES = "李王张刘陈杨黄赵吴周徐孙马朱胡"


@dataclass(slots=True)
class Demo:
    """A demo that runs."""

    url: str
    inbox: list[Received]
    simulation: Simulation
    _daemon: Daemon
    _clock: ManualClock

    async def play(self, speed: float) -> int:
        """Play the day, ``speed`` of its seconds a second; the number of events."""
        running = self._daemon.running
        pace = _Pace(asyncio.get_running_loop())
        accept = running.entrance.accept
        return await play(self.simulation, self._clock, accept, running.settled, pace, speed=speed)


@asynccontextmanager
async def demo(
    world: World, settings: Settings, data: Path, told: Callable[[Received], object]
) -> AsyncIterator[Demo]:
    """A daemon for a world, with its clock at the world's beginning.

    Args:
        world: What will be played.
        settings: Where to listen, and in which language.
        data: A directory of its own; what an earlier demo left there is removed.
        told: Called with each message that reaches the group.

    Raises:
        MonitorError: The directory holds something else, or the address is taken.
    """
    _clear(data)
    clock = ManualClock(world.from_ms)
    wecom = FakeWecom(clock.now_ms, keys=(KEY,), on_message=told)
    try:
        configured = _configure(world, settings, data, await wecom.start())
        async with daemon(configured, clock) as it:
            yield Demo(it.url, wecom.inbox, Simulation(world), it, clock)
    finally:
        await wecom.close()


def _configure(world: World, settings: Settings, data: Path, wecom_url: str) -> Configured:
    packs = load_packs()
    rules = load_rules(starter_rules(), packs)
    shops = {shop.key: Shop(name=shop.name, team=TEAMS[n % len(TEAMS)]) for n, shop in enumerate(world.shops)}
    agents = [(shop, agent) for shop in world.shops for agent in shop.agents]
    people = {
        agent: Person(name=f"小{SURNAMES[n % len(SURNAMES)]}", agent_ids=(f"{shop.key}:{agent}",))
        for n, (shop, agent) in enumerate(agents)
    }
    alerting = Alerting.parse(
        {
            "accounts": {"group": {"type": "wecom_bot", "key": KEY, "base_url": wecom_url, "format": "text"}},
            "receivers": {"managers": {"accounts": ["group"]}},
            "default": "managers",
            "language": settings.language,
        }
    )
    return Configured(
        settings=settings,
        base=data.parent,
        plan=plan_of(settings, packs, rules, shops),
        names=Names(packs, rules, shops, people),
        alerting=alerting,
        shops=shops,
        people=people,
    )


def _clear(data: Path) -> None:
    """Make the directory, or empty it where an earlier demo made it."""
    try:
        if data.is_dir() and any(data.iterdir()) and not (data / MARK).exists():
            raise MonitorError(f"{data} holds something that is no demo's", mend="name another --data")
        data.mkdir(parents=True, exist_ok=True)
        (data / MARK).touch()
        for path in data.iterdir():
            if path.name != MARK:
                path.unlink()
    except OSError as error:
        raise MonitorError(f"{data}: {error.strerror}", mend="name another --data") from error


def clock_text(at_ms: int) -> str:
    """Time of the day in the simulated shops' zone."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(milliseconds=ZONE_MS):%H:%M:%S}"


@dataclass(frozen=True, slots=True)
class _Pace:
    loop: asyncio.AbstractEventLoop

    def time(self) -> float:
        return self.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
