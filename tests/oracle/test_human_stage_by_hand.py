"""The human stage as the design has it (§5): hand-overs, and what the robot takes out."""

from __future__ import annotations

import pytest

from tests.oracle.by_hand import ALL_DAY, NEXT, Shop, pack, pdd, rate


def test_a_customer_whom_the_robot_alone_served_is_not_counted():
    shop = pdd()
    shop.asks("10:00:00")
    shop.answers("10:00:05", actor="bot")
    assert shop.counts() == (0, 0, 0)


def test_the_robot_takes_a_booked_miss_back():
    shop = pdd()
    shop.asks("10:00:00")
    assert shop.counts("10:05:00") == (1, 1, 0)
    shop.answers("10:06:00", actor="bot")
    assert shop.counts("10:06:00") == (0, 0, 0)


def test_the_robot_takes_no_miss_back_after_the_round_can_no_longer_change():
    shop = Shop(pack(rate(counts="human_stage", periods=("7d",)), hours=ALL_DAY))
    shop.asks("23:00:00")
    shop.answers("00:00:00", day=NEXT, actor="bot")
    assert shop.counts("00:01:00", NEXT, "7d") == (1, 1, 0)


def test_a_round_of_the_robots_stage_that_nobody_answers_is_late():
    shop = pdd()
    shop.asks("10:00:00")
    assert shop.counts() == (1, 1, 0)


def test_once_handed_over_the_robot_no_longer_takes_a_round_out():
    shop = pdd()
    shop.asks("10:00:00")
    shop.does("10:00:10", "assigned")
    shop.does("10:00:20", "handed_back")
    shop.answers("10:00:30", actor="bot")
    assert shop.counts() == (1, 1, 0)


def test_a_bot_that_may_answer_answers_what_it_does_not_take_out():
    shop = pdd(answered_by=("agent", "bot"))
    shop.asks("10:00:00", "A")
    shop.does("10:00:10", "assigned")
    shop.answers("10:00:30", actor="bot", agent_id="robot")
    assert shop.counts() == (1, 0, 0)
    assert shop.figures()["agents"]["rate"] == {"robot": {"answered": 1, "late": 0}}


def test_a_hand_over_opens_a_round_for_what_the_robot_had_answered():
    shop = pdd()
    shop.asks("10:00:00")
    shop.answers("10:00:05", actor="bot")
    shop.does("10:01:00", "assigned", agent_id="x")
    assert shop.counts("10:04:00") == (1, 0, 1)
    assert shop.counts("10:04:00.001") == (1, 1, 0)
    assert shop.figures("10:04:01")["waiting"] == {"open": 1, "oldest_ms": 181_000}


@pytest.mark.parametrize(
    "between",
    [
        ("message", {"actor": "agent"}),
        ("message", {"actor": "assist"}),
        ("conversation", {"action": "closed"}),
        ("conversation", {"action": "handed_back"}),
    ],
)
def test_a_hand_over_opens_nothing_when_what_the_customer_wrote_is_forgotten(between):
    shop = pdd()
    shop.asks("10:00:00")
    shop.answers("10:00:05", actor="bot")
    shop.tell("10:00:30", between[0], **between[1])
    shop.does("10:01:00", "assigned")
    assert shop.counts() == (0, 0, 0)


def test_a_hand_over_opens_nothing_for_the_night_nor_at_night_nor_the_next_day():
    shop = pdd()
    shop.asks("07:00:00", conversation_id="night")
    shop.answers("07:00:05", actor="bot", conversation_id="night")
    shop.does("09:00:00", "assigned", conversation_id="night")
    shop.asks("22:59:00")
    shop.answers("22:59:05", actor="bot")
    shop.does("23:00:00", "assigned")
    assert shop.counts() == (0, 0, 0)
    shop.does("08:00:00", "handed_back", day=NEXT)
    shop.does("09:00:00", "assigned", day=NEXT)
    assert shop.counts(day=NEXT) == (0, 0, 0)


def test_a_hand_over_opens_nothing_while_a_round_is_open_counted_or_not():
    shop = pdd(unit="round")
    shop.asks("10:00:00")
    shop.does("10:01:00", "assigned")
    assert shop.counts() == (1, 1, 0)


def test_with_waits_only_the_next_message_opens_a_round():
    shop = pdd(on_handover="waits")
    shop.asks("10:00:00")
    shop.answers("10:00:05", actor="bot")
    shop.does("10:01:00", "assigned")
    assert shop.counts("10:10:00") == (0, 0, 0)
    shop.asks("10:11:00")
    assert shop.counts() == (1, 1, 0)


def test_a_hand_over_stands_for_a_message_in_unit_message():
    shop = pdd(unit="message")
    shop.asks("10:00:00")
    shop.answers("10:00:05", actor="bot")
    shop.does("10:01:00", "assigned")
    shop.asks("10:02:00")
    shop.answers("10:04:30")
    assert shop.counts() == (2, 1, 0)  # the hand-over waited 210 s, the message 150 s


def test_closing_leaves_open_rounds_open_and_running():
    shop = pdd()
    shop.asks("10:00:00")
    shop.does("10:01:00", "closed")
    assert shop.counts("10:02:00") == (1, 0, 1)
    assert shop.counts("10:03:01") == (1, 1, 0)


def test_the_new_day_begins_in_the_robots_stage():
    shop = Shop(pack(rate(counts="human_stage", periods=("7d",)), hours=ALL_DAY))
    shop.does("22:00:00", "assigned", agent_id="x")
    shop.asks("23:59:00")  # human stage: the robot cannot take it out
    shop.asks("23:59:30", conversation_id="c2")  # robot's stage
    shop.answers("00:00:10", day=NEXT, actor="bot")
    shop.answers("00:00:10", day=NEXT, actor="bot", conversation_id="c2")
    shop.asks("00:01:00", day=NEXT)
    shop.answers("00:01:10", day=NEXT, actor="bot")
    assert shop.counts("00:05:00", NEXT) == (0, 0, 0)
    assert shop.counts("00:05:00", NEXT, "7d") == (1, 1, 0)
