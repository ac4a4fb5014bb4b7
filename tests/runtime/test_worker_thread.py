"""The thread of a connection to the store: what is asked waits for one write, not for all of them."""

import asyncio
import threading

import pytest

from alerting.errors import StoreBusy, StoreDown
from monitor.runtime import limits
from monitor.runtime.health import Health
from monitor.runtime.worker_thread import StoreThread
from tests.waiting import until


def test_what_is_asked_slips_between_two_writes():
    """Each shard of a worker may have a step to store: a call of the roll must not wait for them all."""
    thread, gate, order = StoreThread("store", Health()), threading.Event(), []

    def write(name):
        gate.wait()
        order.append(name)

    async def scene():
        writes = [asyncio.create_task(thread.until_stored(lambda n=n: write(n))) for n in range(3)]
        await asyncio.sleep(0)
        question = asyncio.create_task(thread.run(order.append, "question"))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(question, *writes)

    asyncio.run(scene())
    thread.close()
    assert order == [0, "question", 1, 2]


def test_a_write_that_is_given_up_does_not_say_that_the_store_is_back():
    health = Health()
    thread = StoreThread("store", health)

    def refuse():
        raise StoreBusy("another process holds it")

    async def scene():
        write = asyncio.create_task(thread.until_stored(refuse))
        await until(lambda: health.problems)
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)

    asyncio.run(scene())
    thread.close()
    assert list(health.problems) == ["store"]


@pytest.mark.parametrize("unrecorded_s", [0.0, 60.0])
def test_only_what_the_store_refuses_for_long_is_told_without_a_record(monkeypatch, unrecorded_s):
    """It comes once more later: not for one connection that is lost, and taken up again at once."""
    monkeypatch.setattr(limits, "RESTART_PAUSE_S", 0.001)
    monkeypatch.setattr(limits, "UNRECORDED_S", unrecorded_s)
    health, tries, told = Health(), [], []
    thread = StoreThread("store", health)

    def write():
        tries.append("try")
        if len(tries) < 3:
            raise StoreDown("lost before a commit; nothing was written")

    async def tell():
        told.append("told")

    asyncio.run(thread.until_stored(write, tell))
    thread.close()
    assert (len(tries), len(told)) == (3, 0 if unrecorded_s else 2)
    assert not health.problems
