"""The plan in force, as a record of the log: from here on the shard decides by it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from alerting.errors import StoreBusy, StoreFull
from monitor.store.journal_reader import JournalError

if TYPE_CHECKING:
    from monitor.runtime.worker_thread import WorkerThread
    from monitor.store.journal import Journal
    from monitor.store.port import ShardStore

log = structlog.get_logger(__name__)
KEY = "plan"


async def record_plan(name: str, journal: Journal, store: ShardStore, thread: WorkerThread) -> None:
    """Append the plan's name if it is not the last one recorded, before any record is folded under it.

    The store remembers the last name, since the journal could only be searched for it from end to end. What
    is not remembered is recorded again at the next start, which means nothing.
    """
    before = (await thread.run(store.get_meta, KEY) or b"").decode()
    if before == name:
        log.info("plan in force", plan=name)
        return
    try:
        written = await asyncio.wrap_future(journal.plan(name))
    except JournalError as error:  # the plan holds all the same, and is recorded at the next start
        log.exception("plan not recorded", plan=name, error=str(error))
        return
    try:
        await thread.run(store.put_meta, KEY, name.encode())
    except (StoreFull, StoreBusy) as error:
        log.warning("not stored", what=KEY, error=str(error))
    log.info("plan changed", plan=name, before=before, position=written.position)
