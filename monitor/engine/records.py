"""One record of a shard's log: a batch of events, or a tick."""

from __future__ import annotations

import msgspec

from monitor.engine.events import Event


class Record(msgspec.Struct, omit_defaults=True, gc=False):
    """A record of the log. ``position`` rises by one; ``arrival_ms`` never falls (epoch ms).

    A tick carries ``heard``: when each source was last heard by its entrance. ``plan`` names the
    compiled plan that takes force with this record.
    """

    position: int
    arrival_ms: int
    events: list[Event] = []
    source: str = ""
    heard: dict[str, int] | None = None
    plan: str = ""
