"""``slawatch demo``: a simulated day to watch."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from monitor.commands.output import note
from monitor.commands.traffic import traffic_options
from monitor.workbench.world import HOUR_MS, make_world

if TYPE_CHECKING:
    from alerting.fakes.provider import Received
    from monitor.settings import Settings
    from monitor.workbench.world import World

BEGIN = datetime(2026, 11, 11, 10, tzinfo=ZoneInfo("Asia/Shanghai"))  # the year's busiest day


@click.command()
@traffic_options(shops_max=5_000, conversations=300, conversations_max=10_000, hours=14, hours_max=72)
@click.option(
    "--speed",
    type=click.FloatRange(0, 3_600, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds of the day that pass in a second.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of its store, emptied at the start.  [default: a temporary one]",
)
@click.option("--listen", default="127.0.0.1:8700", show_default=True, help="Address of its page.")
@click.option(
    "--language",
    type=click.Choice(["zh", "en"]),
    default="zh",
    show_default=True,
    help="Of page and messages.",
)
@click.option("--once", is_flag=True, help="End when the day is over.")
def command(
    shops: int,
    seed: int,
    conversations: int,
    hours: float,
    speed: float,
    data: Path | None,
    listen: str,
    language: str,
    once: bool,
) -> None:
    """Watch a simulated day of shops from 10:00; nothing to configure.

    A real daemon on a virtual clock: its page is live, and every message that reaches the simulated
    WeCom group is printed here.
    """
    from monitor.configuration import ConfigurationError  # noqa: PLC0415 - the daemon starts below
    from monitor.logs import configure_logging  # noqa: PLC0415
    from monitor.settings import Settings  # noqa: PLC0415

    configure_logging("auto", "error")
    from_ms = int(BEGIN.timestamp()) * 1000
    world = make_world(shops, seed, from_ms, from_ms + int(hours * HOUR_MS), conversations=conversations)
    with tempfile.TemporaryDirectory(prefix="slawatch-demo-") as temporary:
        place = data or Path(temporary) / "demo"
        try:
            settings = Settings(data=Path(place.name), listen=listen, language=language)  # type: ignore[arg-type]
        except ValueError:
            raise ConfigurationError(
                [f"--listen: {listen!r} is no address and port; say 127.0.0.1:8700"]
            ) from None
        with suppress(asyncio.CancelledError):
            asyncio.run(_watch(world, settings, place, speed, once=once))


async def _watch(world: World, settings: Settings, data: Path, speed: float, *, once: bool) -> None:
    from monitor.workbench.demo import clock_text, demo  # noqa: PLC0415 - the whole daemon

    if task := asyncio.current_task():  # else SIGTERM leaves the temporary store behind
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

    def told(message: Received) -> None:
        click.echo(f"\n── {clock_text(message.at_ms)} {'─' * 60}\n{message.text}")

    async with demo(world, settings, data, told) as it:
        click.echo(it.url)
        note(f"{len(world.shops)} shops, {speed:g} seconds of their day a second; Ctrl-C ends it")
        played = await it.play(speed)
        note(f"the day is over: {played} events, {len(it.inbox)} messages")
        if not once:
            note("the page stays; Ctrl-C ends it")
            await asyncio.Event().wait()
