"""``slawatch explain``: the listed units add up to the figure, and each says why it counts or does not."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from monitor.rulebook import Plan
from monitor.shard.shard import Shard
from monitor.workbench.explain import explain
from monitor.workbench.replay import replay
from monitor.workbench.report import report
from monitor.workbench.witness import Witness
from tests.properties.strategies import random_case
from tests.workbench.events import at, handed_to, lines, message, run
from tests.workbench.test_figures import DAY_MS, recent, write

PARTS = ("asked", "late", "open", "count", "of", "sum_ms", "max_ms")


def explained(path, events, *args):
    (path / "day.ndjson").write_text(lines(events), "utf-8")
    done = run(path, "explain", *args, "--file", "day.ndjson", "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def busiest(stream):
    """The last arrival of the UTC day on which most arrives."""
    days = Counter(arrival_ms // DAY_MS for arrival_ms, _ in stream)
    most = max(days, key=days.__getitem__)
    return max(arrival_ms for arrival_ms, _ in stream if arrival_ms // DAY_MS == most)


def test_the_units_add_up_to_the_figure(tmp_path):
    """Of every measure of every shop, whatever the pack, the order of arrival, the repeats: to the unit."""
    compared = Counter()
    for seed in range(50):
        case = random_case(seed, size=300)
        stream = recent(case.stream)
        write(tmp_path / "stream.ndjson", stream)
        plan, at_ms = Plan(packs=case.packs, quiet_gaps=True), busiest(stream)
        shown = report(replay([str(tmp_path / "stream.ndjson")], Shard(plan), at_ms=at_ms))
        for shop in shown["shops"]:
            witness = Witness(Shard(plan), shop["platform"], shop["shop_id"])
            witness.watch(((arrival_ms, [event]) for arrival_ms, event in stream), at_ms=at_ms)
            today = witness.shop.day_number(at_ms)
            for measure, periods in shop["measures"].items():
                figure = {name: count for name, count in periods["day"].items() if name in PARTS}
                found = explain(witness, measure, today).figure
                assert {name: found.get(name, 0) for name in figure} == figure, (
                    seed,
                    shop["shop_id"],
                    measure,
                )
                compared.update(figure)
    assert min(compared[part] for part in ("asked", "late", "count", "of")) > 20
    assert compared["open"]


PDD = {"platform": "pinduoduo"}
SHOP = ("pinduoduo:s1", "reply_rate_3m")


def whys(waits):
    return [(wait["asked"][11:19], wait["why"]) for wait in waits]


def test_everything_left_out_says_why(tmp_path):
    events = [
        message("07:00:00", **PDD, conversation="early"),
        message("09:00:00", **PDD, conversation="robot"),
        message("09:00:02", "bot", **PDD, conversation="robot"),
        message("10:00:00", **PDD, conversation="spam", exclude="ads"),
        message("11:00:00", **PDD),
        message("11:01:00", "agent", **PDD, agent_id="a1"),
    ]
    found = explained(tmp_path, [*events, events[4]], *SHOP, "--clear")
    assert found["figure"] == {"asked": 1, "late": 0, "open": 0}
    assert whys(found["left_out"]) == [
        ("07:00:00", "outside service hours"),
        ("09:00:00", "served by the robot alone"),
        ("10:00:00", "its conversation was excluded"),
        ("11:00:00", "a repeat of an event that came before"),
    ]


def test_what_came_again_is_counted_beside_the_list(tmp_path):
    """A webhook that repeats itself all day, answers too, leaves the list as long as what was asked."""
    ask, answer = message("11:00:00", **PDD), message("11:01:00", "agent", **PDD, agent_id="a1")
    events = [ask, answer, *[ask] * 20, *[answer] * 20, ask | {"customer_id": "another"}]
    found = explained(tmp_path, events, *SHOP)
    assert len(found["left_out"]) == 41
    table = run(tmp_path, "explain", *SHOP, "--file", "day.ndjson")
    head, good, reused = table.stdout.splitlines()
    assert (head.split()[0], good.split()[0]) == ("state", "good")
    assert "left out" in reused, "somebody asked, under an id that was used before"
    assert "this id came before with other content" in reused
    repeats = "40 × a repeat of an event that came before"
    assert f"not in the list: {repeats}; --format json has each\n" in table.stderr


@pytest.mark.parametrize("actor", ["agent", "assist", "bot"])
def test_what_came_too_late_is_listed(tmp_path, actor):
    ask = message("10:00:00", **PDD) | {"received_at": at("10:00:00")}
    more = message("10:30:00", **PDD) | {"received_at": at("10:30:00")}
    late = message("10:02:00", actor, **PDD) | {"received_at": at("12:00:00")}
    found = explained(tmp_path, [ask, more, late], *SHOP)
    assert found["figure"] == {"asked": 1, "late": 1, "open": 0}
    (refused,) = found["left_out"]
    assert (refused["ask_ms"], refused["asked"], refused["by"]) == (None, None, actor)
    assert refused["answered"][11:19] == "10:02:00"
    assert refused["why"] == "came too late: what follows it was folded for good"


def test_what_came_too_late_of_a_conversation_answers_nothing(tmp_path):
    ask = message("10:00:00", **PDD) | {"received_at": at("10:00:00")}
    more = message("10:30:00", **PDD) | {"received_at": at("10:30:00")}
    late = {key: ask[key] for key in ("platform", "shop_id", "conversation_id")}
    late |= {"type": "conversation", "action": "closed", "id": "late"}
    late |= {"at": at("10:02:00"), "received_at": at("12:00:00")}
    (refused,) = explained(tmp_path, [ask, more, late], *SHOP)["left_out"]
    assert (refused["asked"][11:19], refused["answered"], refused["by"]) == ("10:02:00", None, "")


def test_the_table_fits_a_terminal_and_shows_no_agents_message_as_a_question(tmp_path):
    """Without units that the customer names, and without a column that says nothing."""
    ask = message("10:00:00", **PDD, customer_id="buyer-2042") | {"received_at": at("10:00:00")}
    more = message("10:30:00", **PDD, customer_id="buyer-2042") | {"received_at": at("10:30:00")}
    late = message("10:02:00", "agent", **PDD, agent_id="a1") | {"received_at": at("12:00:00")}
    (tmp_path / "day.ndjson").write_text(lines([ask, more, late]))
    table = run(tmp_path, "explain", *SHOP, "--file", "day.ndjson").stdout.splitlines()
    head, missed, refused = table
    assert head.split() == ["state", "customer", "conversation", "asked", "answered", "waited", "by", "why"]
    assert missed[head.index("asked") :].startswith("10:00:00")
    assert refused[head.index("asked") :].split()[:2] == ["10:02:00", "a1"]
    assert refused.index("10:02:00") == head.index("answered")
    assert max(map(len, (head, missed))) <= 100


def test_a_miss_names_who_answered_and_who_held_it(tmp_path):
    """The answer is credited to who sent it; the miss is of who held the chat at the deadline."""
    talk = [
        handed_to("10:00:00", "a1", **PDD),
        message("10:00:10", **PDD, customer_id="buyer-2042"),
        handed_to("10:04:00", "a2", **PDD),
        message("10:05:00", "agent", **PDD, agent_id="a2"),
        message("10:06:00", **PDD, customer_id="buyer-2042"),
    ]
    found = explained(tmp_path, talk, *SHOP, "--clear", "--at", at("10:07:00"))
    assert [(unit["unit"], unit["state"]) for unit in found["units"]] == [("buyer-2042", "late")]
    missed, waiting = found["units"][0]["waits"]
    assert (missed["by"], missed["holder"], missed["wait_ms"], missed["why"]) == (
        "a2",
        "a1",
        290_000,
        "answered late",
    )
    assert (waiting["state"], waiting["why"], waiting["wait_ms"]) == ("open", "still waiting", 60_000)
    assert missed["asked"] == at("10:00:10")
    assert missed["answered"] == at("10:05:00")


def test_names_are_masked_unless_asked_for(tmp_path):
    talk = [message("10:00:00", **PDD, customer_id="buyer-2042", conversation="chat-77")]
    for form in ("table", "json"):
        (tmp_path / "day.ndjson").write_text(lines(talk))
        args = ("explain", *SHOP, "--file", "day.ndjson", "--format", form)
        masked, clear = run(tmp_path, *args).output, run(tmp_path, *args, "--clear").output
        assert "buyer-2042" not in masked
        assert "chat-77" not in masked
        assert "b***42" in masked
        assert "buyer-2042" in clear
        assert "chat-77" in clear


def test_each_message_is_a_unit_where_messages_count(tmp_path):
    talk = [message(clock, **PDD) for clock in ("10:00:00", "10:02:00")]
    talk += [message("10:06:00", "agent", **PDD, agent_id="a1")]
    found = explained(tmp_path, talk, "pinduoduo:s1", "reply_rate_5m")
    assert [(unit["state"], unit["waits"][0]["wait_ms"]) for unit in found["units"]] == [
        ("late", 360_000),
        ("good", 240_000),
    ]


def test_orders_behind_a_rate(tmp_path):
    def order(clock, kind, action, order_id):
        event = message(clock, f"{action}-{order_id}", **PDD, order_id=order_id)
        del event["actor"]
        return event | {"type": kind, "action": action}

    events = [order("10:00:00", "order", "paid", f"o{n}") for n in range(3)]
    events += [order("11:00:00", "dispute", "opened", "o1"), order("11:00:00", "dispute", "opened", "old")]
    found = explained(tmp_path, events, "pinduoduo:s1", "intervention_rate", "--clear")
    assert found["figure"] == {"count": 2, "of": 3}
    assert {unit["unit"]: unit["state"] for unit in found["units"]} == {
        "o0": "formed",
        "o1": "counted",
        "o2": "formed",
        "old": "counted",
    }


def test_an_earlier_day_is_explained_as_it_ended(tmp_path):
    """Also when the file goes on for days: nothing changes a day 24 h after its midnight."""
    events = [message("10:00:00", **PDD)]
    later = [
        {**message("10:00:00", **PDD, conversation="c9"), "at": f"2026-11-{day}T10:00:00+08:00"}
        for day in (12, 15)
    ]
    for number, event in enumerate(later):
        event["id"] = f"later-{number}"
    found = explained(tmp_path, [*events, *later], *SHOP, "2026-11-11")
    assert (found["day"], found["figure"]) == ("2026-11-11", {"asked": 1, "late": 1, "open": 0})
    assert explained(tmp_path, [*events, *later], *SHOP)["day"] == "2026-11-15"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("s1", "reply_rate_3m"), "'s1' is not platform:shop_id, such as pinduoduo:s1"),
        (("pinduoduo:s2", "reply_rate_3m"), "nothing of shop pinduoduo:s2 in day.ndjson"),
        (("pinduoduo:s1", "reply_rate_3"), "did you mean reply_rate_3m?"),
        (("pinduoduo:s1", "reply_rate_3m", "today"), "'today' is not a date such as 2026-11-11"),
    ],
)
def test_a_mistake_is_one_line_with_status_two(tmp_path, args, says):
    from tests.commands.test_cli import slawatch

    (tmp_path / "day.ndjson").write_text(lines([message("10:00:00", **PDD)]))
    done = slawatch("explain", *args, "--file", "day.ndjson", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr
