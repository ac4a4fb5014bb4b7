import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.times import format_time, parse_duration_ms, parse_time


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-11T10:20:30.123+08:00", 1_794_363_630_123),
        ("2026-11-11T02:20:30.123Z", 1_794_363_630_123),
        ("2026-11-11t02:20:30.123z", 1_794_363_630_123),
        ("2026-11-11 02:20:30.123Z", 1_794_363_630_123),
        ("2026-11-11T02:20:30.1239999999Z", 1_794_363_630_123),  # cut, not rounded
        ("2026-11-11T02:20:30.9Z", 1_794_363_630_900),
        ("2026-11-10T23:20:30-03:00", 1_794_363_630_000),
    ],
)
def test_a_time_with_offset_is_read_to_the_millisecond(text, expected_ms):
    assert expected_ms == parse_time(text)
    assert expected_ms == parse_time(text)  # from the cache


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-11-11", "2026-11-11T10:20:30", "2026-11-11T10:20+08:00", "2026-02-30T00:00:00Z",
        "2026-11-11T24:00:00Z", "2026-11-11T23:59:60Z", "2026-11-11T10:20:30+0800", "20261111T102030Z",
        "2026-11-11T10:20:30+24:00", "2026-11-11T10:20:30,5Z", "2026-11-11T10:20:30.Z", "1794363630123",
        "２０２６-11-11T10:20:30Z", " 2026-11-11T10:20:30Z", "2026-11-11T10:20:30Z\n",
    ],
)  # fmt: skip
def test_what_is_not_a_time_with_offset_is_not_guessed_at(text):
    assert parse_time(text) is None


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 (Hypothesis wants them naive)
    st.integers(-14 * 60, 14 * 60),
)
def test_any_time_in_any_zone_agrees_with_the_standard_library(moment, minutes):
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert since // timedelta(milliseconds=1) == parse_time(moment.isoformat())


@pytest.fixture
def hasty_threads():
    """Threads take turns in the middle of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_that_read_side_by_side_do_not_mix_up_their_times():
    """Large bodies are decoded in threads of their own: one sender's must not move another's minutes."""

    def read(minute: int) -> list[int]:
        text = f"2026-11-11T10:{minute}:30.5+08:00"
        return [found for found in map(parse_time, [text] * 20_000) if found is not None]

    with ThreadPoolExecutor(2) as pool:
        for minute, found in zip((10, 20), pool.map(read, (10, 20)), strict=True):
            assert set(found) == {parse_time(f"2026-11-11T10:{minute}:30.500+08:00")}
            assert len(found) == 20_000


def test_a_printed_time_reads_back():
    assert parse_time(format_time(1_794_363_630_123)) == 1_794_363_630_123
    assert format_time(10**18) == "1000000000000000000 ms"


def test_durations():
    assert [parse_duration_ms(text) for text in ("10s", "3m", "2h", "30d", "250ms")] == [
        10_000,
        180_000,
        7_200_000,
        2_592_000_000,
        250,
    ]
    assert [parse_duration_ms(text) for text in ("10", "s", "1.5m", "-3m")] == [None] * 4
