"""One daemon, and a cluster of a worker and a desk, behind the same few words."""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing
from itertools import groupby
from typing import Any
from urllib.parse import quote

from kafka import KafkaProducer

from tests.cluster.workers import Desk, begin
from tests.runtime.live import Live
from tests.servers.wecom import Wecom
from tests.waiting import PATIENCE_S, eventually


class Driver:
    """What a user sees of it. ``judge`` is the process that judges, ``front`` the one that is asked."""

    judge: Live
    front: Live

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.wecom = self._stack.enter_context(Wecom())

    def close(self) -> None:
        """Leave no process behind."""
        self._stack.close()

    def send(self, *events: dict) -> None:
        """Events, in this order, durable when this returns."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether all is judged in time."""
        try:
            return self.judge.get("/readyz")["status"] == "ready"
        except OSError:
            return False

    def told(self, shop: str) -> list[str]:
        """The messages that name a shop."""
        return [text for text in self.wecom.fake.texts() if f"mall:{shop}" in text]

    def alerts(self, shop: str) -> list[dict[str, Any]]:
        """Open alerts of a shop."""
        found = self.front.get("/api/v1/alerts")["alerts"]
        return [alert for alert in found if alert["subject"].get("shop") == f"mall:{shop}"]

    def acknowledge(self, alert: dict[str, Any]) -> int:
        """Acknowledge an alert; the status."""
        return self.front._ask("POST", f"/api/v1/alerts/{quote(alert['id'])}/ack")[0]

    def apply(self, rules: str) -> tuple[int, dict[str, Any]]:
        """Put rules in force; status and answer."""
        (self.front.folder / "rules" / "rules.yaml").write_text(rules, "utf-8")
        return self.front._ask("POST", "/api/v1/rules/apply")

    def refused(self) -> int:
        """How many events were refused."""
        return len(self._letters())

    def _letters(self) -> list[dict[str, Any]]:
        from monitor.sinks.dead_letters import DeadLetters

        letters = DeadLetters(self.judge.folder / "data" / "dead_letters.db")
        try:
            return list(letters.list())
        finally:
            letters.close()

    def in_flight(self) -> int:
        """Messages that a kill of what judges would leave in doubt."""
        return 0

    def kill(self) -> None:
        """Kill -9 what judges, while no message is in flight, and start it again."""
        eventually(lambda: not self.in_flight(), what="the last message's being noted")
        self.judge.kill()
        self.judge.start()
        eventually(self.ready, what="ready again")


class Embedded(Driver):
    """``slawatch run``, events over HTTP."""

    def __init__(self, folder: Any) -> None:
        super().__init__()
        folder.mkdir()
        self.judge = self.front = self._stack.enter_context(Live(folder, self.wecom.url))
        self.judge.start()
        eventually(self.ready, what="the daemon ready")

    def send(self, *events: dict) -> None:
        """By one request."""
        assert self.judge.post(list(events))[0] == 202

    def in_flight(self) -> int:
        """Of its own sender."""
        store = self.judge.folder / "data" / "store.db"
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=PATIENCE_S)) as db:
            return int(db.execute("select count(*) from intent where state = 'sending'").fetchone()[0])


class Cluster(Driver):
    """``slawatch worker`` and ``slawatch desk``, events by way of Kafka."""

    def __init__(self, folder: Any, kafka: str, database: str, topic: str) -> None:
        super().__init__()
        folder.mkdir()
        (worker,) = begin(folder, kafka, database, topic, 1, session_timeout="6s")
        desk = Desk(folder / "desk", kafka, database, topic, self.wecom.url)
        from tests.runtime.live import RULES

        for one in (worker, desk):
            one._write("rules/rules.yaml", RULES)
        self.judge, self.front, self._topic = worker, desk, topic
        self._producer = KafkaProducer(bootstrap_servers=kafka)
        self._stack.callback(self._producer.close)
        for one in (worker, desk):
            self._stack.enter_context(one)
            one.start()
        eventually(self.ready, what="the worker ready")

    def send(self, *events: dict) -> None:
        """What is of one shop as one record: no time passes in between."""
        for shop, of_shop in groupby(events, key=lambda event: event["shop_id"]):
            value = json.dumps(list(of_shop)).encode()
            self._producer.send(self._topic, key=f"mall:{shop}".encode(), value=value).get(PATIENCE_S)
