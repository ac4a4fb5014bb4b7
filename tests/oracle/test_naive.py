"""The oracle against hand-computed figures: the worked examples of the platforms and of the design."""

from __future__ import annotations

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from monitor.engine.events import Event
from rules.pack import Measure, Pack, Span, Text
from tests.oracle.days import DayRule, window
from tests.oracle.naive import Oracle, upper_edge_ms

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = 3_600_000
SECOND = 1000
MINUTE = 60_000
DAY = "2026-11-11"
NEXT = "2026-11-12"
HOURS_8_23 = (Span(8 * HOUR, 23 * HOUR),)
ALL_DAY = (Span(0, 24 * HOUR),)


def ms(clock: str, day: str = DAY) -> int:
    """`10:10:15` or `10:10:15.250` in Shanghai, as epoch milliseconds."""
    hms, _, fraction = clock.partition(".")
    base = datetime.fromisoformat(f"{day}T{hms}").replace(tzinfo=SHANGHAI)
    return int(base.timestamp()) * 1000 + int(fraction or 0)


def rate(**changes) -> Measure:
    given = {"id": "rate", "title": Text("率"), "kind": "reply_rate", "within_ms": 180_000}
    return Measure(**(given | changes))


def pack(*measures: Measure, hours=HOURS_8_23, **changes) -> Pack:
    given = {"id": "pinduoduo", "version": "1", "timezone": "Asia/Shanghai", "service_hours": hours}
    return Pack(**(given | {"measures": {m.id: m for m in measures}} | changes))


class Shop:
    """One shop told what happens in words; arrival is the time itself unless said."""

    def __init__(self, *packs: Pack, platform="pinduoduo", **oracle) -> None:
        self.oracle = Oracle({"pinduoduo": packs}, **oracle)
        self.platform = platform
        self.numbers = itertools.count(1)

    def tell(self, clock: str, type_="message", *, day=DAY, arrives=None, **fields) -> str:
        at = ms(clock, day)
        given = {"id": str(next(self.numbers)), "platform": self.platform, "shop_id": "s1"}
        if type_ in ("message", "conversation"):
            given["conversation_id"] = "c1"
        event = Event(type=type_, at=at, **(given | fields))
        return self.oracle.feed(event, at if arrives is None else arrives)

    def asks(self, clock: str, customer="", **fields) -> str:
        return self.tell(clock, actor="customer", customer_id=customer, **fields)

    def answers(self, clock: str, actor="agent", **fields) -> str:
        return self.tell(clock, actor=actor, **fields)

    def does(self, clock: str, action: str, **fields) -> str:
        return self.tell(clock, "conversation", action=action, **fields)

    def figures(self, clock="23:59:59", day=DAY):
        (shop,) = self.oracle.figures(ms(clock, day))["shops"]
        return shop

    def counts(self, clock="23:59:59", day=DAY, period="day", measure="rate"):
        found = self.figures(clock, day)["measures"][measure][period]
        return found["asked"], found["late"], found["open"]


def pdd(**changes) -> Shop:
    return Shop(pack(rate(**({"unit": "customer_day", "counts": "human_stage"} | changes))))


def taobao(**changes) -> Shop:
    return Shop(pack(rate(**({"answered_by": ("agent", "assist")} | changes))))


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


# Design §5, rounds


def test_a_round_asks_at_its_first_message_in_service_hours():
    shop = taobao()
    shop.asks("07:50:00")
    shop.asks("08:01:00")
    assert shop.counts("08:04:00") == (1, 0, 1)
    shop.answers("08:04:00.001")
    assert shop.counts() == (1, 1, 0)
    assert shop.figures()["agents"]["rate"] == {"unassigned": {"answered": 0, "late": 1}}


def test_each_answerer_set_has_rounds_of_its_own():
    shop = Shop(pack(rate(id="human"), rate(id="any", answered_by=("agent", "assist", "bot"))))
    shop.asks("10:00:00")
    shop.answers("10:00:01", actor="bot")
    shop.asks("10:01:00")
    shop.answers("10:03:30")
    assert shop.counts(measure="human") == (1, 1, 0)
    assert shop.counts(measure="any") == (2, 0, 0)


def test_a_round_stays_open_at_midnight_and_a_new_day_opens_its_own():
    shop = Shop(pack(rate(periods=("7d",)), hours=ALL_DAY))
    shop.asks("23:58:00")
    shop.asks("00:00:30", day=NEXT)
    shop.answers("00:01:00", day=NEXT)
    assert shop.counts("00:01:00", NEXT) == (1, 0, 0)
    assert shop.counts("00:01:00", NEXT, "7d") == (2, 0, 0)


def test_after_midnight_a_round_changes_up_to_and_including_its_deadline():
    for answer, late in (("00:02:30.000", 0), ("00:02:30.001", 1)):
        shop = Shop(
            pack(rate(periods=("7d",)), rate(id="time", kind="response_time", periods=("7d",)), hours=ALL_DAY)
        )
        shop.asks("23:59:30")
        shop.answers(answer, day=NEXT)
        assert shop.counts("00:05:00", NEXT, "7d") == (1, late, 0)
        waiting = shop.figures("00:05:00", NEXT)["waiting"]
        assert waiting == ({"open": 1, "oldest_ms": 330_000} if late else {"open": 0, "oldest_ms": None})


def test_a_late_round_can_still_be_answered_before_its_midnight():
    time = rate(id="time", kind="response_time", within_ms=None)
    shop = Shop(pack(rate(), time))
    shop.asks("10:00:00")
    shop.answers("23:30:00")
    assert shop.counts() == (1, 1, 0)
    assert shop.figures()["measures"]["time"]["day"] == {
        "count": 1,
        "sum_ms": 48_600_000,
        "max_ms": 48_600_000,
        "p50_ms": upper_edge_ms(48_600_000),
        "p90_ms": upper_edge_ms(48_600_000),
        "p95_ms": upper_edge_ms(48_600_000),
    }


def test_an_unanswered_round_waits_until_it_is_settled():
    shop = taobao(periods=("7d",))
    shop.asks("22:00:00")
    assert shop.figures("23:00:00")["waiting"] == {"open": 1, "oldest_ms": HOUR}
    assert shop.figures("00:09:59.999", NEXT)["waiting"]["open"] == 1
    assert shop.figures("00:10:00", NEXT)["waiting"] == {"open": 0, "oldest_ms": None}
    assert shop.answers("22:01:00", arrives=ms("00:20:00", NEXT)) == "accepted"
    assert shop.counts("00:30:00", NEXT, "7d") == (1, 1, 0)


def test_a_conversation_that_comes_hours_late_as_a_whole_counts():
    shop = taobao(periods=("7d",))
    shop.asks("22:00:00", arrives=ms("09:00:00", NEXT))
    shop.answers("22:01:00", arrives=ms("09:00:01", NEXT))
    shop.asks("22:05:00", arrives=ms("09:00:02", NEXT))
    assert shop.figures("09:10:02", NEXT)["waiting"]["open"] == 1
    assert shop.figures("09:10:02.001", NEXT)["waiting"]["open"] == 0
    assert shop.counts("10:00:00", NEXT, "7d") == (2, 1, 0)


# Design §5, the human stage


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


# Design §5, units


def test_unit_message_judges_each_message_against_the_answer_of_its_round():
    shop = Shop(pack(rate(unit="message")))
    shop.asks("10:00:00")
    shop.asks("10:01:00")
    shop.asks("10:02:00")
    shop.does("10:02:30", "assigned", agent_id="x")
    assert shop.counts("10:03:30") == (3, 1, 2)
    shop.answers("10:04:30", agent_id="y")
    assert shop.counts() == (3, 2, 0)
    assert shop.figures()["agents"]["rate"] == {
        "x": {"answered": 0, "late": 2},
        "y": {"answered": 1, "late": 0},
    }


def test_unit_message_changes_a_round_as_a_whole_until_its_last_deadline():
    shop = Shop(pack(rate(unit="message", periods=("7d",)), hours=ALL_DAY))
    shop.asks("23:57:30")
    shop.asks("23:59:50")
    shop.answers("00:02:50", day=NEXT, agent_id="x")
    assert shop.counts("00:03:00", NEXT, "7d") == (2, 1, 0)


def test_first_round_judges_the_earliest_ask_only():
    shop = Shop(pack(rate(unit="customer_day", late_if="first_round")))
    shop.asks("10:00:00", "A", conversation_id="c1")
    shop.answers("10:00:30", conversation_id="c1")
    shop.asks("11:00:00", "A", conversation_id="c2")
    assert shop.counts("11:01:00") == (1, 0, 0)  # the second round runs, but cannot make the unit late
    assert shop.counts() == (1, 0, 0)


def test_the_first_round_of_a_night_that_runs_into_hours_is_the_one_with_the_earliest_ask():
    shop = Shop(pack(rate(unit="customer_day", late_if="first_round")))
    shop.asks("07:00:00", "A", conversation_id="c1")
    shop.asks("08:00:00", "A", conversation_id="c2")
    shop.answers("08:00:30", conversation_id="c2")
    shop.asks("08:01:00", "A", conversation_id="c1")  # opened first, asked second
    assert shop.counts() == (1, 0, 0)


def test_an_any_round_unit_is_open_until_one_round_is_late():
    shop = pdd()
    shop.asks("10:00:00", "A", conversation_id="c1")
    shop.asks("10:02:00", "A", conversation_id="c2")
    assert shop.counts("10:03:00") == (1, 0, 1)
    assert shop.counts("10:03:01") == (1, 1, 0)


def test_a_conversations_customer_is_the_first_named_that_day_and_a_round_keeps_it():
    shop = pdd()
    shop.asks("10:00:00")  # nobody named yet: the conversation itself, not the customer of that name
    shop.answers("10:00:10", customer_id="A")
    shop.asks("10:01:00", "B")
    shop.answers("10:01:10")
    shop.asks("11:00:00", "c1", conversation_id="c2")
    shop.answers("11:00:10", conversation_id="c2")
    assert shop.counts() == (3, 0, 0)  # conversation c1, customer A, customer c1


def test_excluding_takes_the_conversation_out_of_its_day_rounds_before_included():
    shop = pdd(periods=("7d",))
    shop.asks("10:00:00", "A")
    shop.asks("10:00:00", "B", conversation_id="c2")
    shop.does("12:00:00", "closed", exclude="spam")
    assert shop.counts("13:00:00") == (1, 1, 0)
    shop.asks("09:00:00", "A", day=NEXT)
    assert shop.counts("10:00:00", NEXT, "7d") == (2, 2, 0)


def test_an_exempt_date_is_not_counted_by_that_measure():
    shop = Shop(pack(rate(exempt_dates=(DAY,), periods=("7d",)), rate(id="other")))
    shop.asks("10:00:00")
    assert shop.counts() == (0, 0, 0)
    assert shop.counts(measure="other") == (1, 1, 0)
    shop.asks("10:00:00", day=NEXT)
    assert shop.counts("11:00:00", NEXT, "7d") == (1, 1, 0)


def test_two_versions_meet_at_midnight():
    old = pack(rate(within_ms=60_000, periods=("7d",)), hours=ALL_DAY, until_date=NEXT)
    new = pack(rate(within_ms=600_000, periods=("7d",)), hours=ALL_DAY, from_date=NEXT, version="2")
    shop = Shop(old, new)
    for day in (DAY, NEXT):
        shop.asks("10:00:00", day=day)
        shop.answers("10:05:00", day=day)
    assert shop.counts("11:00:00", NEXT) == (1, 0, 0)
    assert shop.counts("11:00:00", NEXT, "7d") == (2, 1, 0)


# Figures over periods, agents, windows, orders


def test_periods_are_sums_of_service_days_the_clocks_own_included():
    shop = taobao(periods=("7d", "30d"))
    for day in range(1, 12):
        shop.asks("10:00:00", day=f"2026-11-{day:02}")
    assert shop.counts("12:00:00") == (1, 1, 0)
    assert shop.counts("12:00:00", period="7d") == (7, 7, 0)
    assert shop.counts("12:00:00", period="30d") == (11, 11, 0)


def test_a_window_ends_at_the_next_bucket_edge_and_counts_rounds_by_ask():
    assert window(30 * MINUTE, 1_000_000) == range(1_020_000 - 30 * MINUTE, 1_020_000)
    assert window(5 * MINUTE, 1_000_000).stop == 1_005_000
    assert window(24 * HOUR, 0) == range(-24 * HOUR + 30 * MINUTE, 30 * MINUTE)
    shop = Shop(pack(rate(unit="customer_day", periods=("15m",))))
    shop.asks("10:00:00", "A")
    shop.answers("10:00:10")
    shop.asks("10:00:29.999", "A")
    # width 15 min: buckets of 30 s; at 10:15:00 the window is [10:00:30, 10:15:30)
    assert shop.counts("10:14:59.999", period="15m") == (2, 1, 0)
    assert shop.counts("10:15:00", period="15m") == (0, 0, 0)


def test_newly_asked_and_newly_late_are_units_by_first_ask_and_first_miss():
    shop = pdd()
    shop.asks("10:00:00", "A")
    shop.answers("10:20:00")  # first miss 10:03:00
    shop.asks("10:25:00", "A")  # second miss 10:28:00 changes nothing
    newly = {
        clock: shop.figures(clock)["newly"]["rate"]
        for clock in ("10:29:30", "10:30:00", "10:32:59", "10:33:00")
    }
    assert newly["10:29:30"] == {"newly_asked": 1, "newly_late": 1}
    assert newly["10:30:00"] == {"newly_asked": 0, "newly_late": 1}
    assert newly["10:32:59"] == {"newly_asked": 0, "newly_late": 1}
    assert newly["10:33:00"] == {"newly_asked": 0, "newly_late": 0}


def test_the_holder_at_the_deadline_is_who_was_given_it_else_who_wrote_last():
    shop = taobao()
    shop.asks("10:00:00")
    shop.answers("10:00:10", agent_id="writer")
    shop.asks("10:01:00")  # late at 10:04: the writer's
    shop.answers("10:10:00", agent_id="")
    shop.asks("10:20:00")
    shop.does("10:23:00", "assigned", agent_id="given")  # exactly at the deadline
    assert shop.figures()["agents"]["rate"] == {
        "given": {"answered": 0, "late": 1},
        "writer": {"answered": 1, "late": 1},
    }


def test_response_times_use_bins_of_a_second_and_nearest_rank():
    shop = Shop(pack(rate(id="time", kind="response_time", within_ms=None)))
    for n, wait in enumerate((0, 1, 1000, 1001, 30_000, 30_001, 300_000, 300_001, 306_000, 306_001)):
        at = ms("10:00:00")
        shop.asks("10:00:00", conversation_id=f"c{n}", arrives=at)
        event = Event(type="message", id=f"a{n}", at=at + wait, platform="pinduoduo", shop_id="s1")
        event.conversation_id, event.actor = f"c{n}", "agent"
        assert shop.oracle.feed(event, at + 400_000) == "accepted"
    # ranks of 10: p50 5th, p90 9th, p95 10th; edges above 300 s: 306 000, 312 120
    assert shop.figures()["measures"]["time"]["day"] == {
        "count": 10,
        "sum_ms": 1_274_005,
        "max_ms": 306_001,
        "p50_ms": 30_000,
        "p90_ms": 306_000,
        "p95_ms": 312_120,
    }


def test_order_rate_counts_orders_on_their_day_and_longer_periods_are_sums():
    disputes = Measure(
        id="rate", title=Text("率"), kind="order_rate", event="dispute.opened", periods=("7d",)
    )
    shop = Shop(pack(disputes))
    shop.tell("10:00:00", "order", action="created", order_id="o1")
    shop.tell("10:01:00", "order", action="paid", order_id="o1")
    shop.tell("10:02:00", "order", action="grouped", order_id="o1")
    shop.tell("10:03:00", "order", action="paid", order_id="o2")
    shop.tell("11:00:00", "dispute", action="opened", order_id="o1", dispute_id="d1")
    shop.tell("12:00:00", "dispute", action="opened", order_id="o1", dispute_id="d2")
    assert shop.figures()["measures"]["rate"]["day"] == {"count": 1, "of": 2}
    shop.tell("10:00:00", "order", day=NEXT, action="grouped", order_id="o2")
    shop.tell("11:00:00", "dispute", day=NEXT, action="opened", order_id="o1")
    assert shop.figures("12:00:00", NEXT)["measures"]["rate"] == {
        "day": {"count": 1, "of": 0},
        "7d": {"count": 2, "of": 2},
    }


def test_an_order_rate_may_ask_for_an_outcome():
    refunds = Measure(
        id="rate", title=Text("率"), kind="order_rate", event="dispute.closed", outcome=("refunded",)
    )
    shop = Shop(pack(refunds))
    shop.tell("10:00:00", "dispute", action="closed", order_id="o1", outcome="refused")
    shop.tell("10:00:00", "dispute", action="closed", order_id="o2", outcome="refunded")
    assert shop.figures()["measures"]["rate"]["day"] == {"count": 1, "of": 0}


# What is taken and what is not


def test_a_repeat_changes_nothing_and_a_reused_id_is_rejected():
    shop = taobao()
    assert shop.asks("10:00:00", id="x") == "accepted"
    assert shop.asks("10:00:00", id="x") == "duplicate"
    assert shop.asks("10:00:00", id="x", source="elsewhere") == "duplicate"
    assert shop.asks("10:00:01", id="x") == "rejected:reused"
    assert shop.asks("10:00:00", id="x", shop_id="s2") == "accepted"
    assert shop.asks("10:00:00", id="x", arrives=ms("10:20:00")) == "duplicate"
    assert shop.asks("10:00:00", id="x", arrives=ms("10:20:00.001")) == "late_dropped"


@pytest.mark.parametrize(
    ("fields", "at", "reason"),
    [
        ({"shop_id": ""}, "10:00:00", "no_shop"),
        ({"platform": ""}, "10:00:00", "no_shop"),
        ({"arrives": ms("09:54:59.999")}, "10:00:00", "ahead"),
        ({"day": "1999-12-31"}, "10:00:00", "before_2000"),
    ],
)
def test_bad_events_are_rejected_with_their_reason(fields, at, reason):
    shop = taobao()
    assert shop.asks(at, **fields) == f"rejected:{reason}"
    assert shop.oracle.figures(ms("12:00:00")) == {"shops": []}


def test_exactly_five_minutes_ahead_is_taken():
    assert taobao().asks("10:00:00", arrives=ms("09:55:00")) == "accepted"


def test_an_answer_that_arrives_after_its_alert_takes_the_miss_back():
    shop = taobao()
    shop.asks("10:00:00")
    assert shop.counts("10:05:00") == (1, 1, 0)
    assert shop.answers("10:01:00", arrives=ms("10:11:00")) == "accepted"  # exactly lateness old
    assert shop.counts("10:11:00") == (1, 0, 0)


def test_an_event_older_than_lateness_is_dropped_only_if_the_base_holds_something_at_or_after_it():
    shop = taobao()
    shop.asks("10:00:00")
    assert (
        shop.asks("09:59:00", arrives=ms("10:10:00")) == "accepted"
    )  # 10:00:00 is not final before 10:10:00.001
    assert shop.asks("09:58:00", arrives=ms("10:19:00")) == "accepted"  # the one before arrived 9 min ago
    assert shop.asks("09:57:00", arrives=ms("10:40:00")) == "late_dropped"
    assert shop.answers("10:01:00", arrives=ms("10:40:00")) == "accepted"  # nothing later is in the base
    assert shop.asks("09:57:00", conversation_id="c2", arrives=ms("10:40:00")) == "accepted"


def test_a_day_is_closed_24_hours_after_its_midnight():
    shop = taobao()
    last = ms("23:59:59.999", NEXT)
    assert shop.asks("10:00:00", conversation_id="a", arrives=last) == "accepted"
    assert shop.asks("10:00:00", conversation_id="b", arrives=last + 1) == "late_dropped"
    assert shop.tell("10:00:00", "order", action="paid", order_id="o", arrives=last + 1) == "late_dropped"


def test_events_are_ordered_by_at_then_seq_then_id_digits_by_value_first():
    for ids, late in ((("9", "10"), 0), (("10", "9"), 1), (("9", "a"), 0), (("b", "a"), 1)):
        shop = taobao()
        asked, answered = ids
        shop.answers("10:00:00", id=answered)
        shop.asks("10:00:00", id=asked)
        assert shop.counts() == (1, late, 0)
    shop = taobao()
    shop.answers("10:00:00", id="1", seq=2)
    shop.asks("10:00:00", id="2", seq=1)
    assert shop.counts() == (1, 0, 0)


def test_a_platform_without_a_pack_is_taken_and_has_no_measures():
    shop = Shop(pack(rate()), platform="elsewhere")
    assert shop.asks("10:00:00", arrives=ms("10:00:00", "2026-12-24")) == "accepted"
    found = shop.figures()
    assert found["measures"] == {}
    assert found["waiting"] == {"open": 0, "oldest_ms": None}


def test_service_days_follow_the_zone_through_a_change_of_clocks():
    zone = ZoneInfo("America/New_York")
    rule = DayRule(pack(), rate(), zone, datetime(2026, 11, 1, tzinfo=zone).date())
    begin = int(datetime(2026, 11, 1, tzinfo=zone).timestamp()) * 1000
    assert rule.midnight_ms - begin == 25 * HOUR
    assert rule.in_hours(begin + 9 * HOUR)  # the wall clock shows 08:00
    assert not rule.in_hours(begin + 9 * HOUR - 1)
