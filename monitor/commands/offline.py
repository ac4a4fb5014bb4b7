"""What ``replay`` and ``explain`` share: which packs and rules an offline run takes, and its times."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands.cluster import needs
from monitor.commands.context import load_configuration
from monitor.commands.output import note, progress, unreached
from monitor.engine.limits import EARLIEST_MS
from monitor.limits import LATEST_MS
from monitor.sources.files import total_bytes
from monitor.sources.times import parse_time
from rules.load import shipped_packs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from monitor.runtime.cluster.tools import Span
    from monitor.shard.shard import Shard
    from monitor.workbench.replay import Replayed


def read_time(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """Epoch milliseconds of RFC 3339 with offset, or of milliseconds."""
    if text is None:
        return None
    at_ms = int(text) if text.isascii() and text.isdigit() else parse_time(text)
    if at_ms is None or not EARLIEST_MS <= at_ms <= LATEST_MS:
        example = "2026-11-11T23:10:00+08:00, or epoch milliseconds"
        raise click.BadParameter(f"{text!r} is not a time such as {example}", ctx, param)
    return at_ms


def read_pack(ctx: click.Context, param: click.Parameter, text: str | None) -> Path | None:
    """The file of a pack: by its path, or the newest of those that ship by its name."""
    if text is None or (path := Path(text)).exists():
        return None if text is None else path
    shipped = shipped_packs()
    if text not in shipped:
        what = f"no file {text!r}, and no pack of that name ships; name a file, or {', '.join(shipped)}"
        raise click.BadParameter(what, ctx, param)
    return shipped[text]


pack_option = click.option(
    "--pack",
    metavar="FILE",
    callback=read_pack,
    help="A pack that serves every shop, whatever its platform; one that ships by its name, as pinduoduo.",
)
since_option = click.option(
    "--since",
    "since_ms",
    metavar="TIME",
    callback=read_time,
    help="--kafka: only what arrived from then on.",
)
at_option = click.option(
    "--at",
    "at_ms",
    metavar="TIME",
    callback=read_time,
    help="The clock at the end, as 2026-11-11T23:10:00+08:00 or in ms.  [default: the last arrival]",
)


def configured_shard(
    ctx: click.Context, pack: Path | None, rules: Sequence[Path] | None, *, quiet_gaps: bool = True
) -> Shard:
    """A shard of the current configuration, or of what the options say; ``rules`` None: without any."""
    from monitor.workbench.offline import offline_shard  # noqa: PLC0415 - packs, rules and settings

    found = load_configuration(ctx)
    return offline_shard(found.settings, found.base, pack=pack, rules=rules, quiet_gaps=quiet_gaps)


def run_topic(ctx: click.Context, shard: Shard, span: Span, at_ms: int | None) -> Replayed:
    """Replay the topic of the configuration, and say what was refused."""
    with needs("kafka"):
        from monitor.runtime.cluster.tools import Topic  # noqa: PLC0415 - an extra
    from monitor.runtime.cluster.link import link_of  # noqa: PLC0415
    from monitor.workbench.replay import Replayed, replay_log  # noqa: PLC0415

    configured, found = load_configuration(ctx), Replayed(shard)
    kafka = configured.settings.kafka
    link = link_of(kafka, configured.base)
    topic = Topic(link, kafka.topic, span, found.refuse_record, chosen=True, says=unreached)
    with few_collections():
        replay_log(found, topic.records(), at_ms)
    _say_dead(found, note)
    _say_packless(shard)
    _say_ruleless(shard)
    return found


def run_files(shard: Shard, files: Sequence[str], at_ms: int | None) -> Replayed:
    """Replay files with a progress bar, and say what was refused."""
    from monitor.workbench.replay import replay  # noqa: PLC0415

    with few_collections(), progress("reading", total_bytes(files)) as advance:
        found = replay(files, shard, at_ms=at_ms, progress=advance)
    _say_dead(found, note)
    _say_packless(shard)
    _say_ruleless(shard)
    return found


@contextmanager
def few_collections() -> Iterator[None]:
    """Look for garbage in cycles seldom: of what a replay makes nearly all lives to its end.

    Measured: a quarter of the time, and no more memory.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _say_dead(found: Replayed, say: Callable[[str], object]) -> None:
    for dead in found.dead:
        say(str(dead))
    refused = found.events["rejected"]
    if refused:
        more = refused - len(found.dead)
        say(f"{refused} events refused" + (f", {more} of them not listed" if more else ""))


def _say_packless(shard: Shard) -> None:
    """Say which platforms have no figures, once each: their events were taken, and nothing came of it."""
    if shard.plan.serves_all:
        return
    spec = shard.engine.spec
    without = {
        shop.platform
        for key, shop in shard.engine.shops.items()
        if spec.of(shop.platform, key) is spec.default
    }
    for platform in sorted(without):
        note(f"platform {platform}: no pack, so its shops have no measures; name one with --pack")


def _say_ruleless(shard: Shard) -> None:
    """Say which platforms have figures and no rule on any shop, once each: "no alerts" would sound calm.

    A rule on a sum is on every shop in it.
    """
    book, publisher, watched = shard.book, shard.publisher, dict[str, bool]()
    for key, shop in shard.engine.shops.items():
        day = shop.day_number(shard.now_ms)
        if book.pack_on(shop.platform, key, day) is not None:
            rules, _ = book.of_shop(shop.platform, shop.shop_id, day)
            any_rule = bool(rules or (publisher is not None and publisher.members(shop, day)))
            watched[shop.platform] = watched.get(shop.platform, False) or any_rule
    for platform in sorted(name for name, any_rule in watched.items() if not any_rule):
        note(f"platform {platform}: no rule is on its shops, so nothing is judged; name rules with --rules")
