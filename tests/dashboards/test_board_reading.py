"""What a manager concludes from the boards is what happened: a known bad hour, and a shop that is blind."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.dashboards.as_grafana import BOARDS
from tests.dashboards.shops_seeded import at

pytestmark = pytest.mark.live


@pytest.fixture
def see(ask):
    """What a panel shows, by a part of its title, with the board's time ending at an hour."""

    def look(uid, title, until=16.0, **chosen):
        panel = next(one for one in BOARDS[uid]["panels"] if title in one["title"])
        return ask(panel["targets"][0]["query"], stop_ms=at(until), **chosen), panel

    return look


def shown(answer):
    """The text and colour of the one number that a panel shows."""
    rows, panel = answer
    defaults = panel["fieldConfig"]["defaults"]
    if not rows:
        return defaults["noValue"], "red"
    (value,) = (value for name, value in rows[0].items() if name not in ("result", "table"))
    for mapping in defaults["mappings"]:
        if mapping["type"] == "value" and value in mapping["options"]:
            found = mapping["options"][value]
            return found["text"], found["color"]
    reached = [
        one["color"]
        for one in defaults["thresholds"]["steps"]
        if one["value"] is None or one["value"] <= float(value)
    ]
    return value, reached[-1]


def hour(row):
    """Of a row, by the clock of the shop."""
    return (datetime.fromisoformat(row["_time"]).timestamp() * 1_000 - at(0)) / 3_600_000


def test_at_half_past_two_the_wall_says_that_one_shop_is_critical_and_which(see):
    assert shown(see("slawatch-wall", "Critical shops", until=14.5)) == ("1", "red")
    assert shown(see("slawatch-wall", "Blind shops", until=14.5)) == ("0", "green")
    rows, panel = see("slawatch-wall", "Worst shops", until=14.5)
    assert (rows[0]["shop"], rows[0]["severity"], rows[0]["name"]) == ("s1", "2", "店铺1")
    assert rows[0]["breach_in_s"] == "600"
    links = [
        one
        for over in panel["fieldConfig"]["overrides"]
        for one in over["properties"]
        if one["id"] == "links"
    ]
    assert links[0]["value"][0]["url"].startswith("/d/slawatch-shop?var-platform=")


def test_before_the_bad_hour_the_wall_is_calm(see):
    assert shown(see("slawatch-wall", "Critical shops", until=13.9)) == ("0", "green")
    assert shown(see("slawatch-wall", "Lines crossed", until=13.9)) == ("0", "green")


def test_the_tightest_line_on_the_wall_is_that_of_the_bad_shop(see):
    rows, _ = see("slawatch-wall", "Tightest lines", until=15.0)
    assert (rows[0]["shop"], rows[0]["line"]) == ("s1", "pdd-reply")
    left = [int(row["budget_left_today"]) for row in rows]
    assert left == sorted(left)


def test_a_shop_that_is_blind_is_at_the_top_and_is_never_green(see):
    rows, _ = see("slawatch-wall", "Worst shops")
    assert (rows[0]["shop"], rows[0]["severity"]) == ("s2", "3")
    assert shown(see("slawatch-wall", "Blind shops")) == ("1", "red")
    assert shown(see("slawatch-shop", "Blind", shop="s2")) == ("是 yes", "red")
    assert shown(see("slawatch-shop", "State", shop="s2"))[0] == "失联 blind"
    assert shown(see("slawatch-shop", "Budget left", shop="s2")) == ("NO DATA", "red")


def test_the_shop_tells_when_it_went_wrong_by_how_much_and_what_is_left(see):
    rows, _ = see("slawatch-shop", "Asked and late")
    late = {hour(row): int(row["late"]) for row in rows}
    assert {slot for slot, n in late.items() if n > 5} == {14.0, 14.5}
    assert late[14.0] == late[14.5] == 25
    assert {int(row["asked"]) for row in rows} == {40}
    line, _ = see("slawatch-shop", "Figure and its line")
    below = [hour(row) for row in line if row["value"] and float(row["value"]) < float(row["limit"])]
    assert 14 < min(below) < 15, "the line is crossed within the bad hour"
    assert shown(see("slawatch-shop", "Crossed")) == ("是 yes", "red")
    left, color = shown(see("slawatch-shop", "Budget left"))
    assert int(left) < 0
    assert color == "red"
    tonight, color = shown(see("slawatch-shop", "Budget by tonight"))
    assert int(tonight) == int(left) + 40, "400 more are expected, one in ten of them may be missed"
    assert color == "green", "the day can still be saved"


def test_the_forecast_stands_beside_the_budget(see):
    rows, _ = see("slawatch-shop", "Budget and forecast")
    assert all(int(row["budget_left_today"]) > int(row["budget_left"]) for row in rows)


def test_the_states_of_the_shop_are_critical_from_the_alert_to_its_end(see):
    rows, _ = see("slawatch-shop", "States")
    crit = [hour(row) for row in rows if row["severity"] == "2"]
    assert min(crit) == pytest.approx(14 + 1 / 3, abs=0.02)
    assert max(crit) == pytest.approx(15.5, abs=0.02)


def test_the_alert_is_marked_where_it_began_and_once(ask):
    for uid in ("slawatch-wall", "slawatch-shop", "slawatch-agents", "slawatch-alerts"):
        (note,) = BOARDS[uid]["annotations"]["list"]
        (row,) = ask(note["query"])
        assert hour(row) == pytest.approx(14 + 1 / 3, abs=0.001)
        assert row["text"] == "回复率告急"
        assert row["tags"] == "pdd-reply-drift,crit"


def test_the_agent_who_lost_it_is_named_first_and_in_the_right_slots(see):
    rows, _ = see("slawatch-agents", "Agents today")
    assert rows[0]["agent"] == "a1"
    assert int(rows[0]["late"]) > 40
    slots, _ = see("slawatch-agents", "Misses by agent")
    assert {hour(row) for row in slots if int(row["a1"] or 0) > 5} == {14.0, 14.5}
    assert all(int(row["a2"] or 0) <= 1 for row in slots)


def test_that_the_message_was_refused_once_and_then_went_through_is_seen(see):
    assert shown(see("slawatch-alerts", "Messages"))[0] == "3"
    assert shown(see("slawatch-alerts", "Refused")) == ("1", "red")
    assert shown(see("slawatch-alerts", "Slowest")) == ("2100", "green")
    rows, _ = see("slawatch-alerts", "Alerts told")
    assert [(row["severity"], row["to_state"]) for row in rows] == [("0", "ok"), ("2", "firing")]


def test_that_nothing_was_sent_is_a_number_while_the_daemon_is_heard(see):
    """Before the bad hour nobody had to be told: 0, and not NO DATA. Of a time nobody wrote in: NO DATA."""
    assert shown(see("slawatch-alerts", "Messages", until=13)) == ("0", "blue")
    assert shown(see("slawatch-alerts", "Refused", until=13)) == ("0", "green")
    assert shown(see("slawatch-alerts", "Slowest", until=13)) == ("0", "green")
    assert shown(see("slawatch-alerts", "Refused", start_ms=at(2), until=3)) == ("NO DATA", "red")


def test_a_daemon_that_falls_silent_turns_the_wall_red_within_a_minute(see):
    """Nothing is written after 16:00: the age grows, and numbers are gone instead of staying as they were."""
    assert shown(see("slawatch-wall", "Age of data", until=16.0)) == ("10", "green")
    assert shown(see("slawatch-wall", "Age of data", until=16 + 70 / 3600)) == ("70", "red")
    assert shown(see("slawatch-wall", "Critical shops", until=16.1)) == ("NO DATA", "red")
    assert shown(see("slawatch-self", "Ready", until=16.1)) == ("NO DATA", "red")


def test_the_daemons_board_names_the_source_that_is_not_heard(see):
    assert shown(see("slawatch-self", "Ready")) == ("就绪 ready", "green")
    assert shown(see("slawatch-self", "Blind sources")) == ("1", "red")
    rows, _ = see("slawatch-self", "来源 · Sources")
    assert [(row["source"], row["blind"]) for row in rows] == [("second", "1"), ("erp", "0")]
