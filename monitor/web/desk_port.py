"""What the web asks of the desk: everything that people do about alerts, and what they did.

The runtime implements it; ``monitor.app`` passes it in. Times are epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.policy.acts import Act, Opinion, Standing


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence, as asked for or in force: every matcher must hold; ``ends_ms`` 0 is "until resolved"."""

    matchers: dict[str, str]  # label of alerts → value or pattern with *
    ends_ms: int
    by: str
    comment: str = ""
    id: str = ""  # of one in force
    since_ms: int = 0


class DeskPort(Protocol):
    """What people do about alerts: rows of the desk's input table, and of the audit."""

    @property
    def ready(self) -> bool:
        """Whether it is known what is open."""
        ...

    async def acknowledge(
        self, alert_id: str, by: str, comment: str, incident: str = "", holds_ms: int = 0
    ) -> bool:
        """Acknowledge an open alert; False when there is none with that id, or it is another firing.

        It ends after ``holds_ms``, with 0 as the configuration says.
        """
        ...

    async def resolve(self, alert_id: str, by: str, comment: str, incident: str = "") -> bool:
        """Close an open alert by hand, until it fires anew or rises.

        False when there is none with that id, or it is another firing.
        """
        ...

    async def judge(self, alert_id: str, opinion: Opinion, by: str, comment: str, incident: str = "") -> bool:
        """Keep what somebody thinks of an alert; False when no firing is named and none is open.

        Who calls it a false alarm has acknowledged it.
        """
        ...

    async def mute(self, alert_id: str, by: str, incident: str) -> bool:
        """Silence one firing's rule on its subject for an hour; False when it is over."""
        ...

    async def acts(self, incident: str) -> list[Act]:
        """What was done about one firing, oldest first."""
        ...

    async def audit(self, limit: int) -> list[Act]:
        """What was done last, newest first."""
        ...

    async def standings(self) -> list[Standing]:
        """What people thought of each rule's alerts of late."""
        ...

    async def silence(self, silence: Silence) -> str:
        """Add a silence and return its id."""
        ...

    async def unsilence(self, silence_id: str, by: str) -> None:
        """End a silence now."""
        ...

    def silences_in_force(self) -> list[Silence]:
        """Those in force, the soonest to end first."""
        ...

    def matching(self, matchers: Mapping[str, str]) -> list[str]:
        """The ids of the open alerts that a silence of these matchers would hold."""
        ...
