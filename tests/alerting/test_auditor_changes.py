"""What the auditor says stays true where the store is busy, the process ends or nobody takes a message."""

import pytest

from alerting.auditor import Auditor
from alerting.errors import StoreBusy
from tests.alerting.test_auditor import House


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "store.db")
    yield made
    made.store.close()


def anew(house):
    """Another process speaks for the desk."""
    house.auditor = Auditor(house.store, house.ways, house.policy, house, hear=house.hear)


def overdue(house):
    house.fold()
    return [alert.state for alert in house.desk.books.alerts.values() if "overdue" in alert.key]


@pytest.mark.parametrize("changed", [anew, lambda house: None])
def test_an_account_that_is_late_no_more_is_so_for_whoever_leads_next(house, changed):
    house.fires()
    house.fold()
    house.look(61)
    assert overdue(house) == ["firing"]
    house.auditor.leads = lambda: False
    house.look(76)
    house.sent("hook")
    house.sent("bot")
    house.auditor.leads = lambda: True
    changed(house)
    house.look(90)
    assert overdue(house) == ["ok"]


def test_what_the_store_does_not_take_of_it_is_said_at_the_next_look(house):
    hear, busy = house.hear, []

    async def hear_or_fail(item):
        if busy:
            raise busy.pop()
        await hear(item)

    house.auditor._hear = hear_or_fail
    house.fires()
    house.fold()
    busy.append(StoreBusy("busy"))
    with pytest.raises(StoreBusy):
        house.look(61)
    house.look(76)
    assert overdue(house) == ["firing"]
    house.sent("hook")
    house.sent("bot")
    busy.append(StoreBusy("busy"))
    with pytest.raises(StoreBusy):
        house.look(90)
    house.look(105)
    assert overdue(house) == ["ok"]


def test_a_cry_that_no_account_takes_is_repeated_at_the_next_look(house):
    for way in house.ways.values():
        way.kind = "transient"
    house.fires()
    house.look(0)
    house.look(31)
    house.ways["hook"].kind = "ok"
    house.look(46)
    assert len(house.ways["hook"].inbox) == 1
    house.look(61)
    assert len(house.ways["hook"].inbox) == 1
