"""kill -9 while files are appended to, rotated and packed: the journal has every line once."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import time

import pytest

from monitor.sources.wire import unpack_events
from monitor.store.journal_reader import JournalReader, Kind
from tests.runtime.beside import Beside
from tests.runtime.live import Live
from tests.waiting import eventually, pass_real_time

KILLS = int(os.environ.get("TEST_KILLS", "6"))
NOBODY = "http://127.0.0.1:9"  # no channel is needed: what cannot be told waits


class Writer(Beside):
    """A program that logs events: lines in two writes, a file renamed now and then, an old one packed."""

    def __init__(self, folder) -> None:
        super().__init__()
        self.folder, self.written = folder, 0

    def run(self):
        for rotation in itertools.count():
            live = self.folder / "a.ndjson"
            with live.open("ab", buffering=0) as file:
                for _ in range(500):
                    line = self.line()
                    file.write(line[:30])
                    file.write(line[30:])
                    self.written += 1
                    pass_real_time(0.0005)
            live.rename(self.folder / f"a.ndjson.{rotation}")
            if rotation % 3 == 2:
                self.pack(f"a.ndjson.{rotation - 1}")
            if self.over.is_set():
                return

    def line(self):
        at_ms = time.time_ns() // 1_000_000
        event = {"type": "message", "id": str(self.written), "at": at_ms, "platform": "mall", "shop_id": "s1"}
        event |= {"conversation_id": f"c{self.written}", "actor": "customer"}
        return json.dumps(event).encode() + b"\n"

    def pack(self, name):
        packed = gzip.compress((self.folder / name).read_bytes())
        (self.folder / f"{name}.gz").write_bytes(packed)
        (self.folder / name).unlink()


def journaled(path):
    """The ids of all events in the journal, in order."""
    reader = JournalReader(path)
    rows = [row for row in reader.read() if row.kind is Kind.EVENTS]
    reader.close()
    return [int(event.id) for row in rows for event in unpack_events(row.body)]


@pytest.mark.live
@pytest.mark.slow
def test_killed_at_random_while_files_move_every_line_is_journaled_once(tmp_path):
    chance = random.Random(os.environ.get("TEST_SEED", "follow"))
    drop = tmp_path / "drop"
    drop.mkdir()
    with Live(tmp_path, NOBODY, f"sources: {{erp: {{directory: {{path: {drop}}}}}}}\n") as live:
        live.start()
        with Writer(drop) as writer:
            for _ in range(KILLS):
                pass_real_time(chance.random() * 1.5)
                live.kill()
                live.start()
        journal = tmp_path / "data" / "journal.db"
        eventually(lambda: len(journaled(journal)) >= writer.written, what="every line in the journal")
        assert live.stop() == 0
        assert sorted(journaled(journal)) == list(range(writer.written))
        assert writer.written > 500
