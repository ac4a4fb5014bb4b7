"""Figures that slawatch itself wrote of a simulated day are on the boards: what is asked for is written."""

from __future__ import annotations

import asyncio

import pytest

from monitor.rulebook import Plan
from monitor.runtime.names import Names
from monitor.shard.shard import Shard
from monitor.workbench.world import HOUR_MS, make_world
from rules.load import load_packs, load_rules
from tests.dashboards.as_grafana import BOARDS, filled_in, questions
from tests.sinks.test_influx_day import FROM_MS, HABITS, MIDNIGHT_MS, RULES, SENT_MS, UNTIL_MS, live

pytestmark = pytest.mark.live

SEEN_MS = MIDNIGHT_MS + 21 * HOUR_MS + 1_000  # just after a sample, which are an hour apart


@pytest.fixture(scope="module")
def day(influx_server, tmp_path_factory):
    """Asks a query of the boards as of nine in the evening; how many alerts each message had until then."""
    folder, packs = tmp_path_factory.mktemp("day"), load_packs()
    (folder / "rules.yaml").write_text(RULES, "utf-8")
    rules = load_rules([folder / "rules.yaml"], packs)
    world = make_world(4, 7, FROM_MS, UNTIL_MS, conversations=35, sources=2, habits=HABITS)
    by_platform = {versions[0].platform or name: versions for name, versions in packs.items()}
    shard, bucket = Shard(Plan(packs, rules, quiet_gaps=True)), influx_server.new_bucket()
    _, _, sent = asyncio.run(live(world, shard, by_platform, Names(packs, rules, {}, {}), bucket, folder))

    def ask(query, chosen):
        return influx_server.query(filled_in(query, bucket.name, FROM_MS, SEEN_MS, chosen))

    return ask, [alerts for at_ms, alerts in sent if at_ms < SEEN_MS]


def test_every_board_shows_a_day_that_was_written_by_the_sink(day):
    """Variables one after the other, each from the values before it; then every panel and annotation."""
    (look, _), blank = day, []
    for uid, board in BOARDS.items():
        chosen = {}
        for one in board["templating"].get("list", []):
            values = [row["_value"] for row in look(one["query"]["query"], chosen)]
            assert values, f"{uid}: nothing to choose as {one['name']}"
            chosen[one["name"]] = min(values)
        asked = [one for one in questions() if one.board == uid and not one.of.startswith("variable")]
        blank += [one for one in asked if not look(one.query, chosen)]
    assert [one.of for one in blank] == []


def test_the_board_of_alerts_tells_what_was_sent_what_was_refused_and_how_long_it_took(day):
    """Read as a manager reads it, from what the sink wrote: how many, what went wrong, the slowest."""
    look, messages = day
    panels = {one["title"].partition(" · ")[2]: one for one in BOARDS["slawatch-alerts"]["panels"]}

    def values(title, column="_value"):
        rows = look(panels[title]["targets"][0]["query"], {})
        return [row[column] for row in rows if row.get(column)]

    assert values("Messages") == [str(len(messages) + 1)], "each once, and the first twice"
    assert values("Refused") == ["1"]
    slowest = max(messages) * SENT_MS
    assert values("Slowest") == [str(slowest)]
    assert sum(map(int, values("Deliveries", "ok"))) == len(messages)
    assert sum(map(int, values("Deliveries", "rate_limited"))) == 1
    assert max(map(int, values("Time to the channel", "group"))) == slowest
