"""The sender where something fails in the middle of its turn: nothing is left behind and nothing doubled."""

import asyncio
import contextlib
import re

import pytest

from alerting.channels.console import Console
from alerting.errors import StoreBusy, StoreFull
from alerting.sender import Sender
from monitor.runtime.clock import ManualClock
from tests.alerting.people import People
from tests.alerting.worlds import HOUR, SECOND, T0, Process, play, policy
from tests.waiting import PATIENCE_S


def failing(error):
    """A call of the store that raises."""

    def call(*_, **__):
        raise error

    return call


def once(error, call):
    """A call of the store that raises at first."""
    errors = [error]

    def called(*given, **named):
        if errors:
            raise errors.pop()
        return call(*given, **named)

    return called


def full(transaction):
    """A disk that takes nothing: every transaction fails at its commit."""

    @contextlib.contextmanager
    def refused():
        with transaction() as run:
            yield run
            raise StoreFull("full")

    return refused


async def turns(w, count):
    for _ in range(count):
        with pytest.raises(StoreFull):
            await w.sender.turn("bot")
        w.now += 5 * SECOND


def test_with_the_disk_full_every_critical_alert_that_is_due_leaves(tmp_path):
    async def scene(w):
        w.commit(*(w.shard(0, severity="crit", rule=f"r{n}", shop=f"x{n}") for n in range(3)))
        w.store.begin = failing(StoreFull("full"))
        await turns(w, 3)
        assert sorted(re.findall(r"x\d", "".join(w.wecom.texts()))) == ["x0", "x1", "x2"]

    play(tmp_path, scene)


def test_with_the_disk_full_an_alert_that_has_expired_keeps_no_other_back(tmp_path):
    async def scene(w):
        await w.run_to(0)
        w.commit(w.shard(0, severity="crit", shop="x1"))
        w.now += 25 * HOUR
        w.commit(w.shard(25 * 3600, severity="crit", shop="x2"))
        w.store._db.transaction = full(w.store._db.transaction)
        await turns(w, 2)
        (text,) = w.wecom.texts()
        assert "x2" in text
        assert "未记录" in text

    play(tmp_path, scene)


def test_that_an_account_is_refused_is_told_though_the_store_was_busy_as_it_was_written(tmp_path):
    async def scene(w):
        w.wecom.keys = ()
        w.store.add_input = once(StoreBusy("busy"), w.store.add_input)
        w.commit(w.shard(0, severity="crit"))
        with pytest.raises(StoreBusy):
            await w.sender.turn("bot")
        await w.run_to(30)
        assert "【严重】通知通道 bot：通知通道不可用" in w.written[0]

    play(tmp_path, scene, receivers=policy().receivers, self_receiver="both")


def test_a_message_leaves_under_a_lease_that_outlives_it(tmp_path):
    async def scene(w):
        bot, due = w.sender.lines["bot"].channel, w.store.due
        other = Sender(w.store, w.channels(), w.policy, People(), w, owner="two")

        def slowly(*given):
            w.now += 29 * SECOND
            return due(*given)

        async def deliver(payload):
            w.now += 5 * SECOND
            w.store.due = due
            await other.turn("bot")
            return await type(bot).deliver(bot, payload)

        w.commit(w.shard(0, severity="crit"))
        w.store.due, bot.deliver = slowly, deliver
        await w.sender.turn("bot")
        assert len(w.wecom.inbox) == 1

    play(tmp_path, scene)


class Gate(Console):
    """A provider that answers once it is let."""

    def __init__(self):
        super().__init__(lambda _text: None)
        self.sent, self.asked, self.answers = [], asyncio.Event(), asyncio.Event()

    async def deliver(self, payload):
        self.sent.append(payload)
        self.asked.set()
        await self.answers.wait()
        return await super().deliver(payload)


class Loop(Process):
    """A sender's own loop over two providers that answer once they are let."""

    async def __aenter__(self):
        self.clock, self.ways = ManualClock(T0), {"bot": Gate(), "hook": Gate()}
        self.errors = []
        self.open()
        self.sender = Sender(
            self.store, self.ways, self.policy, People(), self.clock, owner="one",
            on_error=lambda account, error: self.errors.append((account, str(error))),
        )  # fmt: skip
        self.running = asyncio.create_task(self.sender.run())
        await self.clock.all_wait(2)
        return self

    async def __aexit__(self, *_):
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.store.close()

    def channels(self):
        return {}

    def tell(self, *transitions):
        self.commit(*transitions)
        self.sender.wake()

    def deliveries(self):
        return self.store._db.read("select state, again from delivery order by id")


def loop(tmp_path, scene):
    async def main():
        async with Loop(tmp_path / "store.db", policy()) as made:
            await scene(made)

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


def test_an_account_that_cannot_be_let_go_cuts_off_no_other_that_is_sending(tmp_path):
    async def scene(it):
        it.tell(it.shard(0, severity="crit"))
        await it.ways["bot"].asked.wait()
        lease = it.store.lease
        it.store.lease = failing(StoreBusy("busy"))
        it.sender.finish()
        for _ in range(20):  # the other one ends, for all that it does
            await asyncio.sleep(0)
        it.store.lease = lease
        it.ways["bot"].answers.set()
        await it.running
        assert it.deliveries() == [("accepted", 0)]

    loop(tmp_path, scene)


def test_an_account_that_comes_back_while_it_still_sends_sends_nothing_twice(tmp_path):
    async def scene(it):
        it.tell(it.shard(0, severity="crit"))
        bot = it.ways["bot"]
        await bot.asked.wait()
        it.sender.use(it.policy, {}, {"hook": it.ways["hook"]})
        await asyncio.sleep(0)
        it.sender.use(it.policy, {}, it.ways)
        for _ in range(20):
            await asyncio.sleep(0)
        bot.answers.set()
        await it.clock.all_wait(2)
        assert it.deliveries() == [("accepted", 0)]
        assert len(bot.sent) == 1
        assert it.store._db.read("select lease_until_ms > ? from account where name = 'bot'", T0) == [(1,)]

    loop(tmp_path, scene)


def test_an_error_in_a_channel_that_nobody_thought_of_loses_no_alert(tmp_path):
    async def scene(it):
        bot, deliver = it.ways["bot"], it.ways["bot"].deliver

        async def broken(payload):
            bot.deliver = deliver
            raise RuntimeError("not thought of")

        bot.deliver = broken
        bot.answers.set()
        it.tell(it.shard(0, severity="crit"))
        for at_s in range(1, 4):
            it.clock.move_to(T0 + at_s * SECOND)
            for _ in range(20):
                await asyncio.sleep(0)
        assert it.errors == [("bot", "not thought of")]
        assert [state for state, _ in it.deliveries()] == ["ambiguous", "accepted"]

    loop(tmp_path, scene)


def test_what_was_answered_as_it_ended_is_written_down_though_the_store_was_busy(tmp_path):
    async def scene(it):
        it.tell(it.shard(0, severity="crit"))
        await it.ways["bot"].asked.wait()
        it.store.finish = once(StoreBusy("busy"), it.store.finish)
        it.sender.finish()
        it.ways["bot"].answers.set()
        for at_s in range(1, 4):
            for _ in range(20):
                await asyncio.sleep(0)
            it.clock.move_to(T0 + at_s * SECOND)
        await it.running
        assert it.deliveries() == [("accepted", 0)]

    loop(tmp_path, scene)


def test_what_is_told_unrecorded_waits_for_no_other_account(tmp_path):
    async def scene(it):
        bot, hook = it.ways["bot"], it.ways["hook"]
        telling = asyncio.create_task(
            it.sender.tell_unrecorded([it.shard(0, severity="crit", notify="both")])
        )
        await bot.asked.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert hook.asked.is_set()
        for way in (bot, hook):
            way.answers.set()
        assert await telling == 2

    loop(tmp_path, scene)


def test_a_fault_of_one_account_keeps_no_other_from_telling_unrecorded(tmp_path):
    async def scene(it):
        async def broken(_payload):
            raise RuntimeError("not thought of")

        it.ways["bot"].deliver = broken
        it.ways["hook"].answers.set()
        assert await it.sender.tell_unrecorded([it.shard(0, severity="crit", notify="both")]) == 1
        assert it.errors == [("bot", "not thought of")]

    loop(tmp_path, scene)
