"""A followed directory: what is dropped or appended there comes in once, however files are moved."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import os
import shutil
from contextlib import asynccontextmanager

from monitor.limits import LINE_BYTES
from monitor.runtime import followed_file, limits
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from monitor.sources.wire import unpack_events
from monitor.store.journal_reader import JournalReader, Kind
from tests.runtime.scenes import TEN_MS, living, message

SETTINGS = "sources: {erp: {directory: {path: drop}}}\n"


class Drop:
    """The directory and the daemon that follows it."""

    def __init__(self, place, clock):
        self.path, self.clock, self.data = place / "drop", clock, place / "data"

    def line(self, *numbers):
        return "".join(json.dumps(message(n, TEN_MS)) + "\n" for n in numbers)

    def append(self, name, text):
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write(text)

    async def looked(self):
        """Let the next look pass."""
        await pass_time(self.clock, self.clock.now_ms() + limits.FOLLOW_MS, self.it.running.settled)

    async def ready(self):
        answer = await self.client.get("/readyz")
        return answer.status_code, answer.json()["problems"]

    async def letters(self):
        found = (await self.client.get("/api/v1/dead-letters")).json()["letters"]
        return [(one["code"], one["reason"].partition(";")[0], one["index"]) for one in reversed(found)]

    def journaled(self):
        """The ids of the events in the journal, in order, of every record of this source."""
        reader = JournalReader(self.data / "journal.db")
        rows = [row for row in reader.read() if row.kind is Kind.EVENTS and row.source == "erp"]
        reader.close()
        return [event.id.removeprefix("customer") for row in rows for event in unpack_events(row.body)]


@asynccontextmanager
async def followed(place, clock=None):
    clock = clock or ManualClock(TEN_MS)
    (place / "drop").mkdir(exist_ok=True)
    async with living(place, clock, SETTINGS) as (it, client, _):
        drop = Drop(place, clock)
        drop.it, drop.client = it, client
        yield drop


def scene(place, *acts):
    """Each act with a daemon of its own over the same folder: between two acts it was stopped."""

    async def play():
        clock = ManualClock(TEN_MS)
        for act in acts:
            async with followed(place, clock) as drop:
                await act(drop)

    asyncio.run(play())


def test_appended_lines_come_in_once_and_a_half_written_one_waits_for_its_newline(tmp_path):
    async def first(drop):
        drop.append("a.ndjson", drop.line(1, 2) + drop.line(3)[:20])
        await drop.looked()
        assert drop.journaled() == ["1", "2"]
        drop.append("a.ndjson", drop.line(3)[20:])
        await drop.looked()
        await drop.looked()
        assert drop.journaled() == ["1", "2", "3"]
        answer = (await drop.client.get("/api/v1/shops/mall/s1")).json()
        assert answer["lines"][0]["asked"] == 3

    async def second(drop):
        await drop.looked()
        drop.append("a.ndjson", drop.line(4))
        await drop.looked()
        assert drop.journaled() == ["1", "2", "3", "4"]
        assert await drop.letters() == []

    scene(tmp_path, first, second)


def test_rotation_by_renaming_loses_and_repeats_nothing(tmp_path):
    """Lines written just before the rename are taken from the new name; the old name begins anew."""

    async def first(drop):
        drop.append("a.ndjson", drop.line(1))
        await drop.looked()
        drop.append("a.ndjson", drop.line(2))
        (drop.path / "a.ndjson").rename(drop.path / "a.ndjson.1")
        drop.append("a.ndjson", drop.line(3))
        await drop.looked()
        assert sorted(drop.journaled()) == ["1", "2", "3"]

    async def second(drop):
        packed = gzip.compress((drop.path / "a.ndjson.1").read_bytes())
        (drop.path / "a.ndjson.1").unlink()
        (drop.path / "a.ndjson.2.gz").write_bytes(packed)
        drop.append("a.ndjson", drop.line(4))
        await drop.looked()
        assert sorted(drop.journaled()) == ["1", "2", "3", "4"]

    scene(tmp_path, first, second)


def test_rotation_by_copying_and_truncating_loses_and_repeats_nothing(tmp_path):
    """Also where the copy is seen half made, and again as a whole."""

    async def act(drop):
        drop.append("a.ndjson", drop.line(1, 2, 3))
        await drop.looked()
        half = (drop.path / "a.ndjson").read_bytes()[: len(drop.line(1)) + 9]
        (drop.path / "a.ndjson.1").write_bytes(half)
        await drop.looked()
        assert drop.journaled() == ["1", "2", "3"]
        drop.append("a.ndjson", drop.line(4))
        shutil.copy(drop.path / "a.ndjson", drop.path / "a.ndjson.1")
        os.truncate(drop.path / "a.ndjson", 0)
        drop.append("a.ndjson", drop.line(5))
        await drop.looked()
        assert sorted(drop.journaled()) == ["1", "2", "3", "4", "5"]

    async def again(drop):
        await drop.looked()
        assert sorted(drop.journaled()) == ["1", "2", "3", "4", "5"]

    scene(tmp_path, act, again)


def test_a_file_replaced_by_a_longer_version_of_itself_goes_on_where_it_was(tmp_path):
    async def act(drop):
        drop.append("a.ndjson", drop.line(1, 2))
        await drop.looked()
        drop.append(".new", drop.line(1, 2, 3))
        (drop.path / ".new").rename(drop.path / "a.ndjson")
        await drop.looked()
        assert drop.journaled() == ["1", "2", "3"]

    scene(tmp_path, act)


def test_files_with_the_same_first_line_are_told_apart(tmp_path):
    async def act(drop):
        drop.append("a.ndjson", drop.line(1, 2, 3))
        await drop.looked()
        drop.append("b.ndjson", drop.line(1, 4, 5, 6))
        await drop.looked()
        assert drop.journaled() == ["1", "2", "3", "1", "4", "5", "6"]
        drop.append("a.ndjson", drop.line(7))
        drop.append("b.ndjson", drop.line(8))
        await drop.looked()
        assert drop.journaled()[7:] == ["7", "8"]

    scene(tmp_path, act)


def test_a_packed_file_is_taken_once_it_is_whole(tmp_path):
    """Its last line needs no newline; while it is written its whole lines come in."""

    async def act(drop):
        packed = gzip.compress(drop.line(1, 2).rstrip().encode())
        (drop.path / "a.ndjson.gz").write_bytes(packed[: len(packed) - 8])
        await drop.looked()
        assert drop.journaled() in ([], ["1"])
        (drop.path / "a.ndjson.gz").write_bytes(packed)
        await drop.looked()
        await drop.looked()
        assert drop.journaled() == ["1", "2"]
        assert await drop.letters() == []

    scene(tmp_path, act)


def test_what_is_bad_goes_to_the_dead_letters_with_its_file_and_line(tmp_path):
    async def act(drop):
        drop.append("a.ndjson", "\ufeff" + drop.line(1) + "{oops\n\n" + "x" * (LINE_BYTES + 9) + "\n")
        reused = json.dumps(message(1, TEN_MS) | {"actor": "agent", "id": "customer1"}) + "\n"
        drop.append("a.ndjson", drop.line(2) + reused)
        await drop.looked()
        assert drop.journaled() == ["1", "2", "1"]  # the journal keeps what came, the engine takes the first
        assert await drop.letters() == [
            ("not_json", "a.ndjson:2: not JSON: object keys must be strings (byte 1)", 1),
            ("too_long", f"a.ndjson:4: {LINE_BYTES + 9} bytes long, more than {LINE_BYTES}", 3),
            ("reused", "a.ndjson:6: id 'customer1' came before with other content", 5),
        ]
        text = (await drop.client.get("/metrics")).text
        assert 'slawatch_events_total{result="accepted",source="erp"} 2.0' in text
        assert 'slawatch_events_total{result="rejected",source="erp"} 3.0' in text
        assert (await drop.ready()) == (200, [])

    async def again(drop):
        await drop.looked()
        assert len(await drop.letters()) == 3

    scene(tmp_path, act, again)


def test_a_damaged_packed_file_is_told_once_and_taken_when_it_is_mended(tmp_path):
    async def act(drop):
        packed = gzip.compress(drop.line(1).encode())
        (drop.path / "a.ndjson.gz").write_bytes(packed[:-8] + bytes(8))
        await drop.looked()
        await drop.looked()
        ((code, reason, _),) = await drop.letters()
        assert (code, reason.partition(" (")[0]) == ("damaged", "a.ndjson.gz:1: damaged from here on")
        (drop.path / "a.ndjson.gz").write_bytes(packed)
        await drop.looked()
        assert drop.journaled() == ["1"]

    scene(tmp_path, act)


def test_a_directory_that_cannot_be_read_is_told_and_tried_again(tmp_path):
    async def act(drop):
        drop.path.rename(tmp_path / "elsewhere")
        await drop.looked()
        status, problems = await drop.ready()
        mend = "make it readable for this user"
        assert (status, problems) == (503, [f"directory erp: {drop.path}: No such file or directory; {mend}"])
        (tmp_path / "elsewhere").rename(drop.path)
        drop.append("a.ndjson", drop.line(1))
        await drop.looked()
        assert (drop.journaled(), await drop.ready()) == (["1"], (200, []))

    scene(tmp_path, act)


def test_a_file_that_cannot_be_read_is_told_and_tried_again_and_the_others_are_taken(tmp_path, monkeypatch):
    async def act(drop):
        opened = followed_file._opened

        def broken(path):
            if path.name == "a.ndjson":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return opened(path)

        monkeypatch.setattr(followed_file, "_opened", broken)
        drop.append("a.ndjson", drop.line(1))
        drop.append("b.ndjson", drop.line(2))
        await drop.looked()
        status, problems = await drop.ready()
        assert (status, len(problems)) == (503, 1)
        assert problems[0].startswith(f"directory erp: {drop.path / 'a.ndjson'}: Input/output error")
        monkeypatch.undo()
        await drop.looked()
        assert (drop.journaled(), await drop.ready()) == (["2", "1"], (200, []))

    scene(tmp_path, act)


def test_with_too_little_disk_a_file_waits_and_its_refused_lines_are_told_once(tmp_path):
    async def act(drop):
        journal = drop.it.running.journal
        roomy, journal._free_disk = journal._free_disk, lambda _: 0
        drop.append("a.ndjson", "{oops\n" + drop.line(1))
        for _ in range(3):
            await drop.looked()
        status, problems = await drop.ready()
        assert status == 503
        assert any(problem.startswith("directory erp: waits; journal: less than") for problem in problems)
        journal._free_disk = roomy
        await drop.looked()
        await drop.looked()
        assert drop.journaled() == ["1"]
        assert len(await drop.letters()) == 1
        assert await drop.ready() == (200, [])

    scene(tmp_path, act)


def test_links_pipes_hidden_and_other_files_are_left_alone(tmp_path):
    async def act(drop):
        (tmp_path / "secret").write_text(drop.line(1))
        (drop.path / "link.ndjson").symlink_to(tmp_path / "secret")
        os.mkfifo(drop.path / "pipe.ndjson")
        drop.append(".hidden.ndjson", drop.line(2))
        drop.append("notes.txt", "hello\n")
        drop.append("a.ndjson", drop.line(3))
        await drop.looked()
        assert drop.journaled() == ["3"]
        assert await drop.letters() == []

    scene(tmp_path, act)


def test_a_file_whose_name_cannot_be_told_is_told_and_the_others_are_taken(tmp_path):
    async def act(drop):
        drop.append(os.fsdecode(b"a\xff.ndjson"), drop.line(1))
        drop.append("b.ndjson", drop.line(2))
        await drop.looked()
        assert drop.journaled() == ["2"]
        assert (await drop.ready())[1] == [
            f"directory erp: {drop.path}: 'a\\udcff.ndjson' is no name to be told or kept; rename it"
        ]

    scene(tmp_path, act)


def test_a_long_file_comes_in_as_records_of_bounded_size(tmp_path):
    async def act(drop):
        count = 2 * limits.STEP_EVENTS + 5
        drop.append("a.ndjson", drop.line(*range(count)))
        await drop.looked()
        assert drop.journaled() == [str(n) for n in range(count)]
        reader = JournalReader(drop.data / "journal.db")
        sizes = [row.events for row in reader.read() if row.kind is Kind.EVENTS]
        reader.close()
        assert max(sizes) <= limits.STEP_EVENTS

    scene(tmp_path, act)


def test_of_files_that_are_gone_only_so_many_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "FOLLOWED_PLACES", 2)

    async def act(drop):
        for n in range(4):
            drop.append(f"{n}.ndjson", drop.line(n))
            await drop.looked()
            (drop.path / f"{n}.ndjson").unlink()
        await drop.looked()
        reader = JournalReader(drop.data / "journal.db")
        names = sorted(key.rpartition("/")[2] for key in reader.marks("follow/erp/"))
        reader.close()
        assert names == ["2.ndjson", "3.ndjson"]

    scene(tmp_path, act)


def test_of_too_many_files_those_changed_last_are_followed_and_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "FOLLOWED_FILES", 2)

    async def act(drop):
        for n in range(3):
            drop.append(f"{n}.ndjson", drop.line(n))
            os.utime(drop.path / f"{n}.ndjson", ns=(0, n))
        await drop.looked()
        assert drop.journaled() == ["1", "2"]
        status, problems = await drop.ready()
        mend = "move away what was taken"
        assert (status, problems) == (503, [f"directory erp: {drop.path}: more than 2 files; {mend}"])
        (drop.path / "2.ndjson").unlink()
        await drop.looked()
        assert (drop.journaled(), await drop.ready()) == (["1", "2", "0"], (200, []))

    scene(tmp_path, act)


def test_a_file_that_stays_unfinished_is_told_until_it_is_whole(tmp_path):
    """Half a first line, half a last line, half a packed file: said after a minute, also after a restart."""
    names = ("a.ndjson", "b.ndjson", "c.ndjson.gz")

    async def notices(drop):
        return (await drop.client.get("/readyz")).json()["notices"]

    async def first(drop):
        drop.append("a.ndjson", drop.line(1)[:9])
        drop.append("b.ndjson", drop.line(2) + drop.line(3)[:9])
        (drop.path / "c.ndjson.gz").write_bytes(gzip.compress(drop.line(4).encode())[:-9])
        for name in names:
            os.utime(drop.path / name, ns=(0, TEN_MS * 1_000_000))
        await drop.looked()
        assert await notices(drop) == []
        await pass_time(drop.clock, TEN_MS + limits.FOLLOW_WAITS_MS, drop.it.running.settled)
        await drop.looked()
        mend = "end the last line with a newline, or drop it again"
        assert await notices(drop) == [f"directory erp: {', '.join(names)}: not whole; {mend}"]

    async def second(drop):
        await drop.looked()
        assert "a.ndjson, b.ndjson, c.ndjson.gz: not whole" in (await notices(drop))[0]
        drop.append("a.ndjson", drop.line(1)[9:])
        drop.append("b.ndjson", drop.line(3)[9:])
        (drop.path / "c.ndjson.gz").write_bytes(gzip.compress(drop.line(4).encode()))
        await drop.looked()
        assert await notices(drop) == []
        assert sorted(drop.journaled()) == ["1", "2", "3", "4"]

    scene(tmp_path, first, second)
