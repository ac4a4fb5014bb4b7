"""Figures that slawatch itself wrote of a simulated day are on the boards: what is asked for is written."""

from __future__ import annotations

import asyncio

import pytest

from monitor.rulebook import Plan
from monitor.runtime.names import Names
from monitor.shard import Shard
from monitor.workbench.world import HOUR_MS, make_world
from rules.load import load_packs, load_rules
from tests.dashboards.as_grafana import BOARDS, filled_in, questions
from tests.sinks.test_influx_day import FROM_MS, HABITS, MIDNIGHT_MS, RULES, UNTIL_MS, live

pytestmark = pytest.mark.live

SEEN_MS = MIDNIGHT_MS + 21 * HOUR_MS + 1_000  # just after a sample, which are an hour apart


@pytest.fixture(scope="module")
def look(influx_server, tmp_path_factory):
    """Asks a query of the boards over the day, as of nine in the evening."""
    folder, packs = tmp_path_factory.mktemp("day"), load_packs()
    (folder / "rules.yaml").write_text(RULES, "utf-8")
    rules = load_rules([folder / "rules.yaml"], packs)
    world = make_world(4, 7, FROM_MS, UNTIL_MS, conversations=35, sources=2, habits=HABITS)
    by_platform = {versions[0].platform or name: versions for name, versions in packs.items()}
    shard, bucket = Shard(Plan(packs, rules, quiet_gaps=True)), influx_server.new_bucket()
    asyncio.run(live(world, shard, by_platform, Names(packs, rules, {}, {}), bucket, folder))

    def ask(query, chosen):
        return influx_server.query(filled_in(query, bucket.name, FROM_MS, SEEN_MS, chosen))

    return ask


def test_every_board_shows_a_day_that_was_written_by_the_sink(look):
    """Variables one after the other, each from the values before it; then every panel and annotation."""
    blank = []
    for uid, board in BOARDS.items():
        chosen = {}
        for one in board["templating"].get("list", []):
            values = [row["_value"] for row in look(one["query"]["query"], chosen)]
            assert values, f"{uid}: nothing to choose as {one['name']}"
            chosen[one["name"]] = min(values)
        asked = [one for one in questions() if one.board == uid and not one.of.startswith("variable")]
        blank += [one for one in asked if not look(one.query, chosen)]
    courses = [one.of for one in blank]
    assert [of for of in courses if "Deliveries" not in of and "Time to the channel" not in of] == []
    assert len(courses) == 2, "nothing was sent in that day"
