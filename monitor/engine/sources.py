"""Where events come from, and whether we are blind to it (design §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine.rows import SourceRow
from monitor.engine.zone import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.engine.spec import PackSpec

BACKFILL_QUIET_MS: Final = 10_000  # a backfill is over when no event older than lateness came for so long


class Source:
    """What is known of one source. It is ``blind`` until heard, then a backfill until that is over."""

    __slots__ = (
        "backfill_until_ms",
        "blind",
        "heard_ms",
        "name",
        "on_change",
        "on_new_pack",
        "packs",
        "promised_ms",
        "silent_after_ms",
        "since_ms",
        "told_ms",
    )

    def __init__(
        self,
        name: str,
        now_ms: int,
        *,
        promised_ms: int,
        silent_after_ms: int,
        on_change: Callable[[Source], None],
        on_new_pack: Callable[[Source], None],
    ) -> None:
        self.name = name
        self.since_ms = now_ms  # from when its shops' figures are complete
        self.heard_ms = now_ms
        self.promised_ms = promised_ms  # the period of its heartbeat; 0: it promised none
        self.silent_after_ms = silent_after_ms  # 0: silence is never blindness (files)
        self.packs: dict[tuple[str, str], PackSpec] = {}  # each pack of its shops, by one shop that has it
        self.on_change = on_change
        self.on_new_pack = on_new_pack
        self.blind = False
        self.backfill_until_ms = 0  # 0: no backfill
        self.told_ms = 0  # the second at which a backfill ended: what is told then is told after the fact

    def serves(self, platform: str, shop_key: str, pack: PackSpec) -> None:
        """A shop is heard of through it for the first time."""
        if all(known is not pack for known in self.packs.values()):
            self.packs[platform, shop_key] = pack
            self.on_new_pack(self)

    def in_service_since(self, now_ms: int) -> int | None:
        """Since when any of its shops is in service; None: none is."""
        starts = []
        for pack in self.packs.values():
            local = pack.zone.local(now_ms)
            of_day = local % DAY_MS
            for start, end in pack.on(local // DAY_MS).spans:
                if start <= of_day < end:
                    went_on = start == 0 and any(e == DAY_MS for _, e in pack.on(local // DAY_MS - 1).spans)
                    starts.append(0 if went_on else now_ms - of_day + start)
        return min(starts, default=None)

    def next_edge_ms(self, now_ms: int) -> int:
        """When service hours of its shops next begin or end, or a day does; 0: it has no shops yet."""
        edges = []
        for pack in self.packs.values():
            local = pack.zone.local(now_ms)
            of_day, midnight = local % DAY_MS, pack.zone.midnight(local // DAY_MS + 1)
            edges.append(midnight)
            for span in pack.on(local // DAY_MS).spans:
                edges += [now_ms - of_day + edge for edge in span if edge > of_day]
        return min(edges, default=0)

    @property
    def dark(self) -> bool:
        """Whether its shops' figures are unknown: it is blind, or still catching up."""
        return self.blind or self.backfill_until_ms > 0

    def hear(self, now_ms: int) -> None:
        """Something came from it."""
        self.heard_ms = max(self.heard_ms, now_ms)
        if self.blind:
            self.blind = False
            self.backfill_until_ms = now_ms + BACKFILL_QUIET_MS
            self.on_change(self)

    def hear_old(self, now_ms: int) -> None:
        """An event older than lateness came from it."""
        if self.backfill_until_ms:
            self.backfill_until_ms = now_ms + BACKFILL_QUIET_MS

    def go_blind(self) -> None:
        """Nothing is known of it: time down, or silence."""
        if not self.blind:
            self.blind = True
            self.backfill_until_ms = 0
            self.on_change(self)

    def look(self, now_ms: int) -> None:
        """Judge it at a whole second."""
        if self.backfill_until_ms and now_ms >= self.backfill_until_ms:
            self.backfill_until_ms = 0
            self.told_ms = now_ms
            self.on_change(self)
        elif not self.blind and self._is_silent(now_ms):
            self.go_blind()

    def _is_silent(self, now_ms: int) -> bool:
        if self.promised_ms:
            return now_ms - self.heard_ms > self.promised_ms
        return bool(self.silent_after_ms) and self.silent_ms(now_ms) > self.silent_after_ms

    def silent_ms(self, now_ms: int) -> int:
        """For how long nothing was heard in service hours; of a file, in which a gap is quiet, 0."""
        if not self.promised_ms and not self.silent_after_ms:
            return 0
        since_ms = self.in_service_since(now_ms)
        return 0 if since_ms is None else max(0, now_ms - max(self.heard_ms, since_ms))

    def row(self) -> SourceRow:
        """The source at rest."""
        return SourceRow(
            self.name,
            self.since_ms,
            self.heard_ms,
            self.promised_ms,
            self.blind,
            self.backfill_until_ms,
            self.told_ms,
            list(self.packs),
        )

    def restore(self, row: SourceRow) -> None:
        """Take what it was."""
        self.since_ms, self.heard_ms, self.promised_ms = row.since_ms, row.heard_ms, row.promised_ms
        self.blind, self.backfill_until_ms = row.blind, row.backfill_until_ms
        self.told_ms = row.told_ms
