"""What people do about alerts, from the web to the desk: implements ``monitor.web.ports.DeskPort``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits
from alerting.policy.records import Ack
from alerting.policy.records import Silence as DeskSilence

if TYPE_CHECKING:
    from monitor.runtime.clock import Clock
    from monitor.runtime.desk_loop import DeskLoop
    from monitor.web.ports import Silence


class DeskDoor:
    """Makes what somebody does durable as an input of the desk, which folds it in its turn."""

    def __init__(self, desk_loop: DeskLoop, clock: Clock) -> None:
        self._desk_loop, self._clock = desk_loop, clock
        self._silences = 0

    async def acknowledge(self, alert_id: str, by: str, comment: str) -> bool:
        """Acknowledge an open alert; False when there is none with that id."""
        desk = self._desk_loop.desk
        alert = desk.books.alerts.get(alert_id) if desk else None
        if alert is None or alert.over:
            return False
        who = f"{by}: {comment}" if comment else by
        await self._desk_loop.hear(Ack(self._clock.now_ms(), alert_id, who))
        return True

    async def silence(self, silence: Silence) -> str:
        """Add a silence and return its id; one without an end is cut to the longest there is."""
        now_ms = self._clock.now_ms()
        self._silences += 1
        name = f"{now_ms}-{self._silences}"
        until_ms = silence.ends_ms or now_ms + limits.SILENCE_MS_MAX
        await self._desk_loop.hear(
            DeskSilence(now_ms, name, dict(silence.matchers), until_ms, silence.by, silence.comment)
        )
        return name
