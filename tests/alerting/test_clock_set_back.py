"""The clock is set back by an hour: what is due leaves all the same, and whoever is gone is taken over."""

import pytest

from alerting import limits
from tests.alerting.test_auditor import House
from tests.alerting.worlds import HOUR, SECOND, T0, play


def back(w):
    w.now -= HOUR


async def sends(w, rule):
    w.commit(w.shard((w.now - T0) / SECOND, severity="crit", rule=rule, shop=rule))
    await w.run_to((w.now - T0) / SECOND + 10)


def test_an_account_that_has_sent_much_sends_on(tmp_path):
    async def scene(w):
        for n in range(4):
            await sends(w, f"x{n}")
        back(w)
        await sends(w, "x9")
        assert "x9" in w.wecom.texts()[-1]

    play(tmp_path, scene)


def test_an_account_that_rests_rests_no_longer(tmp_path):
    async def scene(w):
        await w.run_to(0)
        w.wecom.keys = ()
        await sends(w, "x1")
        w.wecom.keys = ("test-key",)
        back(w)
        await sends(w, "x2")
        await w.run_to((w.now - T0 + limits.STOPPED_MS) / SECOND)
        assert "x2" in w.wecom.texts()[0]

    play(tmp_path, scene)


def test_the_account_of_a_sender_that_is_gone_is_taken_over_as_soon_as_ever(tmp_path):
    async def scene(w):
        await w.run_to(0)
        back(w)
        await w.run_to((w.now - T0) / SECOND + 1)
        w.restart(owner="two")
        w.commit(w.shard((w.now - T0) / SECOND, severity="crit"))
        await w.run_to((w.now - T0 + 2 * limits.LEASE_MS) / SECOND)
        assert len(w.wecom.inbox) == 1

    play(tmp_path, scene)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "store.db")
    yield made
    made.store.close()


def test_a_desk_that_stands_still_is_told(house):
    assert house.look(0) == []
    house.fires()
    house.look(-3600)
    assert house.look(-3600 + 31) != []
    assert len(house.ways["hook"].inbox) == 1
