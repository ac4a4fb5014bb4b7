"""Countdowns of 100,000 open rounds: how far what is told and shown lies from the truth (design §13).

1,000 shops, rounds of 3 minutes that begin 680 times a second; a third is answered after 90 s, the others run
out. A rule on all of them (30 s left; ``interval: 1s``, so that a shop names each of its rounds) is read from
the store as transitions come. Shops of one round, one each half second, have a rule on a bot, and its message
is awaited there. Rules are judged on whole seconds: what is told is held against the first whole second at
which 30 s or less were left. Then the same with 1 and 20 viewers, each of whom keeps the page's stream open.

``python -m benchmarks.countdowns [--waiting ROUNDS] [--seconds S]`` (each with 0, 1 and 20 viewers)
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks.countdown_traffic import LEAD_MS, LIMIT_MS, PROBES, Rounds, whole_second
from benchmarks.daemon import Daemon, percentile
from benchmarks.latency import BOTS, Fake, alerting
from benchmarks.table import Row, measure_and_print
from rules.transition import Transition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPConnection

WAITING, SECONDS, VIEWERS = 100_000, 40, (0, 1, 20)
BAR_MS, SETTLE_S = 1_000, 10
ASKED = ("/", "/api/v1/at-risk", "/metrics")
ROW = re.compile(r'data-deadline="(\d+)"(?:(?!</li>).)*?title="c(\d+)"', re.DOTALL)


def rules() -> str:
    """One on all conversations, told to nobody, and one for each bot on probes of its own."""
    each = f"each: conversation, measure: reply_rate_3m, crit: {{seconds_left: '<= {LEAD_MS // 1000}'}}"
    shops = [", ".join(f"probe{n}" for n in range(bot, PROBES, BOTS)) for bot in range(BOTS)]
    lines = ["rules:", f"  - {{id: countdown, {each}, interval: 1s, shadow: true}}"]
    lines += [
        f"  - {{id: probe-{bot}, {each}, notify: bot{bot}, shops: {{platform: pinduoduo, ids: [{ids}]}}}}"
        for bot, ids in enumerate(shops)
    ]
    return "\n".join(lines)


class Told:
    """When each conversation was first named by a transition that the store has."""

    def __init__(self, store: Path, stop: threading.Event) -> None:
        self.at_ms: dict[int, int] = {}
        self._store, self._stop = store, stop
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        database = sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)
        past, decode = -1, msgspec.msgpack.Decoder(Transition).decode
        while not self._stop.is_set():
            query = "select position, body from transition where shard = 0 and position > ? order by position"
            rows = database.execute(query, (past,)).fetchall()
            now_ms = time.time_ns() // 1_000_000
            for position, body in rows:
                past = position
                for item in decode(body).items:
                    if item.conversation_id.startswith("c"):
                        self.at_ms.setdefault(int(item.conversation_id[1:]), now_ms)
            time.sleep(0.02)


class Shown:
    """What viewers were shown, held against what they should have been."""

    def __init__(self, rounds: Rounds) -> None:
        self._rounds = rounds
        self.clock_off_ms: list[float] = []
        self.deadline_off_ms = [0]
        self.rows = self.gone = 0  # rows shown; of them answered or late for more than a second
        self.off_ms: list[float] = []  # of the soonest deadline shown: among so many one falls due each ms

    def take(self, clock_ms: int, rows: list[tuple[int, int]]) -> None:
        """A list of (number, deadline) that came just now, with the clock it came with."""
        now_ms = time.time_ns() // 1_000_000
        self.clock_off_ms.append(now_ms - clock_ms)
        self.deadline_off_ms += [self._rounds.deadline_off_ms(n, at_ms) for n, at_ms in rows]
        self.rows += len(rows)
        self.gone += sum(min(at_ms, self._rounds.answered_ms(n)) < now_ms - BAR_MS for n, at_ms in rows)
        self.off_ms.append(abs(min(at_ms for _, at_ms in rows) - now_ms) if rows else LIMIT_MS)

    def take_json(self, data: bytes) -> None:
        """The list of the API; probes are left out."""
        answer = msgspec.json.decode(data)
        named = [(one["conversation_id"], one["deadline_ms"]) for one in answer["at_risk"]]
        self.take(answer["now_ms"], [(int(name[1:]), at_ms) for name, at_ms in named if name[0] == "c"])

    def __str__(self) -> str:
        soonest = f"the soonest shown within {max(self.off_ms):,.0f} ms of the soonest there is"
        return (
            f"clock p50 {percentile(self.clock_off_ms, 50):.0f} ms old, max {max(self.clock_off_ms):,.0f} ms,"
            f" deadlines {max(self.deadline_off_ms)} ms off, {soonest},"
            f" {self.gone:,} of {self.rows:,} rows no longer waited"
        )

    def held(self) -> bool:
        """Whether all of it lies within the bar."""
        return not self.gone and max(*self.clock_off_ms, *self.deadline_off_ms, *self.off_ms) <= BAR_MS


class Viewer(threading.Thread):
    """Keeps the page's stream open; what the first one sees is held against the truth."""

    def __init__(self, daemon: Daemon, shown: Shown | None, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._daemon, self._shown, self._stop_asked = daemon, shown, stop
        self.bytes = 0

    def run(self) -> None:
        connection = self._daemon.connect()
        connection.request("GET", "/live")
        answer, event, waiting = connection.getresponse(), "", ""
        while not self._stop_asked.is_set():
            if self._shown is None:
                self.bytes += len(answer.read1(1 << 20))
                continue
            line = answer.readline().decode()
            self.bytes += len(line)
            field, _, text = line.rstrip("\n").partition(": ")
            if field == "event":
                event, waiting = text, "" if text == "waiting" else waiting
            elif field == "data" and event == "waiting":
                waiting += text + "\n"
            elif field == "data" and event == "clock":
                self._shown.take(int(text), [(int(n), int(at)) for at, n in ROW.findall(waiting)])
        connection.close()


class Watched(NamedTuple):
    """What so many viewers for so long came to."""

    viewers: int
    from_ms: int
    until_ms: int
    cores: float
    resident_mb: int
    took_ms: dict[str, list[float]]
    page: Shown
    api: Shown
    kb_s: float  # that a viewer's stream sent


def watch(daemon: Daemon, rounds: Rounds, viewers: int, seconds: int) -> Watched:
    """Let so many look for so long, beside one who asks each second for what takes an answer."""
    page, api, stop = Shown(rounds), Shown(rounds), threading.Event()
    watching = [Viewer(daemon, None if n else page, stop) for n in range(viewers)]
    for viewer in watching:
        viewer.start()
    time.sleep(5)
    connection, took_ms = daemon.connect(), defaultdict[str, list[float]](list)
    began_s, began_ms, cpu_s = time.monotonic(), time.time_ns() // 1_000_000, daemon.cpu_s()
    began_bytes, turn = sum(viewer.bytes for viewer in watching), 0
    while time.monotonic() - began_s < seconds:
        for path in ASKED if viewers else ("/metrics",):
            data = _timed(connection, path, took_ms[path])
            if path == "/api/v1/at-risk":
                api.take_json(data)
        turn += 1
        time.sleep(max(0.0, began_s + turn * 1.037 - time.monotonic()))  # at every moment of a second alike
    elapsed_s = time.monotonic() - began_s
    cores, resident_mb = (daemon.cpu_s() - cpu_s) / elapsed_s, daemon.resident_mb()
    kb_s = (sum(viewer.bytes for viewer in watching) - began_bytes) / 1000 / elapsed_s / max(1, viewers)
    stop.set()
    for viewer in watching:
        viewer.join()
    until_ms = began_ms + int(elapsed_s * 1000)
    return Watched(viewers, began_ms, until_ms, cores, resident_mb, took_ms, page, api, kb_s)


def _timed(connection: HTTPConnection, path: str, took_ms: list[float]) -> bytes:
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    data = answer.read()
    took_ms.append((time.perf_counter() - began) * 1000)
    assert answer.status == 200, data[:500]
    return data


def measure(waiting: int, seconds: int) -> tuple[Rounds, Told, Fake, list[Watched]]:
    """One run against a fresh daemon."""
    fake, stop = Fake(), threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder), alerting(fake.url), rules())
        with daemon.running():
            rounds = Rounds(waiting, time.time_ns() // 1_000_000)
            sender = threading.Thread(target=rounds.send, args=(daemon, stop), daemon=True)
            sender.start()
            told = Told(next(Path(folder).rglob("store.db")), stop)
            while not rounds.sent_ms:
                time.sleep(0.1)
            time.sleep(SETTLE_S)
            found = [watch(daemon, rounds, viewers, seconds) for viewers in VIEWERS]
            time.sleep(3)
            stop.set()
            sender.join()
            told.thread.join()
    return rounds, told, fake, found


def rows(waiting: int = WAITING, seconds: int = SECONDS) -> list[Row]:
    """One run: for each number of viewers what was told, what was shown and what it cost."""
    rounds, told, fake, found = measure(waiting, seconds)
    measured = [row for one in found for row in _rows(waiting, rounds, told, fake, one)]
    return measured if waiting == WAITING else [row._replace(bar="", held=None) for row in measured]


def _rows(waiting: int, rounds: Rounds, told: Told, fake: Fake, one: Watched) -> Iterator[Row]:
    asked = range(rounds.asked_before(one.from_ms - LIMIT_MS), rounds.asked_before(one.until_ms))
    due = {n: at_ms for n in asked if one.from_ms <= (at_ms := rounds.due_ms(n)) < one.until_ms}
    late_ms = [told.at_ms[n] - at_ms for n, at_ms in due.items() if n in told.at_ms]
    probes = {f"probe{n}": whole_second(rounds.probe_ms(n) + LIMIT_MS - LEAD_MS) for n in range(PROBES)}
    probes = {name: at_ms for name, at_ms in probes.items() if one.from_ms <= at_ms < one.until_ms}
    ahead_ms = time.time_ns() / 1e6 - time.perf_counter() * 1000
    sent_ms = [fake.arrived_s[n] * 1000 + ahead_ms - at for n, at in probes.items() if n in fake.arrived_s]
    lost = len(due) - len(late_ms) + len(probes) - len(sent_ms)
    counting = min(rounds.counting(one.from_ms), rounds.counting(one.until_ms))
    yield Row(
        f"30 s left of 3 min, {counting:,} rounds open, {len(due) * 1000 / (one.until_ms - one.from_ms):,.0f}"
        f" told a second, viewers: {one.viewers}",
        f"told {_spread(late_ms)} after the second; at the channel {_spread(sent_ms)};"
        f" {lost} of {len(due) + len(probes):,} lost",
        "",
        "within 1 s",
        not lost and min(late_ms) >= 0 and max(late_ms) <= BAR_MS and counting >= waiting,
    )
    if one.viewers:
        yield Row("the same: the page's stream", str(one.page), "", "within 1 s", one.page.held())
        yield Row("the same: `GET /api/v1/at-risk`", str(one.api), "", "within 1 s", one.api.held())
    answers = ", ".join(f"`{path}` {_spread(took_ms)}" for path, took_ms in one.took_ms.items())
    cost = f"{one.cores:.2f} cores, {one.resident_mb} MB, {one.kb_s:.0f} kB/s a viewer; {answers}"
    yield Row("the same: cost", cost)


def _spread(took_ms: list[float]) -> str:
    p50, p99 = percentile(took_ms, 50), percentile(took_ms, 99)
    return f"p50 {p50:,.0f}, p99 {p99:,.0f}, max {max(took_ms):,.0f} ms"


if __name__ == "__main__":
    measure_and_print(__doc__, rows, waiting=WAITING, seconds=SECONDS)
