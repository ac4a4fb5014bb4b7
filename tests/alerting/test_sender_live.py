"""The sender's own loop: woken, waiting for its time, surviving a store that fails for a while."""

import asyncio

import httpx
from pydantic import SecretStr

from alerting.channels.wecom_bot import WecomBot
from alerting.desk import Desk
from alerting.errors import StoreFull
from alerting.fakes.wecom import FakeWecom
from alerting.sender import Sender
from monitor.runtime.clock import ManualClock
from monitor.store.sqlite import SqliteStore
from tests.alerting.people import People
from tests.alerting.worlds import SECOND, T0, Shard, policy
from tests.waiting import PATIENCE_S


class Counts:
    def __init__(self) -> None:
        self.seen = []
        self.failed = asyncio.Event()

    def count(self, name, n=1, **labels):
        self.seen.append((name, labels))
        if name == "sender_store_errors":
            self.failed.set()

    def delivered(self, delivery, account, result, alerts, took_ms):
        self.seen.append(("deliveries", {"account": account, "kind": result}))
        self.seen += [(one_ms, account) for one_ms in took_ms]

    def error(self, account, error):
        self.seen.append((account, str(error)))
        self.failed.set()


def play(tmp_path, scene):
    async def main():
        clock, shard = ManualClock(T0), Shard()
        wecom = FakeWecom(clock.now_ms)
        url = await wecom.start()
        store = SqliteStore(tmp_path / "store.db")
        epoch, cursor = store.take_desk()
        desk = Desk(policy(), (), cursor)
        lease = store.take(0)
        results = asyncio.Event()
        metrics = Counts()

        def tell(*transitions):
            store.commit_step(0, lease.epoch, transitions[-1].position, transitions)
            store.commit_desk(epoch, desk.fold(transitions), desk.cursor)
            sender.wake()

        async with httpx.AsyncClient(trust_env=False) as client:
            bot = WecomBot(client, SecretStr("test-key"), base_url=url)
            sender = Sender(
                store,
                {"bot": bot},
                policy(),
                People(),
                clock,
                on_result=results.set,
                metrics=metrics,
                on_error=metrics.error,
            )
            running = asyncio.create_task(sender.run())
            try:
                await scene(wecom, store, shard, tell, clock, results, metrics)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await wecom.close()
                store.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


def test_it_sends_when_woken_and_when_the_time_has_come(tmp_path):
    async def scene(wecom, store, shard, tell, clock, results, metrics):
        await clock.all_wait(1)
        tell(shard(0, severity="crit"), shard(0, shop="s2"))
        await results.wait()
        assert len(wecom.inbox) == 1
        results.clear()
        await clock.all_wait(1)
        clock.move_to(T0 + 30 * SECOND)
        await results.wait()
        assert [seen.at_ms for seen in wecom.inbox] == [T0, T0 + 30 * SECOND]
        accepted = ("deliveries", {"account": "bot", "kind": "ok"})
        assert metrics.seen == [accepted, (0, "bot"), accepted, (30_000, "bot")]

    play(tmp_path, scene)


def test_it_goes_on_after_the_store_has_room_again(tmp_path):
    async def scene(wecom, store, shard, tell, clock, results, metrics):
        await clock.all_wait(1)
        finish, store.finish = store.finish, lambda *_, **__: (_ for _ in ()).throw(StoreFull("full"))
        tell(shard(0, severity="crit"))
        await metrics.failed.wait()
        store.finish = finish
        await clock.all_wait(1)
        clock.move_to(T0 + SECOND)
        await results.wait()
        assert len(wecom.inbox) == 1
        assert store.due("bot", T0 + SECOND, 9) == []

    play(tmp_path, scene)


def test_an_error_nobody_thought_of_is_told_and_the_account_goes_on(tmp_path):
    async def scene(wecom, store, shard, tell, clock, results, metrics):
        await clock.all_wait(1)
        due, store.due = store.due, lambda *_: [] + None
        tell(shard(0, severity="crit"))
        await metrics.failed.wait()
        assert metrics.seen[0][0] == "bot"
        store.due = due
        await clock.all_wait(1)
        clock.move_to(T0 + SECOND)
        await results.wait()
        assert len(wecom.inbox) == 1

    play(tmp_path, scene)
