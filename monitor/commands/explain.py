"""``slawatch explain``: the units behind a figure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import msgspec

from alerting.texts import mask
from monitor.commands.offline import at_option, configured_shard, few_collections, pack_option
from monitor.commands.output import format_option, note, print_json, print_table, progress
from monitor.errors import MonitorError
from monitor.plan import day_number
from monitor.sources.files import read_arrivals, total_bytes
from monitor.workbench.explain import Explained, Unit, Wait, explain
from monitor.workbench.report import local_time
from monitor.workbench.witness import Witness
from rules.problems import closest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from monitor.engine.zone import Zone

KINDS = ("reply_rate", "response_time", "order_rate")
COLUMNS = ("unit", "state", "customer", "conversation", "asked", "answered", "waited", "by", "held by", "why")

Written = dict[str, Any]


@click.command(name="explain")
@click.argument("shop", metavar="SHOP")
@click.argument("measure", metavar="MEASURE")
@click.argument("day", required=False, metavar="[DAY]")
@click.option(
    "--file",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Events, as `slawatch replay` takes them; may be repeated.",
)
@pack_option
@at_option
@click.option("--clear", is_flag=True, help="Show customers and conversations in clear, not masked.")
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    shop: str,
    measure: str,
    day: str | None,
    files: tuple[str, ...],
    pack: Path | None,
    at_ms: int | None,
    clear: bool,
    form: str,
) -> None:
    """List what a figure is made of: who, when, how long, which agent, why counted or left out.

    SHOP is platform:shop_id, MEASURE one of its pack, DAY a service day such as 2026-11-11 (without it
    that of the last event, or of --at). What is listed as counted adds up to the figure of `slawatch replay`.
    """
    platform, colon, shop_id = shop.partition(":")
    if not (platform and colon and shop_id):
        raise click.BadParameter(f"{shop!r} is not platform:shop_id, such as pinduoduo:s1", param_hint="SHOP")
    number = _day(day)
    witness = Witness(configured_shard(ctx, pack, None), platform, shop_id)
    with few_collections(), progress("reading", total_bytes(files)) as advance:
        arrivals = read_arrivals(files, refused=lambda *_: None, progress=advance)
        witness.watch(arrivals, at_ms=at_ms, day=number)
    if witness.shop is None:
        raise MonitorError(f"nothing of shop {shop} in {', '.join(files)}", mend="see `slawatch replay`")
    zone = witness.shop.zone
    if number is None:
        number = witness.shop.day_number(witness.shard.now_ms)
    _check_measure(witness, shop, measure, number)
    written = _written(explain(witness, measure, number), zone, _shown if clear else mask)
    written |= {"shop": shop, "measure": measure, "day": _iso(number)}
    written |= {"as_of": local_time(zone, witness.shard.now_ms)}
    if form == "json":
        print_json(written)
    else:
        _print(written)


def _day(day: str | None) -> int | None:
    try:
        return None if day is None else day_number(day)
    except ValueError:
        raise click.BadParameter(f"{day!r} is not a date such as 2026-11-11", param_hint="DAY") from None


def _iso(number: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC).date() + timedelta(days=number)).isoformat()


def _check_measure(witness: Witness, shop: str, measure: str, number: int) -> None:
    pack = witness.shard.book.pack_on(witness.platform, shop, number)
    known = [m.id for m in pack.measures.values() if m.kind in KINDS] if pack is not None else []
    if measure not in known:
        hint = closest(measure, known)
        mend = f"did you mean {hint}?" if hint else f"there are {', '.join(known) or 'none'}"
        raise MonitorError(f"no measure {measure!r} of {shop} on {_iso(number)}", mend=mend)


def _shown(text: str) -> str:
    return text


def _written(found: Explained, zone: Zone, show: Callable[[str], str]) -> Written:
    """Names masked or not, and times as people and scripts read them."""

    def wait(one: Wait) -> Written:
        return {
            **msgspec.structs.asdict(one),
            "conversation": show(one.conversation) if one.conversation else "",
            "customer": show(one.customer) if one.customer else "",
            "asked": local_time(zone, one.ask_ms),
            "answered": None if one.answer_ms is None else local_time(zone, one.answer_ms),
        }

    def unit(one: Unit) -> Written:
        return {"unit": show(one.unit), "state": one.state, "waits": [wait(each) for each in one.waits]}

    return {
        "figure": found.figure,
        "units": [unit(one) for one in found.units],
        "left_out": [wait(one) for one in found.left_out],
    }


def _print(written: Written) -> None:
    rows = []
    for unit in written["units"]:
        for place, wait in enumerate(unit["waits"]):
            head = (unit["unit"], unit["state"]) if place == 0 else ("", "")
            rows.append((*head, *_cells(wait)))
    rows += [("", "left out", *_cells(wait)) for wait in written["left_out"]]
    print_table(COLUMNS, rows, empty="nothing was asked")
    figure = ", ".join(f"{name} {count}" for name, count in written["figure"].items())
    what = f"{written['shop']} {written['measure']} {written['day']}, as of {written['as_of']}"
    note(f"{what}: {figure or 'nothing'}")


def _cells(wait: Written) -> tuple[str, ...]:
    waited = "" if wait["wait_ms"] is None else f"{wait['wait_ms'] // 1000}.{wait['wait_ms'] % 1000 // 100} s"
    return (
        wait["customer"],
        wait["conversation"],
        wait["asked"][11:23].partition("+")[0],
        (wait["answered"] or "")[11:23].partition("+")[0],
        waited,
        wait["by"],
        wait["holder"],
        wait["why"],
    )
