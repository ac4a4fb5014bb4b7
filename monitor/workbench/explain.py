"""The units behind a figure: who asked, when, how long, by whom, and why it counts or does not.

The units are made from the engine's own rounds and add up to its figure; ``Explained.figure`` is that sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from monitor.engine import figures
from monitor.engine.fold import NOBODY
from monitor.engine.keys import key_of
from monitor.engine.messages import MessageTally
from monitor.engine.orders import FORMING
from monitor.engine.rounds import GOOD, LATE, NONE, OPEN, UNASSIGNED
from monitor.engine.tracks import ANSWERERS
from monitor.engine.units import UnitTally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.engine.conversation import Conversation
    from monitor.engine.day import Day
    from monitor.engine.events import Event
    from monitor.engine.keys import Keys
    from monitor.engine.rounds import Round
    from monitor.engine.tallies import Tally
    from monitor.engine.tracks import Track
    from monitor.workbench.witness import Witness

STATES = {OPEN: "open", LATE: "late", GOOD: "good"}
ROBOT = "served by the robot alone"


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """One wait of a customer, or what would have been one or have ended it. Times are epoch milliseconds."""

    conversation: str
    customer: str
    ask_ms: int | None  # of an order's or a conversation's event its time; None: an answer that was not taken
    answer_ms: int | None = None
    wait_ms: int | None = None  # from ask to answer, or to the clock
    by: str = ""  # the agent who answered; where what was not taken names none: agent, assist or bot
    holder: str = ""  # who held the conversation at the deadline, where it was missed
    state: str = ""  # good, late, open; empty where it does not count
    why: str = ""


class Unit(msgspec.Struct, frozen=True):
    """What the figure counts, and the waits that decide about it."""

    unit: str
    state: str
    waits: list[Wait]


class Explained(msgspec.Struct, frozen=True):
    """A figure of a service day: its parts, the units that add up to them, and what was left out."""

    figure: dict[str, int]
    units: list[Unit]
    left_out: list[Wait]


def explain(witness: Witness, measure: str, number: int) -> Explained:
    """Explain a measure of the witness's shop on a service day that is kept."""
    shop = witness.shop
    day = shop.days.get(number) if shop is not None else None
    if day is None:
        return Explained({}, [], [])
    tally = figures.tally_of(day, measure)
    if tally is not None:
        return _reply_rate(witness, day, tally)
    answers = figures.answers_of(day, measure)
    if answers is not None:
        return _response_time(witness, day, answers.track)
    for spec, disputed in zip(day.spec.orders, day.disputed, strict=True):
        if spec.measure == measure:
            return _orders(witness, day, spec.event, disputed)
    return Explained({}, [], [])


# reply rates


def _reply_rate(witness: Witness, day: Day, tally: Tally) -> Explained:
    track = next(track for track in day.tracks if tally in track.tallies)
    index = track.tallies.index(tally)
    now_ms = witness.shard.now_ms
    units: dict[str, list[tuple[tuple[object, ...], Wait]]] = {}
    left_out = _not_counted(witness, day, track)
    for conversation, r in _rounds(day, track):
        if r.ask_ms < 0:
            continue
        mark = r.mark(index)
        if mark == NONE:
            left_out.append(_wait(conversation, r, r.ask_ms, now_ms, why=ROBOT))
        elif isinstance(tally, MessageTally):
            for place, ask_ms in enumerate(map(r.message_ms, range(r.messages()))):
                answered = GOOD if tally.answers(r) else OPEN
                state = LATE if place < mark - 1 else answered
                wait = _judged(conversation, r, tally, ask_ms, state, now_ms)
                units[f"{conversation.id} {len(units)}"] = [((ask_ms,), wait)]
        else:
            wait = _judged(conversation, r, tally, r.ask_ms, mark, now_ms)
            key = tally.unit_of(r) if isinstance(tally, UnitTally) else f"{conversation.id} {len(units)}"
            units.setdefault(key, []).append(((r.ask_ms, r.key or ()), wait))
    made = [_unit(key, waits, tally) for key, waits in units.items()]
    made.sort(key=lambda unit: (unit.waits[0].ask_ms, unit.unit))
    states = [unit.state for unit in made]
    figure = {"asked": len(made), "late": states.count("late"), "open": states.count("open")}
    return Explained(figure, made, left_out)


def _unit(key: str, waits: list[tuple[tuple[object, ...], Wait]], tally: Tally) -> Unit:
    waits.sort(key=lambda pair: pair[0])
    found = [wait for _, wait in waits]
    deciding = found[:1] if tally.spec.first_round else found
    states = {wait.state for wait in deciding}
    state = next(state for state in ("late", "open", "good") if state in states)
    if tally.spec.first_round:
        found[1:] = [
            msgspec.structs.replace(wait, state="", why="only the first round of its unit decides")
            for wait in found[1:]
        ]
    name = key.lstrip(NOBODY) if isinstance(tally, UnitTally) else found[0].conversation
    return Unit(name, state, found)


def _judged(conversation: Conversation, r: Round, tally: Tally, ask_ms: int, mark: int, now_ms: int) -> Wait:
    """A counted wait, and who held the conversation when it became late."""
    deadline_ms = ask_ms + tally.within_ms
    why = {
        GOOD: "answered in time",
        OPEN: "still waiting",
        LATE: "answered late" if tally.answers(r) else "not answered",
    }[mark]
    if mark == LATE and r.overnight and not tally.answers(r):
        why = "answered after its day and deadline"
    holder = conversation.holder_at(deadline_ms, r.day) if mark == LATE else ""
    return _wait(conversation, r, ask_ms, now_ms, holder=holder, state=STATES[mark], why=why)


# response times


def _response_time(witness: Witness, day: Day, track: Track) -> Explained:
    now_ms = witness.shard.now_ms
    units: list[Unit] = []
    left_out = _not_counted(witness, day, track)
    for conversation, r in _rounds(day, track):
        if r.ask_ms < 0:
            continue
        if r.answers_in_time():
            wait = _wait(conversation, r, r.ask_ms, now_ms, state="good", why="answered")
            units.append(Unit(conversation.id, "good", [wait]))
        else:
            why = "answered too long after its day" if r.answer_ms >= 0 else "not answered"
            left_out.append(_wait(conversation, r, r.ask_ms, now_ms, why=why))
    units.sort(key=lambda unit: (unit.waits[0].ask_ms, unit.unit))
    waits = [unit.waits[0].wait_ms or 0 for unit in units]
    figure = {"count": len(waits), "sum_ms": sum(waits), "max_ms": max(waits, default=0)}
    return Explained(figure, units, left_out)


# order rates


def _orders(witness: Witness, day: Day, event_name: str, with_event: Keys) -> Explained:
    """Orders first formed that day, and orders with the event; an order may be either or both."""
    waits: dict[str, list[Wait]] = {}
    left_out: list[Wait] = []
    for event in witness.accepted:
        what = f"{event.type}.{event.action}"
        if not event.order_id or not _on(day, event) or (what not in FORMING and what != event_name):
            continue
        key, wait = key_of(event.order_id), _left(event, what)
        if what in FORMING and key not in day.formed:
            left_out.append(msgspec.structs.replace(wait, why="the order was formed on an earlier day"))
        elif what == event_name and key not in with_event:
            left_out.append(msgspec.structs.replace(wait, why=f"{what} with another outcome"))
        else:
            waits.setdefault(event.order_id, []).append(wait)
    units = [
        Unit(order, "counted" if key_of(order) in with_event else "formed", found)
        for order, found in waits.items()
    ]
    of = sum(key_of(order) in day.formed for order in waits)
    return Explained({"count": sum(unit.state == "counted" for unit in units), "of": of}, units, left_out)


# what they share


def _rounds(day: Day, track: Track) -> Iterator[tuple[Conversation, Round]]:
    for conversation in day.shop.every_conversation():
        for r in conversation.rounds:
            if r.track is track:
                yield conversation, r


def _wait(
    conversation: Conversation,
    r: Round,
    ask_ms: int,
    now_ms: int,
    *,
    holder: str = "",
    state: str = "",
    why: str,
) -> Wait:
    answered = r.answer_ms >= 0
    return Wait(
        conversation=conversation.id,
        customer=r.customer if not r.customer.startswith(NOBODY) else "",
        ask_ms=ask_ms,
        answer_ms=r.answer_ms if answered else None,
        wait_ms=(r.answer_ms if answered else max(now_ms, ask_ms)) - ask_ms,
        by=r.by,
        holder="" if holder == UNASSIGNED else holder,
        state=state,
        why=why,
    )


def _not_counted(witness: Witness, day: Day, track: Track) -> list[Wait]:
    """Customer messages of the day that no counted round has, each with the reason, in order."""
    rounds: dict[str, list[Round]] = {}
    excluded = {e.conversation_id for e in witness.accepted if e.exclude and _on(day, e)}
    for conversation, r in _rounds(day, track):
        rounds.setdefault(conversation.id, []).append(r)
    found = [
        _left(event, why)
        for event in witness.accepted
        if event.type == "message" and event.actor == "customer" and _on(day, event)
        if (why := _why_not(event, rounds.get(event.conversation_id, ()), excluded, track, day))
    ]
    found += [
        _refused(event, why)
        for event, why in witness.left_out
        if event.type in ("message", "conversation") and _on(day, event)
    ]
    return sorted(found, key=lambda wait: (wait.ask_ms or wait.answer_ms, wait.conversation))


def _why_not(
    event: Event, rounds: list[Round] | tuple[()], excluded: set[str], track: Track, day: Day
) -> str:
    """Why a customer message counts in no round; empty if it does."""
    assert isinstance(event.at, int)
    if event.conversation_id in excluded:
        return "its conversation was excluded"
    mine = next(
        (r for r in rounds if r.opened_ms <= event.at <= (r.answer_ms if r.answer_ms >= 0 else event.at)),
        None,
    )
    if mine is None:
        return ROBOT
    if track.session_start:
        return "" if mine.ask_ms >= 0 else "its session began outside service hours"
    return "" if track.in_hours(day.of_day(event.at)) else "outside service hours"


def _left(event: Event, why: str) -> Wait:
    assert isinstance(event.at, int)
    return Wait(conversation=event.conversation_id, customer=event.customer_id, ask_ms=event.at, why=why)


def _refused(event: Event, why: str) -> Wait:
    """What was not taken: it would have asked or, of agent, assist and bot, have answered."""
    left = _left(event, why)
    if event.type != "message" or event.actor not in ANSWERERS:
        return left
    by = event.agent_id or event.actor
    return msgspec.structs.replace(left, ask_ms=None, answer_ms=left.ask_ms, by=by)


def _on(day: Day, event: Event) -> bool:
    return isinstance(event.at, int) and day.start_ms <= event.at < day.end_ms
