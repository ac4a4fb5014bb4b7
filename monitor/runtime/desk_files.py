"""Whether the desks of a cluster decide by the same files.

Each desk reads its own alerting.yaml, people.yaml and shops.yaml, since the secrets of accounts lie on its
machine. The one that leads notes in the store by which it decides; every other one that has different files
says so, and so does one that takes over the lead: else who is told would change and nobody would know why.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import structlog

from alerting.errors import StoreBusy, StoreFull
from monitor.runtime import limits
from monitor.store.database import DESK_FILES
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.runtime.health import Health
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.port import ShardStore

log = structlog.get_logger(__name__)
NOTICE = "desk files"


class Noted(msgspec.Struct, array_like=True):
    """By what the desk that leads decides: a digest of its files, and the desk's name."""

    digest: str
    owner: str


class DeskFiles:
    """Compares this desk's files with those of the desk that leads, for ever.

    Args:
        digest: Tells that of the files in force here.
        owner: The desk's name.
        leads: Whether it leads.
        store: Where the leader's are noted; called only in ``thread``.
        thread: Where that waits.
        health: Has a notice while they differ.
    """

    def __init__(
        self,
        digest: Callable[[], str],
        owner: str,
        leads: Callable[[], bool],
        store: ShardStore,
        thread: StoreThread,
        health: Health,
    ) -> None:
        self._digest, self._owner, self._leads = digest, owner, leads
        self._store, self._thread, self._health = store, thread, health
        self._led, self._before = False, digest()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with suppress(StoreBusy, StoreFull):
                await self.look()
            await asyncio.sleep(limits.DESK_RENEW_S)

    async def look(self) -> None:
        """Look once; of a desk that leads, note its files."""
        leads, digest = self._leads(), self._digest()
        body = await self._thread.run(self._store.get_meta, DESK_FILES)
        noted = msgspec.msgpack.decode(body, type=Noted) if body else None
        other = noted if noted and noted.digest != digest else None
        if leads and (noted is None or other or noted.owner != self._owner):
            ours = msgspec.msgpack.encode(Noted(digest, self._owner))
            await self._thread.run(self._store.put_meta, DESK_FILES, ours)
        if not leads:
            self._say(other, "leads", "为主的")
        elif digest != self._before:
            self._say(None)  # somebody has just put them in force
        elif not self._led:
            self._say(other, "led before", "之前为主的")
        self._led, self._before = leads, digest

    def _say(self, other: Noted | None, how: str = "", zh_how: str = "") -> None:
        if other is None:
            self._health.notices.pop(NOTICE, None)
            return
        what = (
            f"alerting.yaml, people.yaml or shops.yaml here are not those of the {other.owner} that {how}:"
            " who leads decides who is told; make them the same, and send SIGHUP where they are right"
        )
        zh = f"本机的 alerting.yaml、people.yaml 或 shops.yaml 与{zh_how} {other.owner} 不同"
        zh += "：通知谁由为主的 desk 决定；请改为一致，并对正确的一方发 SIGHUP"
        if NOTICE not in self._health.notices:
            log.warning("desks have different files", other=other.owner, how=how)
        self._health.notices[NOTICE] = Text(zh, what)
