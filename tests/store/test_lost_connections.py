"""Shard, desk and sender on a network that drops connections anywhere: before a statement, or its answer."""

import asyncio
import json
import random

import psycopg
import pytest

from alerting.channels.base import DeliveryResult
from alerting.desk import Desk
from alerting.errors import StoreDown
from alerting.policy.rulings import Policy, Receiver
from alerting.policy.throttle import Allowance
from alerting.sender import Sender
from monitor.store import postgres_database
from monitor.store.postgres import PostgresStore
from rules.transition import Transition
from tests.alerting.people import People

T0 = 1_795_399_200_000
ALERTS = 150
POLICY = Policy({"m": Receiver("m", ("bot",))}, "m")


class Network:
    """Connections that are lost by chance; ``lost`` counts how often what was being said got there or not."""

    def __init__(self, seed):
        self.chance, self.connect, self.rate = random.Random(seed), postgres_database.Patient.connect, 0.0
        self.lost = {"before": 0, "after": 0}

    def __call__(self, *given, **options):
        return Link(self.connect(*given, **options), self)


class Link:
    """One of them."""

    def __init__(self, connection, network):
        self._connection, self._network = connection, network

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, *given, **options):
        network = self._network
        if network.chance.random() >= network.rate:
            return self._connection.execute(*given, **options)
        when = network.chance.choice(("before", "after"))
        network.lost[when] += 1
        if when == "after":
            self._connection.execute(*given, **options)
        self._connection.close()
        raise psycopg.OperationalError("the network is gone")


class Inbox:
    """A channel that takes all."""

    allowance, limit_bytes, markup = Allowance(10**6, 61_000, 0), 4096, "text"

    def __init__(self):
        self.messages = []

    def payload(self, message):
        return json.dumps([[alert["subject"]["shop"] for alert in message.alerts], message.again]).encode()

    async def deliver(self, payload):
        self.messages.append(json.loads(payload))
        return DeliveryResult("ok")


class World:
    """A shard, a desk and a sender, each with a connection of its own, and a clock."""

    def __init__(self, address):
        self.now, self.inbox = T0, Inbox()
        self.shard, self.desk_store, self.store = (PostgresStore(address, name) for name in "abc")
        self.epoch = self.shard.take(0).epoch
        self.desk_epoch, cursor = self.desk_store.take_desk()
        self.desk = Desk(POLICY, self.desk_store.desk_rows(), cursor)
        self.sender = Sender(self.store, {"bot": self.inbox}, POLICY, People(), self)

    def now_ms(self):
        return self.now

    def fire(self, position):
        alert = Transition(
            self.now, "r", {"shop": f"p:{position}"}, "ok", "firing", "crit", "crit", "x", position=position
        )
        until_stored(lambda: self.shard.commit_step(0, self.epoch, position, [alert]))

    def fold(self):
        store, cursor = self.desk_store, self.desk.cursor
        news = until_stored(lambda: [*store.transitions_after(cursor), *store.inputs_after(cursor.inputs)])
        if news:
            changes = self.desk.fold(news)
            until_stored(lambda: store.commit_desk(self.desk_epoch, changes, self.desk.cursor))

    async def send(self):
        until_ms = self.now
        while until_ms <= self.now:
            try:
                until_ms = await self.sender.turn("bot")
            except StoreDown:
                until_ms = self.now

    def close(self):
        for store in (self.shard, self.desk_store, self.store):
            store.close()


def until_stored(call):
    """As the runtime does it."""
    while True:
        try:
            return call()
        except StoreDown:
            continue


@pytest.fixture
def address(postgres_server):
    return postgres_server.new_database()


@pytest.fixture
def network(address, monkeypatch):
    made = Network(seed=11)
    monkeypatch.setattr(postgres_database.Patient, "connect", made)
    monkeypatch.setattr(postgres_database, "FIRST_PAUSE_S", 0.0)
    return made


@pytest.fixture
def world(network, address):
    made = World(address)
    yield made
    network.rate = 0.0
    made.close()


def test_each_alert_is_told_once_and_none_is_marked_as_a_repeat(network, world):
    """Two in a hundred statements are lost, or their answers; the server is asked what became of commits."""
    network.rate = 0.02

    async def live():
        for position in range(ALERTS):
            world.fire(position)
            world.fold()
            world.now += 5_000
            await world.send()
        world.fold()

    asyncio.run(live())
    network.rate = 0.0
    assert min(network.lost.values()) > ALERTS / 10
    assert [message for message in world.inbox.messages if message[1]] == []
    told = sorted(shop for shops, _ in world.inbox.messages for shop in shops)
    assert told == sorted(f"p:{position}" for position in range(ALERTS))
    results = [item for _, item in world.store.inputs_after(0) if getattr(item, "delivery", 0)]
    assert sum(len(item.intents) for item in results) == ALERTS
    assert world.desk_store.take_desk()[1] == world.desk.cursor


def test_a_sender_that_finishes_lets_go_of_its_account(world):
    world.fire(0)
    world.fold()

    async def live():
        await world.sender.turn("bot")
        assert not world.shard.lease("bot", "another", world.now, world.now + 1)
        world.sender.finish()
        await world.sender.run()

    asyncio.run(live())
    assert world.shard.lease("bot", "another", world.now, world.now + 1)


def test_a_delivery_whose_beginning_is_not_known_is_recovered_and_sent_once_marked(world, monkeypatch):
    """The server took the commit, and could not be asked: nothing was sent, and nothing stays in flight."""
    world.fire(0)
    world.fold()
    world.now += 5_000
    asyncio.run(world.sender.turn("bot"))
    world.inbox.messages.clear()
    world.fire(1)
    world.fold()
    world.now += 5_000
    begin = postgres_database._begin
    first = [True]

    def unsure(*_given):
        raise StoreDown("lost in the middle of a commit")

    class Late(Link):
        def execute(self, query, *values, **options):
            if query != "commit":
                return self._connection.execute(query, *values, **options)
            self._connection.execute(query)
            self._connection.close()
            raise psycopg.OperationalError("the network is gone")

    def begin_once(connection):
        connection, number = begin(connection)
        late = first.pop() if first else False
        return Late(connection, None) if late else connection, number

    with monkeypatch.context() as patch:
        patch.setattr(postgres_database, "_begin", begin_once)
        patch.setattr(postgres_database.PostgresDatabase, "_state_of", unsure)
        with pytest.raises(StoreDown):
            asyncio.run(world.sender.turn("bot"))
    assert world.inbox.messages == []
    asyncio.run(world.send())
    assert world.inbox.messages == [[["p:1"], True]]
