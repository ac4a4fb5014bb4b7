"""Files of rules that changed are taken in the end: whatever was in the way when they were looked at."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from types import SimpleNamespace

import pytest

from alerting.errors import StoreBusy, StoreFull
from monitor.runtime import limits
from monitor.runtime.health import Health
from monitor.runtime.reload import Reload, stamps_of
from monitor.runtime.worker_thread import WorkerThread
from tests.waiting import until


class Plans:
    """Puts in force what it is given, unless ``answers`` has an error."""

    def __init__(self, *answers: Exception) -> None:
        self.in_force, self.answers = "1", chain(answers, repeat(None))

    def apply(self, _store, plan):
        if error := next(self.answers):
            raise error
        self.in_force = plan.name
        return plan.name


def reload(plans, thread, health):
    plan = SimpleNamespace(name="2", rules=SimpleNamespace(rules={}))
    files = SimpleNamespace(plan=plan, names="texts")
    names = SimpleNamespace(take=lambda _texts: None)
    return Reload(lambda: files, plans, names, None, thread, health)


async def watched(path, plans, health):
    thread = WorkerThread("store")
    watching = asyncio.create_task(reload(plans, thread, health).watch([path]))
    try:
        await asyncio.sleep(5 * limits.RULES_LOOK_S)
        path.write_text("changed")
        await until(lambda: plans.in_force == "2", what="the plan of the file")
        await until(lambda: not health.notices)
    finally:
        watching.cancel()
        thread.close()


@pytest.mark.parametrize("error", [StoreFull("disk full"), StoreBusy("no answer")])
def test_files_that_the_store_did_not_take_are_taken_once_it_does(tmp_path, monkeypatch, error):
    monkeypatch.setattr(limits, "RULES_LOOK_S", 0.01)
    (path := tmp_path / "rules.yaml").write_text("")
    asyncio.run(watched(path, Plans(error, error), Health()))


def test_files_that_changed_between_their_reading_and_the_first_look_are_taken(tmp_path, monkeypatch):
    """Who starts reads first and looks last: between lie seconds in which ids of the journal are read."""
    monkeypatch.setattr(limits, "RULES_LOOK_S", 0.01)
    (path := tmp_path / "rules.yaml").write_text("")
    read = stamps_of([path])
    path.write_text("changed")

    async def scene():
        thread, plans = WorkerThread("store"), Plans()
        watching = asyncio.create_task(reload(plans, thread, Health()).watch([path], read))
        await until(lambda: plans.in_force == "2", what="the plan of the file")
        watching.cancel()
        thread.close()

    asyncio.run(scene())
