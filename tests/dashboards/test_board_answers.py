"""Every query of every board on a real InfluxDB: it answers at once, with the columns its panel shows."""

from __future__ import annotations

import os

import pytest

from benchmarks.dashboards import ask_all
from tests.dashboards.as_grafana import questions

pytestmark = pytest.mark.live

WITHIN_S = 1.0
QUESTIONS = {one.name: one for one in questions()}
ALWAYS_OF_INFLUX = {"result", "table"}


def shown(panel):
    """Columns that a panel names, and so must be there."""
    named = {
        one["matcher"]["options"]
        for one in panel.get("fieldConfig", {}).get("overrides", [])
        if one["matcher"]["id"] == "byName"
    }
    return named - {"ok"}  # a result is a column only where there was one


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_query_answers_at_once_with_what_is_shown(ask, name):
    question = QUESTIONS[name]
    ask(question.query)  # what is asked for the first time is compiled and read from the disk
    began_s = ask.server.worked_s
    rows = ask(question.query)
    took_s = ask.server.worked_s - began_s
    assert rows, "no row: the panel would be blank"
    assert took_s < WITHIN_S
    columns = {column for row in rows for column in row} - ALWAYS_OF_INFLUX
    kind = question.panel.get("type", question.of.partition(" ")[0])
    if kind == "table":
        assert columns == shown(question.panel), "what is not named would be shown under its raw name"
    elif kind == "stat":
        assert len(rows) == 1
        (column,) = columns
        float(rows[0][column])
    elif kind in ("timeseries", "state-timeline"):
        assert "_time" in columns
        assert shown(question.panel) <= columns
        assert columns - {"_time"}, "something is drawn"
        times = [row["_time"] for row in rows]
        assert times == sorted(times), "a line goes forward"
        assert len(set(times)) == len(times), "one table, a row a time"
    elif kind == "annotations":
        assert columns >= {"_time", "text", "tags"}
    else:
        assert columns == {"_value"}


def test_a_board_over_nothing_shows_nothing_and_no_zero(ask):
    """A shop nobody heard of: numbers have no row, which is NO DATA; none becomes a healthy zero."""
    for name, question in QUESTIONS.items():
        if question.board == "slawatch-shop" and question.panel.get("type") == "stat":
            assert ask(question.query, shop="nobody") == [], name


def test_every_query_over_many_days_of_many_shops_answers_within_a_second(influx_server):
    """``TEST_DASHBOARDS=30d`` asks over 30 days of 1,000 shops, which takes ten minutes to write."""
    shops, days = (1_000, 30) if os.environ.get("TEST_DASHBOARDS") == "30d" else (20, 1)
    found = ask_all(influx_server, shops, days, lambda: influx_server.worked_s)
    assert len(found.slowest) == 5
    assert max(found.slowest.values()) < (WITHIN_S, ""), found.slowest
