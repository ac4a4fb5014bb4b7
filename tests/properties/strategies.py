"""Packs and event streams, realistic and mean: few names, so that they collide, and times at the edges.

Everything is made by ``random.Random``, so that a seed reproduces it; the Hypothesis strategies draw the
seeds, one for each event, so that a failure shrinks to few events. An event depends on those before it only
through their times and ids.

    case = random_case(seed)                     # packs by platform, stream of (arrival_ms, Event)
    @given(cases())                              # the same for Hypothesis
    for pack in packs_of_all_combinations(): ... # every way of counting, twelve measures a pack
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st

from monitor.engine.events import ACTIONS, Event
from rules.pack import Measure, Pack, Span, Text

LATENESS_MS = 600_000
AHEAD_MS = 300_000
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
Stream = list[tuple[int, Event]]

ZONES = ("Asia/Shanghai", "Asia/Shanghai", "Asia/Shanghai", "America/New_York")
FIRST_DAY = "2026-10-31"  # the night after, the clocks of New York go back
SPANS: tuple[tuple[Span, ...], ...] = (
    (Span(8 * HOUR, 23 * HOUR),),
    (Span(0, 24 * HOUR),),
    (Span(9 * HOUR, 12 * HOUR), Span(13 * HOUR + 30 * MINUTE, 24 * HOUR)),
    (Span(0, 2 * HOUR), Span(22 * HOUR, 24 * HOUR)),
)
LIMITS_MS = (5 * SECOND, 30 * SECOND, 3 * MINUTE, 5 * MINUTE, 2 * HOUR)
WINDOWS = ("5m", "15m", "30m", "1h", "6h", "24h")
ANSWERERS = tuple(
    who for size in (1, 2, 3) for who in itertools.combinations(("agent", "assist", "bot"), size)
)
UNITS = (
    ("message", "any_round"),
    ("round", "any_round"),
    ("session", "any_round"),
    ("session", "first_round"),
    ("customer_day", "any_round"),
    ("customer_day", "first_round"),
)
STAGES = (("all", "opens"), ("human_stage", "opens"), ("human_stage", "waits"))
HOURS_BY = ("ask", "session_start")
TITLE = Text("指标", "measure")


# Packs


def all_ways_of_counting() -> Iterator[Measure]:
    """Each unit, late_if, answered_by, counts, on_handover and hours_by once: 252 reply rates."""
    ways = itertools.product(UNITS, ANSWERERS, STAGES, HOURS_BY)
    for n, ((unit, late_if), answered_by, (counts, on_handover), hours_by) in enumerate(ways):
        yield Measure(
            id=f"rate_{n}",
            title=TITLE,
            kind="reply_rate",
            within_ms=LIMITS_MS[n % len(LIMITS_MS)],
            unit=unit,
            late_if=late_if,
            answered_by=answered_by,
            counts=counts,
            hours_by=hours_by,
            on_handover=on_handover,
            periods=("day", "7d", WINDOWS[n % len(WINDOWS)]),
            by=("agent",),
        )


def packs_of_all_combinations(platform: str = "pinduoduo", *, measures_each: int = 12) -> Iterator[Pack]:
    """All ways of counting, several measures in one pack, over all service spans in turn."""
    ways = list(all_ways_of_counting())
    for n, start in enumerate(range(0, len(ways), measures_each)):
        chosen = ways[start : start + measures_each]
        yield Pack(
            id=platform,
            version=str(n),
            timezone=ZONES[n % len(ZONES)],
            service_hours=SPANS[n % len(SPANS)],
            measures={m.id: m for m in chosen},
            platform=platform,
        )


def random_reply_rate(rng: random.Random, name: str) -> Measure:
    way = rng.choice(list(all_ways_of_counting()))
    return replace(
        way,
        id=name,
        within_ms=rng.choice(LIMITS_MS),
        periods=random_periods(rng),
        service_hours=rng.choice(SPANS) if rng.random() < 0.2 else None,
        exempt_dates=random_exempt_dates(rng),
    )


def random_response_time(rng: random.Random, name: str) -> Measure:
    """As a reply rate's rounds, but without limit and unit."""
    way = random_reply_rate(rng, name)
    return replace(way, kind="response_time", within_ms=None, unit="round", late_if="any_round")


def random_order_rate(rng: random.Random, name: str) -> Measure:
    event, outcome = rng.choice(
        ((None, ()), ("dispute.opened", ()), ("dispute.closed", ("refunded",)), ("refund.completed", ()))
    )
    periods = tuple(p for p in random_periods(rng) if p in ("day", "7d", "30d"))
    return Measure(
        id=name,
        title=TITLE,
        kind="order_rate",
        event=event,
        outcome=outcome,
        periods=periods,
        exempt_dates=random_exempt_dates(rng),
    )


def random_periods(rng: random.Random) -> tuple[str, ...]:
    longer = [p for p in ("7d", "30d") if rng.random() < 0.5]
    return ("day", *longer, *sorted(rng.sample(WINDOWS, rng.randrange(3))))


def random_exempt_dates(rng: random.Random) -> tuple[str, ...]:
    return (rng.choice(dates(4)),) if rng.random() < 0.1 else ()


def dates(count: int) -> list[str]:
    first = datetime.fromisoformat(FIRST_DAY)
    return [(first + timedelta(days=n)).date().isoformat() for n in range(count)]


def random_measures(rng: random.Random) -> dict[str, Measure]:
    measures = [random_reply_rate(rng, f"rate_{n}") for n in range(rng.randint(1, 4))]
    measures += [random_response_time(rng, f"time_{n}") for n in range(rng.randrange(3))]
    measures += [random_order_rate(rng, "orders") for _ in range(rng.randrange(2))]
    rng.shuffle(measures)
    return {m.id: m for m in measures}


def random_packs(rng: random.Random, platform: str) -> list[Pack]:
    """One pack, or two versions of it that meet at a midnight."""
    pack = Pack(
        id=platform,
        version="1",
        timezone=rng.choice(ZONES),
        service_hours=rng.choice((SPANS[1], *SPANS)),  # all day more often: only there rounds pass midnight
        measures=random_measures(rng),
        platform=platform,
        exempt_dates=random_exempt_dates(rng),
    )
    if rng.random() < 0.75:
        return [pack]
    meet = rng.choice(dates(4)[1:])
    newer = replace(pack, version="2", from_date=meet, measures=random_measures(rng))
    return [replace(pack, until_date=rng.choice((meet, None))), newer]


# Worlds: who there is, and which times matter


@dataclass(frozen=True)
class Mischief:
    """What a stream may contain besides what happens in good order."""

    late: bool = True  # arrivals out of order, within lateness and beyond
    ahead: bool = True  # `at` after the arrival, up to and past 5 minutes
    repeats: bool = True  # the same event again
    reused: bool = True  # the same id with other content
    bad: bool = True  # no shop, before 2000


ORDERLY = Mischief(late=False, ahead=False, repeats=False, reused=False, bad=False)


@dataclass(frozen=True)
class World:
    """The names and times that streams draw from."""

    packs: dict[str, list[Pack]]
    shops: list[tuple[str, str]]
    conversations: tuple[str, ...] = ("c1", "c2", "c3", "backfilled")
    customers: tuple[str, ...] = ("", "", "A", "B", "c1")  # one has the text of a conversation's id
    agents: tuple[str, ...] = ("x", "y", "z", "")
    orders: tuple[str, ...] = ("o1", "o2", "o3", "")
    edges_ms: tuple[int, ...] = ()  # midnights and edges of service hours: where the stream gathers
    backfill_ms: int = 3 * HOUR  # how late everything of the conversation "backfilled" arrives
    mischief: Mischief = field(default_factory=Mischief)

    def limits_ms(self, platform: str) -> list[int]:
        measures = [m for pack in self.packs.get(platform, ()) for m in pack.measures.values()]
        return [m.within_ms or 10 * MINUTE for m in measures] or [3 * MINUTE]


def edges_of_days(packs: Sequence[Pack], days: int) -> list[int]:
    """Midnights and the edges of service hours of each day."""
    zone = ZoneInfo(packs[0].timezone)
    clocks = {0}
    for pack in packs:
        own = [m.service_hours for m in pack.measures.values() if m.service_hours]
        spans = [span for hours in (pack.service_hours, *own) for span in hours]
        clocks |= {edge for span in spans for edge in (span.start_ms, span.end_ms)}
    midnights = [datetime.fromisoformat(d).replace(tzinfo=zone) for d in dates(days + 1)]
    return sorted(epoch_ms(day + timedelta(milliseconds=clock)) for day in midnights for clock in clocks)


def epoch_ms(moment: datetime) -> int:
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def random_world(rng: random.Random, mischief: Mischief | None = None) -> World:
    platforms = rng.sample(("pinduoduo", "taobao", "jingdong"), rng.randint(1, 2))
    packs = {platform: random_packs(rng, platform) for platform in platforms}
    if rng.random() < 0.05:
        platforms = [*platforms, "packless"]
    shops = sorted(
        {(rng.choice(platforms), rng.choice(("s1", "s2"))) for _ in range(rng.choice((1, 1, 2, 3)))}
    )
    edges = [edge for versions in packs.values() for edge in edges_of_days(versions, rng.randint(1, 4))]
    everyone = ("c1", "c2", "c3", "backfilled")
    return World(
        packs=packs,
        shops=shops,
        conversations=everyone[: rng.choice((1, 2, 4))],
        edges_ms=tuple(sorted(rng.sample(edges, min(len(edges), rng.choice((1, 1, 2, 5)))))),
        backfill_ms=rng.choice((LATENESS_MS + 1, HOUR, 3 * HOUR, 20 * HOUR)),
        mischief=mischief or Mischief(),
    )


# Events


def random_event(rng: random.Random, world: World, so_far: Stream) -> tuple[int, Event]:
    """The next event and its arrival; arrivals are put in order by ``in_order``."""
    mischief = world.mischief
    if so_far and mischief.repeats and rng.random() < 0.04:
        arrival, event = rng.choice(so_far)
        after = rng.choice((0, 1, SECOND, LATENESS_MS, 2 * LATENESS_MS, 2 * LATENESS_MS + 1))
        return arrival + after, event
    platform, shop_id = rng.choice(world.shops)
    own = [e for _, e in so_far if (e.platform, e.shop_id) == (platform, shop_id)]
    at, conversation_id = random_moment(rng, world, platform, own)
    event = Event(
        type="message",
        id=random_id(rng, {e.id for e in own}),
        at=at,
        seq=rng.randrange(3) if rng.random() < 0.3 else 0,
        platform=platform,
        shop_id=shop_id,
        conversation_id=conversation_id,
    )
    set_what_happens(rng, world, event, own[-1] if own else None)
    if own and mischief.reused and rng.random() < 0.02:
        event.id = rng.choice(own).id
    if mischief.bad and rng.random() < 0.01:
        rng.choice((lambda: setattr(event, "shop_id", ""), lambda: setattr(event, "at", 946_684_799_999)))()
    return random_arrival(rng, world, event, at), event


def random_id(rng: random.Random, taken: set[str]) -> str:
    """Digits of all lengths, some with leading zeros, or text."""
    while True:
        number = rng.randrange(10 ** rng.choice((1, 2, 3, 6, 20)))
        name = rng.choice(("{}", "{}", "{:04}", "e{}", "消息{}")).format(number)
        if name not in taken:
            return name


def random_moment(rng: random.Random, world: World, platform: str, own: Sequence[Event]) -> tuple[int, str]:
    """When it happens and in which conversation.

    Soon after the event before, at a deadline of an ask, at the same millisecond as another event, or at an
    edge of the day; mostly in the conversation of the event it leans on.
    """
    jitter = rng.choice((-1, 0, 0, 1))
    luck = rng.random()
    other = rng.choice(world.conversations)
    anchor = own[-1] if own and luck < 0.65 else rng.choice(own[-12:] or [None])
    leans = anchor is not None and anchor.conversation_id and rng.random() < 0.75
    conversation = anchor.conversation_id if anchor and leans else other
    if anchor is None or luck < 0.18:
        near = (0, 0, -rng.randrange(6 * MINUTE), rng.randrange(6 * MINUTE), rng.randrange(DAY))
        return rng.choice(world.edges_ms) + jitter + rng.choice(near), conversation
    if luck < 0.75:
        step = (0, 1, rng.randrange(SECOND), rng.randrange(MINUTE), rng.randrange(4 * MINUTE))
        return int(anchor.at) + rng.choice(step), conversation
    asks = [e for e in own[-12:] if e.actor == "customer"] or [anchor]
    ask = rng.choice(asks)
    if luck < 0.95:
        return int(ask.at) + rng.choice(world.limits_ms(platform)) + jitter, ask.conversation_id or other
    return int(anchor.at), conversation


# What happens, as type and actor or action, and how often. Every pair of the other types occurs as well.
HAPPENS: dict[tuple[str, str], int] = {
    ("message", "customer"): 34,
    ("message", "agent"): 17,
    ("message", "assist"): 6,
    ("message", "bot"): 11,
    ("message", "system"): 3,
    ("conversation", "assigned"): 6,
    ("conversation", "transferred"): 3,
    ("conversation", "handed_back"): 3,
    ("conversation", "closed"): 3,
    ("conversation", "opened"): 1,
    ("conversation", "reopened"): 1,
    ("order", ""): 5,
    ("dispute", ""): 3,
    ("refund", ""): 2,
    ("complaint", ""): 1,
    ("rating", ""): 1,
    ("agent", ""): 1,
    ("heartbeat", ""): 1,
}
# The robot serves and somebody takes over or not: the sequences on which the human stage turns.
FOLLOWS: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("message", "customer"): (("message", "bot"), ("message", "bot"), ("conversation", "assigned")),
    ("message", "bot"): (
        ("conversation", "assigned"),
        ("conversation", "transferred"),
        ("conversation", "closed"),
        ("conversation", "handed_back"),
        ("message", "assist"),
    ),
    ("conversation", "closed"): (("conversation", "assigned"), ("message", "customer")),
    ("conversation", "handed_back"): (("conversation", "assigned"), ("message", "bot")),
    ("conversation", "assigned"): (("message", "customer"), ("message", "bot"), ("message", "agent")),
}


def set_what_happens(rng: random.Random, world: World, event: Event, before: Event | None) -> None:
    """Mostly messages; sometimes what would follow the event before."""
    follows = FOLLOWS.get((before.type, before.actor or before.action), ()) if before else ()
    usual = rng.choices(tuple(HAPPENS), tuple(HAPPENS.values()))[0]
    name, word = rng.choice(follows) if follows and rng.random() < 0.3 else usual
    fields: dict[str, object] = {"type": name}
    if name in ("message", "conversation", "complaint", "rating"):
        fields["customer_id"] = rng.choice(world.customers)
        fields["exclude"] = rng.choice(("spam", True)) if rng.random() < 0.01 else ""
    else:
        fields["conversation_id"] = ""
    if name == "message":
        fields["actor"] = word
    elif name in ACTIONS:
        fields["action"] = word or rng.choice(sorted(ACTIONS[name]))
    if name in ("agent", "conversation") or word in ("agent", "assist", "bot"):
        fields["agent_id"] = rng.choice(world.agents)
    if name in ("order", "dispute", "refund"):
        fields["order_id"] = rng.choice(world.orders)
        fields["outcome"] = rng.choice(("", "refunded", "refused"))
    if name == "rating":
        fields["score"] = rng.randint(1, 5)
    if name == "heartbeat":
        fields["platform"] = fields["shop_id"] = ""
    for field_name, value in fields.items():
        setattr(event, field_name, value)


def random_arrival(rng: random.Random, world: World, event: Event, at: int) -> int:
    """At once, a little late, at the edges of lateness, hours late, or before it happened."""
    luck = rng.random()
    if event.conversation_id == "backfilled" and world.mischief.late:
        return at + world.backfill_ms
    if world.mischief.late and luck < 0.25:
        return at + rng.choice((rng.randrange(LATENESS_MS), LATENESS_MS, LATENESS_MS - 1))
    if world.mischief.late and luck < 0.32:
        closing = (
            rng.choice(world.edges_ms) + DAY + rng.choice((-1, 0, 1))
        )  # of a day, if the edge is a midnight
        hours = rng.choice((LATENESS_MS + 1, 2 * LATENESS_MS, rng.randrange(DAY), rng.randrange(3 * DAY)))
        return closing if closing > at and rng.random() < 0.3 else at + hours
    if world.mischief.ahead and luck < 0.38:
        return at - rng.choice((1, rng.randrange(AHEAD_MS), AHEAD_MS, AHEAD_MS + 1))
    return at + rng.choice((0, 0, 1, rng.randrange(2 * SECOND)))


# Streams


@dataclass(frozen=True)
class Case:
    """Packs by platform and a stream with non-decreasing arrival."""

    world: World
    stream: Stream

    @property
    def packs(self) -> dict[str, list[Pack]]:
        return self.world.packs


def in_order(stream: Stream) -> Stream:
    """By arrival; what arrives in one millisecond keeps its order."""
    return sorted(stream, key=lambda pair: pair[0])


def stream_of(seeds: Sequence[int], world: World) -> Stream:
    """One event for each seed."""
    stream: Stream = []
    for seed in seeds:
        stream.append(random_event(random.Random(seed), world, stream))
    return in_order(stream)


def random_case(seed: int, *, size: int = 150, mischief: Mischief | None = None) -> Case:
    """Packs and a stream of ``size`` events from one seed."""
    rng = random.Random(seed)
    world = random_world(rng, mischief)
    return Case(world, stream_of([rng.getrandbits(32) for _ in range(size)], world))


@st.composite
def cases(draw: st.DrawFn, *, max_size: int = 80, mischief: Mischief | None = None) -> Case:
    """Packs and a stream; shrinks to few events."""
    seeds = st.integers(0, 2**32 - 1)
    world = random_world(random.Random(draw(seeds)), mischief)
    return Case(world, stream_of(draw(st.lists(seeds, min_size=1, max_size=max_size)), world))


@st.composite
def packs(draw: st.DrawFn, platform: str = "pinduoduo") -> list[Pack]:
    """The versions of one platform's pack."""
    return random_packs(random.Random(draw(st.integers(0, 2**32 - 1))), platform)


def batched(stream: Stream, rng: random.Random) -> list[Stream]:
    """The same stream in batches of random sizes."""
    rest, batches = list(stream), []
    while rest:
        size = rng.choice((1, 1, 2, 5, 20, len(rest)))
        batches.append(rest[:size])
        rest = rest[size:]
    return batches


def without_reused_ids(stream: Stream) -> Stream:
    """Only events whose id names one content; what the order of arrival decides is left out."""
    contents = {(e.platform, e.shop_id, e.id, msgspec.json.encode(e)) for _, e in stream}
    names = Counter(content[:3] for content in contents)
    return [(arrival, e) for arrival, e in stream if names[e.platform, e.shop_id, e.id] == 1]


def at_once(stream: Stream) -> Stream:
    """Each event arrives when it happens."""
    return in_order([(int(e.at), e) for _, e in without_reused_ids(stream)])


def shuffled_within_lateness(
    stream: Stream, rng: random.Random, *, lateness_ms: int = LATENESS_MS, margin_ms: int = SECOND
) -> Stream:
    """The same events, each arriving 0 to ``lateness_ms - margin_ms`` after it happened.

    Any two shuffles of a stream, and ``at_once`` of it, give the same figures once everything has arrived;
    only ``waiting`` may differ until lateness after the last arrival, since a round is settled by arrival
    (decision 3). Reused ids are left out. A shuffle need not equal the stream itself, which may hold what is
    dropped as late.
    """
    worst = lateness_ms - margin_ms
    delayed = [
        (int(e.at) + rng.choice((0, worst, rng.randint(0, worst))), e) for _, e in without_reused_ids(stream)
    ]
    rng.shuffle(delayed)
    return in_order(delayed)
