"""Files come in by arrival, whatever their order, their size or their faults."""

import gzip
import json
import random

import pytest

from monitor.sources.files import FileError, read_arrivals, total_bytes

START_MS = 1_794_363_630_000


def line(number, at_ms, **fields):
    return json.dumps(
        {"type": "message", "id": f"m{number}", "at": at_ms, "platform": "p", "shop_id": "s",
         "conversation_id": "c", "actor": "customer", "text": "秘密"} | fields, ensure_ascii=False
    ).encode()  # fmt: skip


def write(path, lines):
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)


def never(*where):
    pytest.fail(f"refused: {where}")


def flat(arrivals):
    return [(arrival, event.id) for arrival, events in arrivals for event in events]


def test_lines_without_received_at_arrive_in_order_of_at_and_equal_times_in_file_order(tmp_path):
    path = write(tmp_path / "a.ndjson", [line(0, START_MS + 5), line(1, START_MS), line(2, START_MS + 5)])
    assert list(flat(read_arrivals([path], refused=never))) == [
        (START_MS, "m1"), (START_MS + 5, "m0"), (START_MS + 5, "m2"),
    ]  # fmt: skip


@pytest.mark.parametrize("memory_bytes", [1, 20_000, 1 << 30])
def test_the_order_is_the_same_whether_or_not_runs_are_spilled(tmp_path, memory_bytes, monkeypatch):
    monkeypatch.setattr("monitor.sources.files._CHUNK_BYTES", 4096)
    numbers = list(range(2_000))
    random.Random(1).shuffle(numbers)
    path = write(tmp_path / "a.ndjson", [line(number, START_MS + number // 3) for number in numbers])
    place = {number: index for index, number in enumerate(numbers)}
    expected = sorted(numbers, key=lambda number: (number // 3, place[number]))
    found = flat(read_arrivals([path], refused=never, memory_bytes=memory_bytes))
    assert found == [(START_MS + number // 3, f"m{number}") for number in expected]


def test_lines_with_received_at_arrive_in_file_order_at_those_times_which_never_fall(tmp_path):
    path = write(
        tmp_path / "a.ndjson",
        [line(0, START_MS + 5, received_at=START_MS + 9),
         line(1, START_MS, received_at="2026-11-11T10:20:30.007+08:00"),
         line(2, START_MS, received_at=START_MS + 20)],
    )  # fmt: skip
    assert flat(read_arrivals([path], refused=never)) == [
        (START_MS + 9, "m0"), (START_MS + 9, "m1"), (START_MS + 20, "m2"),
    ]  # fmt: skip


@pytest.mark.parametrize("first", [{}, {"received_at": START_MS}])
def test_a_file_that_mixes_is_an_error_that_names_the_line(tmp_path, first):
    other = {} if first else {"received_at": START_MS}
    path = write(tmp_path / "a.ndjson", [line(0, START_MS, **first), b"broken", line(1, START_MS, **other)])
    with pytest.raises(FileError, match=r"a\.ndjson:3: .*received_at.*every line or"):
        list(read_arrivals([path], refused=lambda *_: None))


def test_an_event_far_ahead_of_its_arrival_is_refused_with_its_line(tmp_path):
    path = write(
        tmp_path / "a.ndjson",
        [line(0, START_MS, received_at=START_MS), line(1, START_MS + 300_001, received_at=START_MS)],
    )
    refusals = []
    assert flat(read_arrivals([path], refused=lambda *one: refusals.append(one))) == [(START_MS, "m0")]
    assert [(number, bad.code) for _, number, bad in refusals] == [(2, "ahead")]


def test_bad_lines_are_told_with_their_number_and_do_not_stop(tmp_path, monkeypatch):
    monkeypatch.setattr("monitor.sources.files._CHUNK_BYTES", 1000)
    lines = [line(number, START_MS + number) for number in range(50)]
    lines[7], lines[23], lines[31] = b"{", b"x" * 3_000_000, b"\xff\xfe"
    lines[40] = b""
    refusals = []
    found = flat(
        read_arrivals([write(tmp_path / "a.ndjson", lines)], refused=lambda *one: refusals.append(one))
    )
    assert len(found) == 46
    assert [(number, bad.code) for _, number, bad in refusals] == [
        (8, "not_json"),
        (24, "too_long"),
        (32, "not_utf8"),
    ]


def test_gzip_is_told_by_its_bytes_and_a_byte_order_mark_is_stepped_over(tmp_path):
    path = tmp_path / "odd-name"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + line(0, START_MS)))
    read = []
    assert flat(read_arrivals([str(path)], refused=never, progress=read.append)) == [(START_MS, "m0")]
    assert sum(read) == total_bytes([str(path)]) == path.stat().st_size


def test_progress_adds_up_to_the_size_of_all_files(tmp_path):
    paths = [write(tmp_path / name, [line(0, START_MS)] * 3_000) for name in ("a", "b")]
    read = []
    list(read_arrivals(paths, refused=never, progress=read.append))
    assert len(read) > 2
    assert sum(read) == total_bytes(paths)


def test_the_source_is_the_field_or_the_name_of_the_file(tmp_path):
    path = write(tmp_path / "erp.ndjson", [line(0, START_MS), line(1, START_MS + 1, source="crm")])
    assert [event.source for _, events in read_arrivals([path], refused=never) for event in events] == [
        "erp.ndjson", "crm",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [gzip.compress(b"x" * 1000, mtime=0)[:-10], b"\x1f\x8bnonsense"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "bad.gz").write_bytes(content)
    with pytest.raises(FileError, match=r"bad\.gz"):
        list(read_arrivals([str(tmp_path / "bad.gz")], refused=lambda *_: None))
    with pytest.raises(FileError, match="missing"):
        list(read_arrivals([str(tmp_path / "missing")], refused=never))


def test_an_empty_file_holds_nothing(tmp_path):
    assert list(read_arrivals([write(tmp_path / "a", [])], refused=never)) == []
