"""The rounds of one conversation on one service day, for one measure, by definition (design §5).

Readings taken where the text admits two are listed in ``naive.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from monitor.engine.events import Event
from tests.oracle.days import DayRule, service_day

HANDOVERS = ("assigned", "transferred")


@dataclass(frozen=True)
class Heard:
    """An accepted event and the clock when it arrived."""

    event: Event
    arrival_ms: int

    @property
    def at(self) -> int:
        return int(self.event.at)

    @cached_property
    def order(self) -> tuple[int, int, int, int, str]:
        """By ``at``, ``seq``, ``id``; ids of digits by value and before all others."""
        digits = self.event.id.isascii() and self.event.id.isdigit()
        number = int(self.event.id) if digits else 0
        return (self.at, self.event.seq, 0 if digits else 1, number, self.event.id)

    def message_of(self, *actors: str) -> bool:
        return self.event.type == "message" and self.event.actor in actors

    def does(self, *actions: str) -> bool:
        return self.event.type == "conversation" and self.event.action in actions


@dataclass
class Round:
    """Opens at a customer message nobody has answered, closes at the first answer that counts."""

    rule: DayRule
    conversation: Sequence[Heard]  # all its events, in event order
    customer: tuple[str, str]
    session_in_hours: bool
    robot: bool  # opened in the robot's stage and not handed over since
    messages: list[Heard] = field(
        default_factory=list
    )  # customer messages, or the hand-over that stands for one
    answer: Heard | None = None
    served: bool = False  # closed uncounted by the robot

    @property
    def asked(self) -> list[Heard]:
        """The messages that count if the round does."""
        if self.rule.measure.hours_by == "session_start":
            return self.messages if self.session_in_hours else []
        return [m for m in self.messages if self.rule.in_hours(m.at)]

    @property
    def last_change_ms(self) -> int:
        """The last millisecond whose events can change the round."""
        return self._last_change_ms(self.rule)

    def _last_change_ms(self, rule: DayRule) -> int:
        last_of_day = rule.midnight_ms - 1
        if not self.asked:
            return last_of_day
        per_message = rule.measure.kind == "reply_rate" and rule.measure.unit == "message"
        judged = self.asked[-1] if per_message else self.asked[0]
        return max(last_of_day, judged.at + rule.limit_ms)

    def is_settled(self, clock_ms: int, lateness_ms: int) -> bool:
        """For its own measure: it waits no longer."""
        return clock_ms > max(self.last_change_ms, self.messages[-1].arrival_ms) + lateness_ms

    def is_forgotten(self, clock_ms: int, lateness_ms: int) -> bool:
        """For every measure that has the same rounds: they are one round, and settled as one (decision 3)."""
        last_ms = max(self._last_change_ms(rule) for rule in self.rule.alike)
        return clock_ms > max(last_ms, self.messages[-1].arrival_ms) + lateness_ms

    @property
    def is_waiting(self) -> bool:
        return self.answer is None and not self.served

    def can_change(self, by: Heard, lateness_ms: int) -> bool:
        in_time = self.is_waiting and by.at <= self.last_change_ms
        return in_time and not self.is_forgotten(by.arrival_ms, lateness_ms)

    def holder_at(self, deadline_ms: int) -> str:
        """Who is to blame for a miss (decision 6)."""
        today = [h for h in self.conversation if self.rule.is_today(h.at)]
        until = [h for h in today if h.at <= deadline_ms and h.event.agent_id]
        given = [h for h in until if h.does(*HANDOVERS)]
        wrote = [h for h in until if h.message_of("agent")]
        last = (given or wrote)[-1:]
        return last[0].event.agent_id if last else "unassigned"


def customer_of(conversation: Sequence[Heard], opening: Heard, rule: DayRule) -> tuple[str, str]:
    """The first ``customer_id`` on any event of that service day up to the opening, else the conversation."""
    for heard in conversation:
        if heard.order <= opening.order and rule.is_today(heard.at) and heard.event.customer_id:
            return ("customer", heard.event.customer_id)
    return ("conversation", opening.event.conversation_id)


class Walk:
    """Walks one conversation in event order and keeps the rounds opened on the rule's day."""

    def __init__(self, conversation: Sequence[Heard], rule: DayRule, lateness_ms: int) -> None:
        self.conversation = conversation
        self.rule = rule
        self.lateness_ms = lateness_ms
        self.rounds: list[Round] = []
        self.staged = rule.measure.counts == "human_stage"
        self.human = False
        self.wrote = False  # the customer wrote in hours since the last agent or assist

    def run(self) -> list[Round]:
        day = self.rule.day
        for heard in self.conversation:
            days = service_day(heard.at, self.rule.zone)
            if days < self.rule.day:
                continue
            if days != day:
                day, self.human, self.wrote = days, False, False
            self.take(heard, own_day=day == self.rule.day)
        return self.rounds

    def take(self, heard: Heard, *, own_day: bool) -> None:
        open_rounds = [r for r in self.rounds if r.can_change(heard, self.lateness_ms)]
        if heard.message_of("customer") and own_day:
            self.wrote = self.wrote or self.rule.in_hours(heard.at)
            if open_rounds:
                open_rounds[0].messages.append(heard)
            else:
                self.open(heard)
        elif heard.message_of("bot"):
            self.bot_writes(heard, open_rounds)
        elif heard.message_of("agent", "assist"):
            if heard.event.actor in self.rule.measure.answered_by:
                for each in open_rounds:
                    each.answer = heard
            self.hand_over(open_rounds)
            self.wrote = False
        elif heard.does(*HANDOVERS):
            self.hand_over(open_rounds)
            opens = self.staged and self.rule.measure.on_handover == "opens" and own_day
            if opens and self.wrote and not open_rounds and self.rule.in_hours(heard.at):
                self.open(heard)
        elif heard.does("closed", "handed_back"):
            self.human = self.wrote = False

    def open(self, heard: Heard) -> None:
        customer_messages = (
            h for h in self.conversation if h.message_of("customer") and self.rule.is_today(h.at)
        )
        self.rounds.append(
            Round(
                rule=self.rule,
                conversation=self.conversation,
                customer=customer_of(self.conversation, heard, self.rule),
                session_in_hours=self.rule.in_hours(next(customer_messages).at),
                robot=not self.human,
                messages=[heard],
            )
        )

    def hand_over(self, open_rounds: list[Round]) -> None:
        self.human = True
        for each in open_rounds:
            each.robot = False

    def bot_writes(self, heard: Heard, open_rounds: list[Round]) -> None:
        for each in open_rounds:
            if self.staged and not self.human and each.robot:
                each.served = True
            elif "bot" in self.rule.measure.answered_by:
                each.answer = heard


def rounds_of_day(conversation: Sequence[Heard], rule: DayRule, lateness_ms: int) -> list[Round]:
    """Every round the conversation opened on the rule's day, counted or not."""
    return Walk(conversation, rule, lateness_ms).run()


def counted_rounds(conversation: Sequence[Heard], rule: DayRule, lateness_ms: int) -> list[Round]:
    """The rounds a figure is made of: asked in hours, not served by the robot, not exempt, not excluded."""
    excluded = any(h.event.exclude and rule.is_today(h.at) for h in conversation)
    if rule.exempt or excluded:
        return []
    return [r for r in rounds_of_day(conversation, rule, lateness_ms) if r.asked and not r.served]
