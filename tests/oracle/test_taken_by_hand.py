"""Which events are taken, in which order, and which are not."""

from __future__ import annotations

import pytest

from tests.oracle.by_hand import NEXT, Shop, ms, pack, rate, taobao


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
