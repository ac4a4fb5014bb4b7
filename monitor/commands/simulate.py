"""``slawatch simulate``: realistic traffic to a file or a daemon, and the truth about it."""

from __future__ import annotations

import gzip
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click
import msgspec

from monitor.commands.cluster import needs
from monitor.commands.context import load_configuration, poster
from monitor.commands.output import note, progress, unreached
from monitor.commands.traffic import traffic_options
from monitor.errors import MonitorError
from monitor.workbench.feed import Fed, feed, write_lines
from monitor.workbench.simulate import Simulation
from monitor.workbench.world import HOUR_MS, MINUTE_MS, World, make_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ZONE = ZoneInfo("Asia/Shanghai")


@click.command(name="simulate")
@traffic_options(shops_max=100_000, conversations=200, conversations_max=100_000, hours=2, hours_max=24 * 366)
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Service day in Asia/Shanghai. Default: today, and to a daemon from now on.",
)
@click.option("--from", "start", metavar="HH:MM", help="When it begins.  [default: 10:00]")
@click.option(
    "--to",
    "target",
    metavar="FILE|URL",
    default="-",
    show_default=True,
    help="NDJSON file (.gz packs it, - is standard output), or the address of a daemon.",
)
@click.option("--kafka", is_flag=True, help="In place of --to, the topic of the configuration.")
@click.option(
    "--received-at/--no-received-at", default=True, show_default=True, help="File: keep when each arrived."
)
@click.option(
    "--speed",
    type=click.FloatRange(0),
    help="Daemon, topic: simulated seconds a second, 0 as fast as it takes them.  [default: 1; with --day 0]",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    help="Daemon: a token; several stand for several sources, the last of which goes dead.",
)
@click.option(
    "--truth",
    type=click.File("wb", lazy=False),
    metavar="FILE",
    help="Write the known figures here, as JSON.",
)
@click.pass_context
def command(
    ctx: click.Context,
    shops: int,
    seed: int,
    conversations: int,
    day: datetime | None,
    start: str | None,
    hours: float,
    target: str,
    kafka: bool,
    received_at: bool,
    speed: float | None,
    tokens: tuple[str, ...],
    truth: IO[bytes] | None,
) -> None:
    """Make realistic traffic with known truth.

    Shops with a long tail of sizes, hours of the day, bursts, a promo, slow agents, robots and
    hand-overs, orders, refunds and disputes; repeats, events out of order, and a source that goes dead
    and comes back. What --seed and the other options say decides every event.
    """
    if kafka and target != "-":
        raise click.UsageError("--kafka and --to go apart", ctx)
    to_daemon = target.startswith(("http://", "https://"))
    live = to_daemon or kafka
    pace = speed if speed is not None else (0.0 if day else 1.0)
    if live and day is None and not 0 < pace <= 1:
        raise click.UsageError(
            "events of now come no faster than time; name a --day, or a --speed up to 1", ctx
        )
    from_ms = _begin_ms(day, start, from_now=live and day is None)
    world = make_world(
        shops,
        seed,
        from_ms,
        from_ms + int(hours * HOUR_MS),
        conversations=conversations,
        sources=max(1, len(tokens)) if to_daemon else 4,
    )
    simulation = Simulation(world)
    if kafka:
        fed = _to_topic(ctx, simulation, pace)
        note(f"sent {fed.accepted} events")
    elif to_daemon:
        fed = _to_daemon(simulation, target, dict(zip(world.sources, tokens, strict=False)), pace)
        counts = f"{fed.accepted} accepted, {fed.duplicates} duplicates, {fed.rejected} rejected"
        note(f"sent {simulation.sent} events: {counts}")
    else:
        _to_file(simulation, target, received_at=received_at)
        note(f"wrote {simulation.sent} events, {simulation.repeated} of them repeats; seed {seed}")
    if truth:
        truth.write(msgspec.json.encode(truth_of(simulation)))


def truth_of(simulation: Simulation) -> list[dict[str, Any]]:
    """The figures of every shop and service day, as the clock stands at the end of the simulation."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [
        {
            "shop": shop,
            "day": (epoch + timedelta(days=day)).date().isoformat(),
            **msgspec.to_builtins(simulation.truth.figures(shop, day, simulation.world.until_ms)),
        }
        for shop, day in simulation.truth.days()
    ]


def _begin_ms(day: datetime | None, start: str | None, *, from_now: bool) -> int:
    now = datetime.now(ZONE)
    if from_now and start is None:
        return int(now.timestamp()) * 1000
    try:
        clock = datetime.strptime(start or "10:00", "%H:%M").replace(tzinfo=ZONE).time()
    except ValueError:
        raise click.BadParameter(
            f"{start!r} is not a time of day such as 10:00", param_hint="--from"
        ) from None
    return int(datetime.combine((day or now).date(), clock, ZONE).timestamp() * 1000)


def _watched(simulation: Simulation, advance: Callable[[float], None]) -> Iterator[Any]:
    world, reached_ms = simulation.world, simulation.world.from_ms
    for arrival in simulation:
        if arrival[0] - reached_ms >= MINUTE_MS:
            advance(min(arrival[0], world.until_ms) - reached_ms)
            reached_ms = arrival[0]
        yield arrival


def _span_ms(world: World) -> int:
    return world.until_ms - world.from_ms


def _to_file(simulation: Simulation, target: str, *, received_at: bool) -> None:
    with progress("simulating", _span_ms(simulation.world)) as advance, _opened(target) as file:
        write_lines(_watched(simulation, advance), file.write, received_at=received_at)


@contextmanager
def _opened(target: str) -> Iterator[IO[bytes]]:
    if target == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    try:
        with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
            yield file  # type: ignore[misc]
    except OSError as error:
        raise MonitorError(f"{target}: {error.strerror}", mend="name a file that can be written") from error


def _to_daemon(simulation: Simulation, url: str, tokens: dict[str, str], speed: float) -> Fed:
    with poster(url, tokens) as post, progress("sending", _span_ms(simulation.world)) as advance:
        return feed(_watched(simulation, advance), post, time, speed=speed)


def _to_topic(ctx: click.Context, simulation: Simulation, speed: float) -> Fed:
    with needs("kafka"):
        from monitor.runtime.cluster import tools  # noqa: PLC0415 - an extra
    from monitor.runtime.cluster.link import link_of  # noqa: PLC0415

    found = load_configuration(ctx)
    kafka = found.settings.kafka
    with (
        tools.poster(link_of(kafka, found.base), kafka.topic, unreached) as post,
        progress("sending", _span_ms(simulation.world)) as advance,
    ):
        return feed(_watched(simulation, advance), post, time, speed=speed)
