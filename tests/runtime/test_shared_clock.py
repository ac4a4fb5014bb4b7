"""The database's clock on a machine whose own is another: looked at, carried on, told."""

import asyncio

import pytest

from alerting.errors import StoreBusy
from alerting.ports import InPlace
from monitor.runtime import limits
from monitor.runtime.health import Health
from monitor.runtime.shared_clock import NOTICE, SharedClock, shared_clock

T0 = 1_795_399_200_000


class Machine:
    """The world's time, a machine that is ``apart_ms`` off, and a database to which the way takes a while."""

    def __init__(self, apart_ms=0, there_ms=0, back_ms=0):
        self.now, self.apart_ms, self.there_ms, self.back_ms = T0, apart_ms, there_ms, back_ms
        self.down, self.off_ms = False, 0
        self.health = Health()
        self.clock = SharedClock(
            self, InPlace(), self.health, lambda: self.now - 77_000, lambda: self.now + self.apart_ms
        )

    def now_ms(self):
        """The database's."""
        if self.down:
            raise StoreBusy("down")
        self.now += self.there_ms
        told_ms = self.now + self.off_ms
        self.now += self.back_ms
        return told_ms

    def look(self):
        asyncio.run(self.clock.look())

    @property
    def wrong_ms(self):
        return self.clock.now_ms() - self.now


def test_until_it_is_looked_at_the_machines_own_clock_counts():
    assert Machine(apart_ms=5_000).wrong_ms == 5_000


@pytest.mark.parametrize("apart_ms", [-300_000, -30_000, 0, 30_000, 300_000])
def test_afterwards_it_is_the_databases_wherever_the_machine_stands(apart_ms):
    machine = Machine(apart_ms)
    machine.look()
    assert machine.wrong_ms == 0
    machine.now += 3_600_000
    machine.apart_ms += 86_400_000  # set by hand
    assert machine.wrong_ms == 0


@pytest.mark.parametrize(("there_ms", "back_ms"), [(100, 100), (200, 0), (0, 200)])
def test_it_is_wrong_by_half_of_the_way_at_most(there_ms, back_ms):
    machine = Machine(9_000, there_ms, back_ms)
    machine.look()
    assert abs(machine.wrong_ms) <= 100


def test_what_a_slow_look_says_is_dropped_once_a_better_one_is_known():
    machine = Machine(0)
    machine.look()
    machine.there_ms = 2 * limits.CLOCK_LOOK_MS_MAX + 2
    machine.look()
    assert machine.wrong_ms == 0
    slow = Machine(60_000, there_ms=3_000)
    slow.look()  # better than a minute
    assert abs(slow.wrong_ms) <= 1_500


def test_it_does_not_tremble_within_what_a_look_can_tell():
    machine = Machine(0, 10, 10)
    machine.look()
    machine.there_ms, machine.back_ms = 20, 0
    machine.look()
    assert machine.wrong_ms == 0


def test_a_database_that_moved_to_another_machine_is_followed():
    machine = Machine()
    machine.look()
    machine.off_ms = -4_000
    machine.look()
    assert machine.wrong_ms == -4_000


def test_while_the_database_is_down_time_goes_on():
    async def scene():
        machine = Machine(30_000)
        machine.down = True
        clock = await shared_clock(machine, InPlace(), machine.health)
        assert clock.now_ms() > 0
        await_look = Machine(30_000)
        await await_look.clock.look()
        await_look.down = True
        with pytest.raises(StoreBusy):
            await await_look.clock.look()
        await_look.now += 60_000
        assert await_look.wrong_ms == 0

    asyncio.run(scene())


def test_a_machine_whose_clock_differs_says_so_until_it_does_not():
    machine = Machine(-31_400)
    machine.look()
    assert machine.health.notices[NOTICE].en == (
        "this machine's clock is 31 s behind the database's, which counts; set it"
    )
    assert (
        machine.health.notices[NOTICE].zh
        == "本机时钟比数据库慢 31 秒；通知按数据库的时钟进行，请校准本机时间"
    )
    machine.apart_ms = 400
    machine.look()
    assert machine.health.notices == {}
