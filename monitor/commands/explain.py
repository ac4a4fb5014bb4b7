"""``slawatch explain``: the units behind a figure."""

from __future__ import annotations

from contextlib import closing
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from alerting.messages.trimmed import mask
from monitor.commands.context import Daemon, daemon_options
from monitor.commands.offline import at_option, configured_shard, few_collections, pack_option
from monitor.commands.output import format_option, note, print_json, print_table, progress
from monitor.errors import MonitorError
from monitor.plan import day_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.workbench.witness import Witness

    Written = dict[str, Any]
    Show = Callable[[str], str]

COLUMNS = ("unit", "state", "customer", "conversation", "asked", "answered", "waited", "by", "held by", "why")
DAEMON_S = 120  # a daemon folds the shop's days again first


@click.command()
@click.argument("shop")
@click.argument("measure")
@click.argument("day", required=False)
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="Events, as `slawatch replay` takes them; may be repeated.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The data folder of a daemon that is stopped, or a backup.",
)
@daemon_options
@pack_option
@at_option
@click.option("--clear", is_flag=True, help="Show customers and conversations in clear, not masked.")
@format_option
@click.pass_context
def command(
    ctx: click.Context, /, shop: str, measure: str, day: str | None, form: str, **options: Any
) -> None:
    """List what a figure is made of: who, when, how long, which agent, why counted or left out.

    SHOP is platform:shop_id, MEASURE one of its pack, DAY a service day such as 2026-11-11 (without it
    the one that runs). What is listed as counted adds up to the figure. Repeats are no questions: the
    table only counts them.

    Without --file and --data the running daemon is asked, which folds the shop's events of its journal
    again; --clear then takes a lead's token. --pack and --at are for --file and --data.
    """
    platform, colon, shop_id = shop.partition(":")
    if not (platform and colon and shop_id):
        raise click.BadParameter(f"{shop!r} is not platform:shop_id, such as pinduoduo:s1", param_hint="SHOP")
    number, files, data = _day(day), options["files"], options["data"]
    if files and data:
        raise click.UsageError("--file and --data are two places of events; name one")
    if not (files or data):
        if options["pack"] or options["at_ms"]:
            raise click.UsageError("a running daemon has its own packs and clock; leave out --pack and --at")
        daemon = Daemon(ctx, options["url"], options["token"], timeout_s=DAEMON_S)
        place = f"/shops/{quote(platform)}/{quote(shop_id, safe='')}/explain"
        written: Written = daemon.get(place, measure=measure, day=day or "", clear=int(options["clear"]))
    else:
        from monitor.workbench.witness import Witness  # noqa: PLC0415 - the engine and its packs

        witness = Witness(configured_shard(ctx, options["pack"], None), platform, shop_id)
        show: Show = str if options["clear"] else mask
        if files:
            written = _of_files(witness, files, measure, number, show, options["at_ms"])
        else:
            written = _of_data(witness, data, measure, number, show, options["at_ms"])
    if form == "json":
        print_json(written)
    else:
        _print(written)


def _of_files(
    witness: Witness, files: tuple[str, ...], measure: str, number: int | None, show: Show, at_ms: int | None
) -> Written:
    from monitor.sources.files import read_arrivals, total_bytes  # noqa: PLC0415
    from monitor.workbench.evidence import evidence  # noqa: PLC0415

    with few_collections(), progress("reading", total_bytes(files)) as advance:
        arrivals = read_arrivals(files, refused=lambda *_: None, progress=advance)
        witness.watch(arrivals, at_ms=at_ms, day=number)
    if witness.shop is None:
        what = f"nothing of shop {witness.platform}:{witness.shop_id} in {', '.join(files)}"
        raise MonitorError(what, mend="see `slawatch replay`")
    return evidence(witness, measure, number, show)


def _of_data(
    witness: Witness, data: Path, measure: str, number: int | None, show: Show, at_ms: int | None
) -> Written:
    from monitor.store.journal_reader import JournalReader  # noqa: PLC0415
    from monitor.workbench.evidence import JournalHistory, evidence_in  # noqa: PLC0415

    path = data / "journal.db"
    if not path.is_file():
        raise MonitorError(
            f"{data}: no journal.db", mend="name the folder of an embedded daemon, or its backup"
        )
    with closing(JournalReader(path)) as reader:
        last = reader.batch(reader.ends()[1], 1)
        if at_ms is None:
            at_ms = last[0].arrival_ms if last else 0
        return evidence_in(JournalHistory(reader), witness, measure, number, show, at_ms=at_ms)


def _day(day: str | None) -> int | None:
    try:
        return None if day is None else day_number(day)
    except ValueError:
        raise click.BadParameter(f"{day!r} is not a date such as 2026-11-11", param_hint="DAY") from None


def _print(written: Written) -> None:
    from monitor.workbench.witness import DUPLICATE  # noqa: PLC0415 - the engine and its packs

    rows = []
    for unit in written["units"]:
        for place, wait in enumerate(unit["waits"]):
            head = (unit["unit"], unit["state"]) if place == 0 else ("", "")
            rows.append((*head, *_cells(wait)))
    left_out = [wait for wait in written["left_out"] if wait["why"] != DUPLICATE]
    rows += [("", "left out", *_cells(wait)) for wait in left_out]
    print_table(*_narrowed(rows), empty="nothing was asked")
    figure = ", ".join(f"{name} {count}" for name, count in written["figure"].items())
    what = f"{written['shop']} {written['measure']} {written['day']}, as of {written['as_of']}"
    note(f"{what}: {figure or 'nothing'}")
    if repeats := len(written["left_out"]) - len(left_out):
        note(f"not in the list: {repeats} × {DUPLICATE}; --format json has each")
    if since := written.get("since"):
        note(f"the journal begins at {since}: what came before is not in this")


def _narrowed(rows: list[tuple[str, ...]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows without a column that says nothing: all empty, or units named in another column."""
    said = [any(column) for column in zip(*rows, strict=True)]
    if said:
        said[0] = not all(row[0] in ("", row[2], row[3]) for row in rows)
    return tuple(compress(COLUMNS, said)), [tuple(compress(row, said)) for row in rows]


def _cells(wait: Written) -> tuple[str, ...]:
    waited = "" if wait["wait_ms"] is None else f"{wait['wait_ms'] // 1000}.{wait['wait_ms'] % 1000 // 100} s"
    return (
        wait["customer"],
        wait["conversation"],
        (wait["asked"] or "")[11:19],
        (wait["answered"] or "")[11:19],
        waited,
        wait["by"],
        wait["holder"],
        wait["why"],
    )
