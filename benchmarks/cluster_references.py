"""What a worker is compared with on the same topic: plain Faust agents, and a job of Kafka Streams.

``python -m benchmarks.cluster_references BROKERS TOPIC RECORDS [table]`` is an agent, as its own process.
"""

from __future__ import annotations

import asyncio
import collections
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import faust
import msgspec
from faust.types import TP

from benchmarks.cluster_stage import PARTITIONS
from monitor.engine.events import Event
from tests.servers import kafka

if TYPE_CHECKING:
    from collections.abc import MutableMapping

STREAMS = Path(__file__).with_name("streams") / "Shops.java"
ARTIFACTS = (f"org.apache.kafka:kafka-streams:{kafka.VERSION}", kafka.LOG4J)
TICK = b'{"worker"'  # how a tick's value begins; all else is an event
ANSWER_S = 60.0  # until all changes are acknowledged
LEFT_OUT = 5  # the first fifth of a run is not counted: machines warm up


class Rate(NamedTuple):
    """Events a second by the clock, and a second of the process's processor time."""

    by_clock: float
    by_cpu: float


def naive_faust(brokers: str, topic: str, records: int, *, durable: bool = False) -> Rate:
    """As Faust's introduction writes an agent, but with raw bytes and the fastest decoder there is.

    Args:
        brokers, topic: Where the records are.
        records: How many are read.
        durable: Counts are kept in a table of Faust's, whose changes are a topic; else in memory only.
            It lasts until the broker has acknowledged the last change, which the topic is then asked for.
    """
    command = [sys.executable, "-m", "benchmarks.cluster_references", brokers, topic, str(records)]
    command += ["table"] if durable else []
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return Rate(*json.loads(done.stdout.splitlines()[-1]))


async def count(brokers: str, topic: str, records: int, *, durable: bool) -> Rate:
    """Count the first records of the topic by shop."""
    app = faust.App(
        f"{'durable' if durable else 'naive'}-{topic}",
        broker=f"kafka://{brokers}",
        store="memory://",
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        topic_allow_declare=durable,
        topic_replication_factor=1,
        web_enabled=False,
    )
    decode = msgspec.json.Decoder(Event).decode
    table = app.Table("counted", default=int, partitions=PARTITIONS) if durable else None
    counted: MutableMapping[str, int] = collections.Counter() if table is None else table
    over: asyncio.Future[Rate] = asyncio.get_running_loop().create_future()

    async def agent(stream: faust.StreamT[bytes]) -> None:
        taken, began = 0, (0.0, 0.0)
        async for value in stream:
            if not value.startswith(TICK):
                event = decode(value)
                counted[f"{event.platform}:{event.shop_id}"] += 1
            taken += 1
            if taken == records // LEFT_OUT:
                began = (time.perf_counter(), time.process_time())
            if taken == records:
                if table is not None:
                    changes = acknowledged(app, table.changelog_topic_name, sum(counted.values()))
                    await asyncio.wait_for(changes, ANSWER_S)
                wall_s, cpu_s = time.perf_counter() - began[0], time.process_time() - began[1]
                measured = records - records // LEFT_OUT
                over.set_result(Rate(measured / wall_s, measured / cpu_s))
                return

    source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    app.agent(source)(agent)
    await app.start()
    found = await over
    await app.stop()
    return found


async def acknowledged(app: faust.App, topic: str, changes: int) -> None:
    """Wait until the broker has so many changes of the table: Faust asks for each by itself."""
    places = [TP(topic, number) for number in range(PARTITIONS)]
    has = 0
    while has < changes:
        await app.producer.flush()  # gives up where nothing goes for 0.1 s
        has = sum((await app.consumer.highwaters(*places)).values())


def streams_missing() -> str:
    """Why the job of Kafka Streams cannot run here; empty: it can."""
    return (
        ""
        if shutil.which("javac")
        else "no javac: install a JDK of version 17 or newer (Debian: default-jdk-headless)"
    )


def kafka_streams(brokers: str, topic: str, events: int) -> Rate:
    """The job of ``streams/Shops.java``, to the end of the topic and with its state written."""
    jars = kafka.installed("kafka-streams", ARTIFACTS)
    with tempfile.TemporaryDirectory(prefix="slawatch-streams-") as folder:
        path = f"{jars}/*:{folder}"
        subprocess.run(["javac", "-cp", path, "-d", folder, str(STREAMS)], check=True)
        command = ["java", "-Xmx2g", "-cp", path, "Shops", brokers, topic, str(events), f"{folder}/state"]
        with Path(folder, "log").open("wb") as log:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, timeout=600, check=False)
        assert done.returncode == 0, Path(folder, "log").read_text("utf-8")[-2_000:]
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    seen = [[int(part) for part in line] for line in lines if len(line) == 3 and all(map(str.isdigit, line))]
    return rate_of([(at / 1000, cpu / 1000, taken) for at, cpu, taken in seen])


def rate_of(seen: list[tuple[float, float, float]]) -> Rate:
    """Of looks ``(seconds, processor seconds, events)``, the last of them after the state was written.

    By the clock to the last event, by processor to the end.
    """
    events = seen[-1][2]
    first = next(look for look in seen if look[2] >= events / LEFT_OUT)
    last = next(look for look in seen if look[2] >= events)
    measured = events - first[2]
    return Rate(measured / (last[0] - first[0]), measured / (seen[-1][1] - first[1]))


def main() -> None:
    brokers, topic, records, *table = sys.argv[1:]
    print(json.dumps(asyncio.run(count(brokers, topic, int(records), durable=bool(table)))))


if __name__ == "__main__":
    main()
