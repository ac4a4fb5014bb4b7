"""What was refused is kept without its texts, counted, listed, bounded."""

import json

import pytest

from monitor.errors import MonitorError
from monitor.limits import DEAD_LETTER_BYTES
from monitor.sinks.dead_letters import DeadLetters
from monitor.sources.found import Rejected

DAY_MS = 86_400_000


def refused(index, raw, code="bad_field"):
    return Rejected(index, code, "what; mend", raw)


@pytest.fixture
def letters(tmp_path):
    store = DeadLetters(tmp_path / "dead.db", letters_max=100)
    yield store
    store.close()


def test_a_line_that_parses_is_kept_whole_but_for_its_texts(letters):
    letters.add("erp", [refused(3, '{"id": "x", "text": "秘密", "more": [{"text": "秘密"}]}'.encode())], 5)
    (kept,) = letters.list()
    assert (kept.source, kept.place, kept.code, kept.arrival_ms, kept.parsed) == (
        "erp",
        3,
        "bad_field",
        5,
        True,
    )
    assert kept.raw == b'{"id":"x","text":"","more":[{"text":""}]}'


def test_what_does_not_parse_is_cut_and_goes_after_seven_days_the_rest_after_thirty_five(letters):
    bad = [b'{"text": "half', b"\xff", b"[" * 100_000, b'"' + b"x" * 200_000 + b'"']
    letters.add("erp", [refused(index, raw) for index, raw in enumerate([*bad, b"{}"])], 0)
    assert [one.raw for one in reversed(letters.list())] == [*(raw[:DEAD_LETTER_BYTES] for raw in bad), b"{}"]
    assert (letters.sweep(7 * DAY_MS - 1), letters.kept) == (0, 5)
    assert (letters.sweep(7 * DAY_MS), letters.kept) == (4, 1)
    assert (letters.sweep(35 * DAY_MS), letters.kept) == (1, 0)


def test_at_the_limit_the_oldest_make_room_and_the_count_goes_on(letters):
    for number in range(30):
        letters.add("erp", [refused(number, b"{}")] * 10, number)
    assert letters.kept <= 100
    assert letters.list(1)[0].place == 29
    assert letters.counts == {("erp", "bad_field"): 300}


def test_the_bytes_kept_are_bounded_too(tmp_path):
    store = DeadLetters(tmp_path / "dead.db", bytes_max=10_000)
    for number in range(20):
        store.add("erp", [refused(number, b"{" + b"x" * 1_000)], 0)
    kept = [one.place for one in store.list()]
    assert kept[0] == 19
    assert 5 <= len(kept) <= 9
    store.close()


def test_letters_are_listed_newest_first_by_page_source_and_code(letters):
    letters.add("erp", [refused(0, b"{}"), refused(1, b"{}", "nul")], 0)
    letters.add("crm", [refused(2, b"{}")], 0)
    assert [one.place for one in letters.list()] == [2, 1, 0]
    assert [one.place for one in letters.list(source="erp")] == [1, 0]
    assert [one.place for one in letters.list(code="nul")] == [1]
    assert [one.place for one in letters.list(before=letters.list()[1].id)] == [0]


def test_letters_outlive_the_process_and_can_be_removed(tmp_path, letters):
    letters.add("erp", [refused(0, b"{}"), refused(1, b"{}")], 0)
    again = DeadLetters(tmp_path / "dead.db")
    assert again.kept == 2
    assert again.remove([again.list()[0].id]) == 1
    assert (again.kept, [one.place for one in again.list()]) == (1, [0])
    again.close()


def test_a_newer_or_foreign_file_is_refused_with_the_mend(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "new.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    (tmp_path / "foreign.db").write_bytes(b"not a database at all" * 100)
    for name in ("new.db", "foreign.db"):
        with pytest.raises(MonitorError, match=f"{name}.*; .*move the file away"):
            DeadLetters(tmp_path / name)


def test_a_line_that_parses_but_is_too_long_is_cut_after_its_texts_are_gone(letters):
    more = [{"Content": "秘密", "n": number} for number in range(DEAD_LETTER_BYTES // 10)]
    letters.add(
        "erp", [refused(0, json.dumps({"text": "秘密", "more": more}, ensure_ascii=False).encode())], 5
    )
    (kept,) = letters.list()
    assert (kept.parsed, len(kept.raw)) == (False, DEAD_LETTER_BYTES)
    assert "秘密".encode() not in kept.raw
    assert kept.raw.startswith(b'{"text":"","more":[{"Content":"","n":0}')
