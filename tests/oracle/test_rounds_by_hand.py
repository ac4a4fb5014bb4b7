"""Rounds as the design has them (§5): what opens, joins, closes and settles one."""

from __future__ import annotations

from tests.oracle.by_hand import ALL_DAY, HOUR, NEXT, Shop, ms, pack, rate, taobao
from tests.oracle.naive import upper_edge_ms


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
