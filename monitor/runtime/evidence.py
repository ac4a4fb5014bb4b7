"""What a figure is made of, from the log: implements ``monitor.web.evidence.EvidencePort``."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

from alerting.messages.trimmed import mask
from monitor import limits
from monitor.errors import MonitorError
from monitor.runtime.worker_thread import WorkerThread
from monitor.shard.shard import Shard
from monitor.web.ports import UnknownError
from monitor.workbench.evidence import JournalHistory, evidence_in
from monitor.workbench.witness import Witness
from rules.rule import RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from monitor.rulebook import Plan
    from monitor.store.journal import Journal
    from monitor.workbench.evidence import History

    Opened = Callable[[str, Callable[[], object]], AbstractContextManager[History]]


class Evidence:
    """Folds the events of one shop again, in a thread of its own and one question at a time.

    Args:
        plan: Gives the one in force.
        opened: Opens the log for a shop, in that thread; what it is given it calls at times, which may raise.
        now_ms: The clock at the end of the log.
    """

    def __init__(self, plan: Callable[[], Plan], opened: Opened, now_ms: Callable[[], int]) -> None:
        self._plan, self._opened, self._now_ms = plan, opened, now_ms
        self._thread = WorkerThread("evidence")
        self._waiting = 0
        self._over = Event()

    async def explain(
        self, platform: str, shop_id: str, measure: str, day: int | None, *, clear: bool
    ) -> dict[str, Any]:
        """The units behind a figure; see ``EvidencePort``."""
        if self._waiting >= limits.EXPLAINS_WAITING:
            raise UnknownError("others are being explained", mend="ask again in a moment", code="busy")
        self._waiting += 1
        try:
            return await self._thread.run(self._explain, platform, shop_id, measure, day, clear)
        except UnknownError:
            raise
        except MonitorError as error:
            raise UnknownError(error.what, mend=error.mend, code=error.code) from error
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End what is being made."""
        self._over.set()
        self._thread.close()

    def _explain(
        self,
        platform: str,
        shop_id: str,
        measure: str,
        day: int | None,
        clear: bool,
    ) -> dict[str, Any]:
        plan = replace(self._plan(), rules=RuleSet(), quiet_gaps=True)
        witness = Witness(Shard(plan), platform, shop_id)
        show, at_ms = str if clear else mask, self._now_ms()
        with self._opened(f"{platform}:{shop_id}", self._pause) as history:
            return evidence_in(history, witness, measure, day, show, at_ms=at_ms)

    def _pause(self) -> None:
        if self._over.is_set():
            raise UnknownError("the daemon is stopping", mend="ask again once it runs", code="starting")
        time.sleep(limits.EXPLAIN_PAUSE_S)


def of_journal(journal: Journal) -> Opened:
    """What opens a journal, which is the log of every shop."""

    @contextmanager
    def opened(_shop: str, pause: Callable[[], object]) -> Iterator[History]:
        reader = journal.reader()
        try:
            yield JournalHistory(reader, pause)
        finally:
            reader.close()

    return opened
