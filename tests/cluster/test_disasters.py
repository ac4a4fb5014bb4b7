"""A database or a topic that is not the one that was: what a worker does then, and what it says."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient, TopicPartition

from monitor.engine.state import FORMAT
from monitor.runtime import limits
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.topic_watch import require_same
from monitor.runtime.cluster.topics import see
from monitor.runtime.plan_book import BEGAN, PlanBook
from monitor.store.sqlite import SqliteStore
from rules.rule import RuleSet
from tests.cluster.inside import caught_up, folded, make_topic, plan, send, working
from tests.waiting import until

pytestmark = pytest.mark.live


def folder_of(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name


def with_rule(folder, name):
    """The plan of the live tests and one more rule."""
    first = plan(folder)
    rules = {**first.rules.rules, name: replace(first.rules.rules["a-miss"], id=name)}
    return replace(first, rules=RuleSet(rules))


async def put_in_force(it, folder, the_plan):
    """From elsewhere, as a desk does it, until every shard decides by it; its name."""
    elsewhere = SqliteStore(folder / "store.db")
    name = PlanBook().apply(elsewhere, the_plan)
    elsewhere.close()
    await until(lambda: {one.state.plan_name for one in it.owner.held.values()} == {name}, what=name)
    return name


def test_on_an_empty_database_all_is_folded_anew_though_rules_had_changed(settings, tmp_path):
    """The log names rules that only the lost database had: they are passed over, that is said, and rules go
    on to change."""
    lost, empty = folder_of(tmp_path, "lost"), folder_of(tmp_path, "empty")

    async def scene():
        async with working(settings, lost) as it:
            await until(lambda: caught_up(it))
            for n, name in enumerate(("one", "two")):
                await asyncio.to_thread(send, settings, 300 * n, 300)
                assert (await put_in_force(it, lost, with_rule(lost, name))).startswith(f"00000{n + 2}-")
            await until(lambda: sum(folded(it).values()) == 600)
        async with working(settings, empty) as it:
            await until(lambda: sum(folded(it).values()) == 600 and caught_up(it), what="all folded anew")
            assert it.parts.health.problems == {}
            assert "`slawatch rules apply`" in it.parts.health.notices["lost plan"].en
            again = await put_in_force(it, empty, with_rule(empty, "two"))
            assert again > "000003-", "above what the log names"
        async with working(settings, empty) as it:
            await until(lambda: caught_up(it))
            assert {one.state.plan_name for one in it.owner.held.values()} == {again}

    asyncio.run(scene())


def test_on_a_copy_older_than_a_change_of_rules_those_of_the_copy_go_on(settings, tmp_path):
    folder, copy = folder_of(tmp_path, "of now"), folder_of(tmp_path, "copy")

    async def scene():
        async with working(settings, folder) as it:
            await until(lambda: caught_up(it))
            await asyncio.to_thread(send, settings, 0, 300)
            await until(lambda: sum(folded(it).values()) == 300)
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        async with working(settings, folder) as it:
            await until(lambda: caught_up(it))
            await put_in_force(it, folder, with_rule(folder, "later"))
        async with working(settings, copy) as it:
            await until(lambda: caught_up(it) and len({*names(it)}) == 1, what="all on one plan")
            assert "lost plan" in it.parts.health.notices
            assert it.parts.health.problems == {}
            await until(
                lambda: names(it)[0].startswith("000003-"), what="that of the copy, above the lost one"
            )
            same = await put_in_force(it, copy, with_rule(copy, "later"))
            assert same.startswith("000004-"), "the lost one is lost for good: what was folded stays so"

    asyncio.run(scene())


def test_state_of_another_version_on_a_log_whose_beginning_expired_begins_under_the_rules_in_force(
    settings, tmp_path
):
    """And not under those of the day on which the topic was made."""

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            name = await put_in_force(it, tmp_path, with_rule(tmp_path, "later"))
        admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
        admin.delete_records({TopicPartition(settings.topic, p): -1 for p in range(3)})
        admin.close()
        await asyncio.to_thread(send, settings, 0, 300)
        with closing(sqlite3.connect(tmp_path / "store.db")) as store:
            older = msgspec.msgpack.encode([FORMAT - 1])
            store.execute("update shard_state set data = ? where part = 'mark'", (older,))
            store.commit()
        begun = []

        class Noted(SqliteStore):
            def put_meta(self, key, value):
                begun.append((key, value))
                super().put_meta(key, value)

        async with working(settings, tmp_path, make_store=Noted) as it:
            await until(lambda: sum(folded(it).values()) == 300 and caught_up(it), what="all that is kept")
            assert it.parts.health.problems == {}
        assert {begun.count((BEGAN.format(p), name.encode())) for p in range(3)} == {1}

    asyncio.run(scene())


def names(it):
    return [one.state.plan_name for one in it.owner.held.values()]


def test_partitions_made_while_a_worker_restarts_are_taken(settings, tmp_path, monkeypatch):
    """Under its name it is given what it had, without a look at the topic."""
    monkeypatch.setattr(limits, "TOPIC_LOOK_S", 0.5)
    named = settings.model_copy(update={"instance": "w-0", "session_timeout": 60_000})

    async def scene():
        async with working(named, tmp_path) as it:
            await until(lambda: caught_up(it))
        admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
        admin.create_partitions({settings.topic: 5})
        admin.close()
        async with working(named, tmp_path) as it:
            await until(lambda: caught_up(it, 5), what="all five held")

    asyncio.run(scene())


def test_another_topic_under_the_name_is_let_go_of_while_a_worker_runs(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "TOPIC_LOOK_S", 0.3)

    async def scene():
        async with working(settings, tmp_path) as it:
            health = it.parts.health
            await until(lambda: caught_up(it) and health.failures == {})
            await it.parts.thread.run(require_same, it.parts.store, settings.topic, see_id(settings))
            admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
            admin.delete_topics([settings.topic])
            await until(lambda: "it is gone; see the brokers" in health.problems.get("topic", ""))
            admin.close()
            await asyncio.to_thread(make_topic, settings)
            await until(lambda: "another or made anew; name that one" in health.problems.get("topic", ""))
            assert it.owner.held == {}

    asyncio.run(scene())


def see_id(settings):
    return see(link_of(settings, Path()), settings).identity
