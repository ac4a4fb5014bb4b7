"""Every maximum of the engine, and what happens there."""

from __future__ import annotations

from typing import Final

LATENESS_MS: Final = 600_000  # default; how long a late event still changes figures
AHEAD_MS: Final = 300_000  # an event later than its arrival by more is refused: a wrong clock
EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01T00:00Z; an earlier event is refused: a missing clock

SHOPS_MAX: Final = 200_000  # events of a further shop are refused ("limit")
OPEN_CONVERSATIONS_MAX: Final = 1_000_000  # live conversations of a shop; a further one is refused ("limit")
MESSAGES_MAX: Final = 1_000_000  # counted messages of a round; further ones are not counted
CONTENT_MASK: Final = (1 << 30) - 1  # the bits that are kept of the hash of an event's content
IDS_MAX: Final = 8_000_000  # ids remembered by a shard; beyond it the oldest are forgotten early

ANSWER_WITHIN_MS: Final = 600_000  # a measure without a limit follows a round for so long after its ask
DAY_KEPT_MS: Final = 86_400_000  # after its midnight a day takes no more late events (decision 2)
DAYS_KEPT: Final = 30  # closed days whose totals are kept for 7d and 30d
ORDER_DAYS: Final = 7  # an order formed again within so many days is the same order (decision 4)
PACE_MS: Final = 1_800_000  # "newly" asked and late: the last 30 minutes
