"""Units as the design has them (§5), and the days and packs to which they belong."""

from __future__ import annotations

from tests.oracle.by_hand import ALL_DAY, DAY, NEXT, Shop, pack, pdd, rate


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
