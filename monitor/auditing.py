"""The auditor over a store, a desk and channels; and the ping outside that says all is well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import structlog

from alerting import limits
from alerting.auditor import Auditor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

    from alerting.channels.base import Channel
    from alerting.ports import Clock
    from monitor.configured import Configured
    from monitor.receivers import Under
    from monitor.sinks.metrics import Metrics

log = structlog.get_logger(__name__)
PART = "audit"


class Beat:
    """Pings an address that somebody else watches.

    Args:
        client: Over which it calls.
        url: The address, which is a secret: who has it can say that we live.
        every_ms: Between two pings.
        clock: Tells the time.
        taken: Told when a ping was taken, epoch seconds.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: SecretStr,
        every_ms: int,
        clock: Clock,
        taken: Callable[[float], object] = lambda _at_s: None,
    ) -> None:
        self._client, self._url, self._every_ms, self._clock = client, url, every_ms, clock
        self._taken, self._next_ms = taken, 0

    async def __call__(self) -> None:
        """Ping, if it is time; one that fails is tried again at the next look."""
        now_ms = self._clock.now_ms()
        if now_ms < self._next_ms:
            return
        try:
            async with asyncio.timeout(limits.BEAT_S):  # also of an answer that drips: the auditor must go on
                answer = await self._client.get(self._url.get_secret_value(), timeout=limits.BEAT_S)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            log.warning("heartbeat not taken", error=type(error).__name__)
            return
        if answer.is_success:
            self._next_ms = now_ms + self._every_ms
            self._taken(now_ms / 1_000)
        else:
            log.warning("heartbeat not taken", status=answer.status_code)


def beat_of(configured: Configured, client: httpx.AsyncClient, clock: Clock, metrics: Metrics) -> Beat | None:
    """The ping of the address that the files name; None: they name none.

    Raises:
        ConfigError: The address cannot be read.
    """
    given, taken = configured.alerting.heartbeat, metrics.heartbeat.set
    url = configured.alerting.heartbeat_url(client, clock, configured.secret)
    return Beat(client, url, given.every, clock, taken) if url and given else None


def auditor_of(
    configured: Configured,
    client: httpx.AsyncClient,
    channels: Mapping[str, Channel],
    under: Under,
    metrics: Metrics,
) -> Auditor:
    """The auditor of a process; what it finds is a problem of the part ``audit``.

    Raises:
        ConfigError: The address to ping cannot be read.
    """
    store, thread, clock, loop, health = under
    beat = beat_of(configured, client, clock, metrics)

    def tell(what: str) -> None:
        metrics.audited.set(clock.now_ms() / 1_000)
        metrics.audit_findings.set(bool(what))
        if what:
            health.failed(PART, f"{PART}: {what}")
        else:
            health.well(PART)

    def well() -> bool:
        return not health.problems

    return Auditor(
        store, channels, loop.policy, clock, hear=loop.hear, tell=tell, well=well, beat=beat, worker=thread
    )
