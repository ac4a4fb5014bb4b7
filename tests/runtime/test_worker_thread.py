"""The thread of a connection to the store: what is asked waits for one write, not for all of them."""

import asyncio
import threading

from alerting.errors import StoreBusy
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
