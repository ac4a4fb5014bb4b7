"""From an event to the POST at the channel, at a steady 2,000 events/s (design §13).

A probe is the first dispute of a shop: one event that makes a critical rule fire, with no ``for`` and
no ``group_wait``, on one of many bots so that none is near its limit. The wait for the whole second at
which rules are judged is part of it: half a second in the mean.

``python -m benchmarks.latency [--seconds S]``
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import threading
import time
from pathlib import Path

from alerting.fakes.wecom import FakeWecom
from benchmarks.daemon import Daemon, percentile, post
from benchmarks.table import Row, measure_and_print

BOTS = 40
PROBE_EVERY_S = 0.25  # 40 bots: one message on each every 10 s
BATCH = 200
RATE = 2_000
SECONDS = 60
BAR_P50_MS, BAR_P99_MS = 1_000, 2_000


def rules() -> str:
    """A rule for each bot, on the shops whose number it ends with."""
    shops = [[f"probe{n}" for n in range(bot, 4_000, BOTS)] for bot in range(BOTS)]
    return "rules:\n" + "\n".join(
        f"  - {{id: probe-{bot}, measure: intervention_rate, notify: bot{bot}, crit: {{late: '>= 1'}}, "
        f"shops: {{platform: pinduoduo, ids: [{', '.join(shops[bot])}]}}}}"
        for bot in range(BOTS)
    )


def alerting(url: str) -> str:
    """A receiver and an account for each bot; what else fires goes to the terminal."""
    lines = ["accounts:", "  screen: {type: console}"]
    lines += [f"  bot{n}: {{type: wecom_bot, key: key{n}, base_url: '{url}'}}" for n in range(BOTS)]
    lines += ["receivers:", "  screen: {accounts: [screen]}"]
    lines += [f"  bot{n}: {{accounts: [bot{n}], group_wait: 0s, group_by: [shop]}}" for n in range(BOTS)]
    return "\n".join([*lines, "default: screen"])


class Fake:
    """The fake group server in a thread; when each probe's message arrived."""

    def __init__(self) -> None:
        self.arrived_s: dict[str, float] = {}
        keys = [f"key{n}" for n in range(BOTS)]
        self._fake = FakeWecom(lambda: time.time_ns() // 1_000_000, keys, on_message=self._note)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.url = asyncio.run_coroutine_threadsafe(self._fake.start(), self._loop).result(10)

    def _note(self, message) -> None:
        at_s = time.perf_counter()
        for probe in re.findall(r"probe\d+", message.text):
            self.arrived_s.setdefault(probe, at_s)


def background(first: int) -> bytes:
    """Questions answered at once: traffic that makes no rule fire."""
    now_ms = time.time_ns() // 1_000_000
    lines = []
    for n in range(first, first + BATCH):
        customer = n % 2 == 0
        lines.append(
            {
                "type": "message",
                "id": str(n),
                "at": now_ms + n % 2,
                "platform": "pinduoduo",
                "shop_id": f"s{n // 2 % 200}",
                "conversation_id": f"c{n // 2}",
                "customer_id": f"u{n // 2}",
                "actor": "customer" if customer else "agent",
                "agent_id": "" if customer else "a1",
            }
        )
    return "\n".join(map(json.dumps, lines)).encode()


def probe(shop: str) -> list[bytes]:
    """An order of a shop, and the first dispute about it."""
    common = {"platform": "pinduoduo", "shop_id": shop, "order_id": "o1", "at": time.time_ns() // 1_000_000}
    order = {**common, "type": "order", "id": "1", "action": "paid"}
    dispute = {**common, "type": "dispute", "id": "2", "dispute_id": "d1", "action": "opened"}
    return [json.dumps(order).encode(), json.dumps(dispute).encode()]


def measure(seconds: int, settings: str = "") -> dict[str, float]:
    """One run against a fresh daemon; ``settings``: more of its slawatch.yaml."""
    fake, sent_s = Fake(), dict[str, float]()
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder), alerting(fake.url), rules())
        with (daemon.folder / "slawatch.yaml").open("a") as file:
            file.write(settings)
        with daemon.running():
            stop = threading.Event()
            load = threading.Thread(target=_load, args=(daemon, stop))
            load.start()
            time.sleep(2)
            connection, before_mb = daemon.connect(), daemon.resident_mb()
            for n in range(int(seconds / PROBE_EVERY_S)):
                sent_s[f"probe{n}"] = time.perf_counter()
                status, answer = post(connection, "/api/v1/events", b"\n".join(probe(f"probe{n}")))
                assert (status, answer["accepted"]) == (202, 2), answer
                # at every moment of a second alike: 0.25 s and a prime part of it
                time.sleep(max(0.0, sent_s[f"probe{n}"] + PROBE_EVERY_S * 1.037 - time.perf_counter()))
            end = time.monotonic() + 30
            while len(fake.arrived_s) < len(sent_s) and time.monotonic() < end:
                time.sleep(0.05)
            stop.set()
            load.join()
            grown_mb = daemon.resident_mb() - before_mb
    took_ms = [
        (fake.arrived_s[name] - at_s) * 1000 for name, at_s in sent_s.items() if name in fake.arrived_s
    ]
    return {
        "probes": len(sent_s),
        "lost": len(sent_s) - len(took_ms),
        "p50_ms": round(percentile(took_ms, 50)),
        "p99_ms": round(percentile(took_ms, 99)),
        "max_ms": round(max(took_ms)),
        "grown_mb": grown_mb,
    }


def _load(daemon: Daemon, stop: threading.Event) -> None:
    connection, began_s, sent = daemon.connect(), time.perf_counter(), 0
    while not stop.is_set():
        status, _ = post(connection, "/api/v1/events", background(sent))
        assert status == 202
        sent += BATCH
        time.sleep(max(0.0, began_s + sent / RATE - time.perf_counter()))


def rows(seconds: int = SECONDS) -> list[Row]:
    """One run."""
    run = measure(seconds)
    held = not run["lost"] and run["p50_ms"] <= BAR_P50_MS and run["p99_ms"] <= BAR_P99_MS
    return [
        Row(
            f"event to the POST at the channel, {RATE:,} events/s, {seconds} s",
            f"p50 {run['p50_ms']} ms, p99 {run['p99_ms']} ms, max {run['max_ms']} ms,"
            f" {run['lost']} of {run['probes']} lost",
            "",
            f"p50 ≤ {BAR_P50_MS:,} ms, p99 ≤ {BAR_P99_MS:,} ms",
            held,
        )
    ]


if __name__ == "__main__":
    measure_and_print(__doc__, rows, seconds=SECONDS)
