"""What people do about alerts, from the web to the desk: implements ``monitor.web.ports.DeskPort``."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from alerting import limits
from alerting.policy.acts import Act, Opinion, Standing
from alerting.policy.match import literal
from alerting.policy.muting import matched_by
from alerting.policy.records import Ack, Resolve, Unsilence
from alerting.policy.records import Silence as DeskSilence
from monitor.web.desk_port import Silence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.policy.state import Alert
    from monitor.runtime.clock import Clock
    from monitor.runtime.desk_loop import DeskLoop
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.port import ActStore


class DeskDoor:
    """Makes what somebody does durable: a row of the audit, and an input for the desk to fold."""

    def __init__(self, desk_loop: DeskLoop, store: ActStore, thread: StoreThread, clock: Clock) -> None:
        """``store`` is called in ``thread`` only."""
        self._desk_loop, self._store, self._thread, self._clock = desk_loop, store, thread, clock

    @property
    def ready(self) -> bool:
        """Whether the desk is read, and so what is open is known."""
        return self._desk_loop.desk is not None

    async def acknowledge(
        self, alert_id: str, by: str, comment: str, incident: str = "", holds_ms: int = 0
    ) -> bool:
        """Acknowledge an open alert; False when there is none with that id, or it is another firing.

        A desk that has not read yet what is open takes what names a firing, and who leads folds it or
        refuses.
        """
        alert = self._open(alert_id, incident)
        if alert is None and (self.ready or not incident):
            return False
        firing = alert.incident if alert else incident
        act = Act(self._clock.now_ms(), by, "acknowledge", alert_id, firing, comment)
        await self._do(act, Ack(act.at_ms, alert_id, _with(by, comment), holds_ms, firing))
        return True

    async def resolve(self, alert_id: str, by: str, comment: str, incident: str = "") -> bool:
        """Close an open alert by hand, until it fires anew or rises.

        False when there is none with that id, or it is another firing.
        """
        alert = self._open(alert_id, incident)
        if alert is None:
            return False
        act = Act(self._clock.now_ms(), by, "resolve", alert_id, alert.incident, comment)
        await self._do(act, Resolve(act.at_ms, alert_id, _with(by, comment), alert.incident))
        return True

    async def judge(self, alert_id: str, opinion: Opinion, by: str, comment: str, incident: str = "") -> bool:
        """Keep what somebody thinks of an alert; who calls it false has it, too, and nobody is told again.

        ``incident`` names the firing, which may be over; without it the alert must be open, else False.
        """
        alert = self._open(alert_id, incident)
        if alert is None and not incident:
            return False
        firing = alert.incident if alert else incident
        act = Act(self._clock.now_ms(), by, opinion, alert_id, firing, comment)
        takes = opinion == "false_alarm" and (not alert.acked_by if alert else not self.ready)
        ack = Ack(act.at_ms, alert_id, _with(by, comment), incident=firing)
        await self._do(act, *([ack] if takes else ()))
        return True

    async def silence(self, silence: Silence) -> str:
        """Add a silence and return its id; none is longer than ``limits.SILENCE_MS_MAX``."""
        now_ms = self._clock.now_ms()
        until_ms = silence.ends_ms or now_ms + limits.SILENCE_MS_MAX
        matchers = " ".join(f"{key}={value}" for key, value in sorted(silence.matchers.items()))
        act = Act(now_ms, silence.by, "silence", matchers, comment=silence.comment)
        resolved = not silence.ends_ms
        return await self._silence(act, dict(silence.matchers), until_ms, until_resolved=resolved)

    async def mute(self, alert_id: str, by: str, incident: str) -> bool:
        """Silence one firing's rule on its subject for an hour; False when it is over."""
        alert = self._open(alert_id, incident)
        if alert is None:
            return False
        act = Act(self._clock.now_ms(), by, "silence", alert_id, incident)
        told_by = {"rule": alert.transition.rule, **alert.transition.subject}
        matchers = {name: literal(value) for name, value in told_by.items()}
        await self._silence(act, matchers, act.at_ms + limits.MUTE_MS)
        return True

    async def _silence(
        self, act: Act, matchers: dict[str, str], until_ms: int, *, until_resolved: bool = False
    ) -> str:
        name = f"{act.at_ms}-{secrets.token_hex(3)}"  # other processes make some too
        asked = DeskSilence(act.at_ms, name, matchers, until_ms, act.who, act.comment, until_resolved)
        await self._do(act, asked)
        return name

    async def unsilence(self, silence_id: str, by: str) -> None:
        """End a silence now."""
        act = Act(self._clock.now_ms(), by, "unsilence", silence_id)
        await self._do(act, Unsilence(act.at_ms, silence_id, by))

    def silences_in_force(self) -> list[Silence]:
        """Those in force, the soonest to end first."""
        desk, now_ms = self._desk_loop.desk, self._clock.now_ms()
        known = desk.books.silences.values() if desk else ()
        return [
            Silence(s.matcher, 0 if s.until_resolved else s.until_ms, s.who, s.comment, s.id, s.at_ms)
            for s in sorted(known, key=lambda s: (s.until_ms, s.id))
            if now_ms < s.until_ms
        ]

    def matching(self, matchers: Mapping[str, str]) -> list[str]:
        """The ids of the open alerts that a silence of these matchers would hold."""
        desk = self._desk_loop.desk
        return [alert.key for alert in matched_by(desk.books, matchers)] if desk else []

    async def acts(self, incident: str) -> list[Act]:
        """What was done about one firing, oldest first."""
        return await self._thread.run(self._store.acts, incident, limits.ACTS_SHOWN)

    async def audit(self, limit: int) -> list[Act]:
        """What was done last, newest first."""
        return await self._thread.run(self._store.audit, min(limit, limits.AUDIT_MAX))

    async def standings(self) -> list[Standing]:
        """What people thought of each rule's alerts of late."""
        return await self._thread.run(self._store.standings, self._clock.now_ms() - limits.STANDING_MS)

    def _open(self, alert_id: str, incident: str) -> Alert | None:
        desk = self._desk_loop.desk
        alert = desk.books.alerts.get(alert_id) if desk else None
        if alert is None or alert.over or incident not in ("", alert.incident):
            return None
        return alert

    async def _do(self, act: Act, *inputs: Ack | Resolve | DeskSilence | Unsilence) -> None:
        await self._thread.run(self._store.record, act, inputs)
        self._desk_loop.wake()


def _with(by: str, comment: str) -> str:
    return f"{by}: {comment}" if comment else by
