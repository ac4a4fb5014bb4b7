"""The world of a simulation: its shops, their people and habits, and what goes wrong there.

All of it follows from the seed and the options, so that a seed and a commit say which traffic it was.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
ZONE_MS = 8 * HOUR_MS  # Asia/Shanghai, which has no summer time

# Weight of each half-hour from 00:00: quiet nights, a peak before noon, another in the evening.
PROFILE = (
    *(4, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 2, 3, 5, 8, 12),  # 00:00 to 08:00
    *(20, 28, 38, 46, 52, 54, 50, 44, 38, 38, 42, 46, 48, 48, 46, 44),  # to 16:00
    *(42, 40, 38, 36, 36, 40, 48, 56, 60, 60, 56, 48, 38, 26, 16, 8),  # to 24:00
)

_BRANDS = ("晨光", "沐野", "青禾", "南山", "木棉", "云朵", "海星", "半夏", "知秋", "小满", "北岸", "松果")
_GOODS = ("家纺", "女装", "童鞋", "零食", "茶具", "美妆", "数码", "户外", "宠物", "厨具", "文具", "灯饰")
_KINDS = ("旗舰店", "专营店", "专卖店", "工厂店")


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop: ``weight`` is its part of all conversations, relative to the other shops'."""

    platform: str
    shop_id: str
    name: str
    weight: float
    agents: tuple[str, ...]
    slow_agent: str  # empty: nobody
    robot: bool  # a robot speaks first
    source: str

    @property
    def key(self) -> str:
        """``platform:shop_id``."""
        return f"{self.platform}:{self.shop_id}"


@dataclass(frozen=True, slots=True)
class Hours:
    """A half-open span of time in epoch milliseconds; empty where both are equal."""

    from_ms: int = 0
    until_ms: int = 0

    def __contains__(self, at_ms: int) -> bool:
        """Whether ``at_ms`` lies in the span."""
        return self.from_ms <= at_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class Habits:
    """How people and networks behave. Shares are probabilities, times milliseconds."""

    wait_median_ms: int = 32_000  # of an answer by an agent who is neither slow nor overrun
    wait_spread: float = 0.75  # sigma of its logarithm: 1 % over three minutes
    wait_most_ms: int = 30 * MINUTE_MS
    slow_factor: float = 4.0  # a slow agent's answers
    overrun_factor: float = 2.5  # everybody's in a burst
    short_handed_factor: float = 9.0  # everybody's where most of the team is away
    promo_factor: float = 1.4  # everybody's in a promo
    never_answered: float = 0.006
    robot_suffices: float = 0.45
    transferred: float = 0.03
    comes_back: float = 0.12  # the customer asked earlier, in a conversation of its own
    orders: float = 0.35
    silent_orders: float = 0.4  # orders of customers who ask nothing, beside each conversation
    refunded: float = 0.06
    disputed: float = 0.004
    bursts: float = 0.02  # of a shop, an hour
    burst_size: float = 0.4  # conversations of a burst, in hours of usual traffic
    promo_rush: float = 2.5
    repeated: float = 0.01  # events delivered twice
    late_a_little: float = 0.02  # delivered up to a minute after the next
    late_a_lot: float = 0.001  # delivered up to 8 minutes late: inside the default lateness


@dataclass(frozen=True, slots=True)
class World:
    """Everything a simulation is made of. ``conversations`` is the mean a shop has in a whole day."""

    seed: int
    shops: tuple[Shop, ...]
    sources: tuple[str, ...]
    from_ms: int
    until_ms: int
    conversations: int = 200
    promo: Hours = Hours()
    dead_source: str = ""
    dead: Hours = Hours()
    short_handed_shop: str = ""  # where most of the team is in a meeting
    short_handed: Hours = Hours()
    habits: Habits = field(default_factory=Habits)


def make_world(
    shops: int,
    seed: int,
    from_ms: int,
    until_ms: int,
    *,
    conversations: int = 200,
    sources: int = 4,
    platforms: tuple[str, ...] = ("pinduoduo", "pinduoduo", "taobao"),
    habits: Habits | None = None,
) -> World:
    """Lay out a world from ``from_ms`` to ``until_ms`` (epoch ms).

    Sizes have a long tail: the shop of rank r has a weight of r^-0.8. The last of the sources is dead
    for 20 minutes (at most a tenth of the time); the second largest Pinduoduo shop is short-handed for an
    hour (at most a fifth) soon after the beginning; the first evening has a promo from 20:00 to 21:00.
    """
    rng = random.Random(f"world {seed}")
    names = tuple(f"erp-{n + 1}" for n in range(min(sources, shops)))
    ranks = list(range(1, shops + 1))
    rng.shuffle(ranks)
    span_ms = until_ms - from_ms
    dead_from_ms = from_ms + min(40 * MINUTE_MS, span_ms * 2 // 5)
    promo_ms = from_ms - (from_ms + ZONE_MS) % DAY_MS + 20 * HOUR_MS
    total = sum(rank**-0.8 for rank in ranks)
    made = tuple(
        _make_shop(rng, n, rank**-0.8 * shops / total, conversations, platforms, names)
        for n, rank in enumerate(ranks)
    )
    largest = sorted((s for s in made if s.platform == "pinduoduo"), key=lambda shop: -shop.weight)
    away_from_ms = from_ms + min(5 * MINUTE_MS, span_ms // 20)
    return World(
        seed=seed,
        shops=made,
        sources=names,
        from_ms=from_ms,
        until_ms=until_ms,
        conversations=conversations,
        promo=Hours(promo_ms, promo_ms + HOUR_MS),
        dead_source=names[-1],
        dead=Hours(dead_from_ms, dead_from_ms + min(20 * MINUTE_MS, span_ms // 10)),
        short_handed_shop="".join(shop.key for shop in largest[:2][-1:]),
        short_handed=Hours(away_from_ms, away_from_ms + min(HOUR_MS, span_ms // 5)),
        habits=habits or Habits(),
    )


def _make_shop(
    rng: random.Random,
    n: int,
    weight: float,
    conversations: int,
    platforms: tuple[str, ...],
    sources: tuple[str, ...],
) -> Shop:
    # An agent keeps up with some 120 conversations a day; every third shop of three or more has a slow one.
    agents = tuple(f"s{n + 1}-a{k + 1}" for k in range(1 + int(weight * conversations / 120)))
    return Shop(
        platform=platforms[n % len(platforms)],
        shop_id=f"s{n + 1}",
        name=_name(n),
        weight=weight,
        agents=agents,
        slow_agent=agents[-1] if rng.random() < 1 / 3 else "",
        robot=rng.random() < 0.6,
        source=sources[n % len(sources)],
    )


def _name(n: int) -> str:
    """A name no other shop of the world has."""
    brands, goods, kinds = len(_BRANDS), len(_GOODS), len(_KINDS)
    # Coprime strides: neighbours differ in every part, and 576 shops pass before a name returns.
    name = (
        _BRANDS[n % brands] + _GOODS[(n * 5 + n // brands) % goods] + _KINDS[(n // (brands * goods)) % kinds]
    )
    turn = n // (brands * goods * kinds)
    return f"{name}{turn + 1}" if turn else name
