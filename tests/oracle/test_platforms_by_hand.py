"""The worked examples of the platforms: Pinduoduo, Taobao, JD and Douyin."""

from __future__ import annotations

import pytest

from rules.pack import Span
from tests.oracle.by_hand import HOUR, Shop, pack, pdd, rate, taobao

# Pinduoduo, counting rules


def test_burst_answered_175_s_after_its_first_message_is_in_time():
    shop = pdd()
    shop.asks("10:00:00", "A")
    shop.asks("10:00:10", "A")
    shop.answers("10:02:55")
    assert shop.counts() == (1, 0, 0)


def test_burst_answered_185_s_after_its_first_message_loses_the_customer():
    shop = pdd()
    shop.asks("10:00:00", "A")
    shop.asks("10:00:10", "A")
    shop.answers("10:03:05")
    assert shop.counts() == (1, 1, 0)


def test_exactly_at_the_limit_is_in_time_and_a_millisecond_later_is_not():
    for answer, late in (("10:03:00.000", 0), ("10:03:00.001", 1)):
        shop = pdd()
        shop.asks("10:00:00")
        shop.answers(answer)
        assert shop.counts() == (1, late, 0)


def test_neither_bot_nor_notice_stops_the_human_clock_in_the_human_stage():
    shop = pdd()
    shop.does("09:59:00", "assigned", agent_id="x")
    shop.asks("10:00:00")
    shop.answers("10:00:01", actor="bot")
    shop.answers("10:00:02", actor="system")
    shop.answers("10:00:03", actor="assist")
    assert shop.counts("10:03:00") == (1, 0, 1)
    assert shop.counts("10:03:00.001") == (1, 1, 0)


def test_notices_and_welcome_lines_open_nothing():
    shop = pdd()
    shop.answers("10:00:00", actor="system")
    assert shop.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        ("22:59:30", "23:02:00", (1, 0, 0)),
        ("22:59:30", "23:02:30", (1, 0, 0)),
        ("22:59:30", "23:03:00", (1, 1, 0)),
        ("23:00:00", "23:00:10", (0, 0, 0)),
        ("23:10:00", "23:50:00", (0, 0, 0)),
        ("07:59:59.999", "07:59:59.999", (0, 0, 0)),
        ("08:00:00", "08:04:00", (1, 1, 0)),
    ],
)
def test_asks_of_the_night_never_count_and_those_before_it_run_on(asked, answered, expected):
    shop = pdd()
    shop.asks(asked)
    shop.answers(answered)
    assert shop.counts() == expected


def test_never_answered_is_late_once_the_limit_has_passed():
    shop = pdd()
    shop.asks("10:00:00")
    assert shop.counts("10:00:00") == (1, 0, 1)
    assert shop.counts("10:03:00") == (1, 0, 1)
    assert shop.counts("10:03:01") == (1, 1, 0)


def test_a_second_late_message_of_a_customer_costs_nothing_more():
    shop = pdd()
    for clock in ("10", "11", "12"):
        shop.asks(f"{clock}:00:00", "A", conversation_id=f"c{clock}")
        shop.answers(f"{clock}:05:00", conversation_id=f"c{clock}")
    shop.asks("13:00:00", "B", conversation_id="c13")
    shop.answers("13:00:30", conversation_id="c13")
    assert shop.counts() == (2, 1, 0)


def test_a_transfer_leaves_the_clock_running_and_the_miss_to_the_holder_at_the_limit():
    shop = pdd()
    shop.does("09:59:00", "assigned", agent_id="first")
    shop.asks("10:00:00")
    shop.does("10:02:00", "transferred", agent_id="second")
    shop.does("10:04:00", "transferred", agent_id="third")
    shop.answers("10:05:00", agent_id="third")
    assert shop.counts() == (1, 1, 0)
    assert shop.figures()["agents"]["rate"] == {
        "second": {"answered": 0, "late": 1},
        "third": {"answered": 1, "late": 0},
    }


# Taobao, the three worked examples


def test_taobao_one_round_answered_in_time():
    shop = taobao()
    shop.asks("10:10:15")
    shop.asks("10:15:20")
    shop.answers("10:18:10")
    assert shop.counts() == (1, 1, 0)  # 7 min 55 s: 0 of 1 in time


def test_taobao_second_round_in_time():
    shop = taobao()
    shop.asks("10:10:15")
    shop.asks("10:15:20")
    shop.answers("10:18:10")
    shop.asks("10:18:30")
    shop.answers("10:19:00")
    assert shop.counts() == (2, 1, 0)  # 1 of 2


def test_taobao_ten_asks_never_answered_are_one_round():
    shop = taobao()
    for n in range(10):
        shop.asks(f"10:0{n // 4}:{n % 4 * 15:02}")
    assert shop.counts() == (1, 1, 0)  # 0 of 1


def test_taobao_robot_in_assist_mode_is_an_answer():
    shop = taobao()
    shop.asks("10:00:00")
    shop.answers("10:01:00", actor="assist")
    assert shop.counts() == (1, 0, 0)


# JD and Douyin, what differs


def test_jd_session_that_began_out_of_hours_is_not_judged():
    shop = Shop(pack(rate(hours_by="session_start", within_ms=30_000), hours=(Span(9 * HOUR, 23 * HOUR),)))
    shop.asks("08:56:00")
    shop.answers("09:01:00")
    shop.asks("09:30:00")  # the same session: its first message of the day decides for all its rounds
    shop.asks("08:59:59", conversation_id="c2")
    shop.asks("09:00:00", conversation_id="c3")
    assert shop.counts() == (1, 1, 0)


def test_session_start_counts_a_round_of_the_night_from_its_opening():
    shop = Shop(pack(rate(hours_by="session_start", unit="message")))
    shop.asks("22:00:00")
    shop.answers("22:00:10")
    shop.asks("23:30:00")
    shop.asks("23:31:30")
    shop.answers("23:33:30")
    assert shop.counts() == (3, 1, 0)


def test_douyin_one_slow_round_makes_the_session_late():
    shop = Shop(pack(rate(unit="session")))
    shop.asks("10:00:00")
    shop.answers("10:00:10")
    assert shop.counts("10:30:00") == (1, 0, 0)
    shop.asks("11:00:00")
    assert shop.counts("11:00:30") == (1, 0, 1)
    shop.answers("11:10:00")
    assert shop.counts() == (1, 1, 0)
