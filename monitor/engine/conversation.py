"""One customer with one shop: what happened, in order, folded into rounds.

Theory of operation. A conversation is a **base** (bytes: everything up to some entry, folded for good) and the
**entries** since, in event order. What is counted is always the fold of base and entries. Nearly every event comes in
order and is folded onto what stands. One that does not takes every round's contribution back, is put in its place, and
all is folded again from the base: the figures are then those of a run that saw the events in order.

The base moves up behind the lateness, by packing what stands every ``CHECKPOINT`` entries and adopting that once
all before it is final. A conversation in which nothing can change for a while is packed whole (``pack``) and rests in
the shop's table until something happens in it again (``unpack``).

Stages (only tracks with ``human_stage``): a service day begins in the robot's stage. A hand-over, or a message of agent
or assist, begins the human stage; ``closed`` and ``handed_back`` end it.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

import msgspec

from monitor.engine.events import order_of
from monitor.engine.rounds import UNASSIGNED, Round

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.shop import Shop

CHECKPOINT = 40  # entries between two packings of a long conversation

CUSTOMER, AGENT, ASSIST, BOT, HANDOVER, BACK, OTHER = range(7)
NOBODY = "\0"  # before a conversation's id: a customer without a name, never equal to one (ids hold no NUL)
ACTOR = {AGENT: "agent", ASSIST: "assist", BOT: "bot"}

# (at, seq, id, arrival, operation, agent, customer, exclude)
Entry = tuple[int, int, str, int, int, str, str, bool]


class RoundRow(msgspec.Struct, array_like=True):
    """A round at rest. Times are relative to the midnight that begins its day."""

    day: int
    track: int
    opened: int
    ask: int
    answer: int
    by: str
    customer: str
    arrival: int
    flags: int  # 1 robot, 2 overnight, 4 in the open list
    served: int
    asks: list[int] | None
    marks: list[int] | None  # of a round whose answer does not tell them
    key: tuple[int, int, str] | None


class ConversationRow(msgspec.Struct, array_like=True):
    """A conversation at rest."""

    id: str
    day: int
    last: tuple[int, int, str]
    customer: str
    flags: int  # 1 human stage, 2 excluded
    written: int
    first_ms: int
    holders: list[tuple[int, str, bool]]
    rounds: list[RoundRow]


_encode = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(ConversationRow).decode


def _order(entry: Entry) -> tuple[int, int, int, int, str]:
    return order_of(entry[0], entry[1], entry[2])


class Conversation:
    """A conversation in which something may still change."""

    __slots__ = (
        "base",
        "base_last",
        "checkpoint",
        "customer",
        "day",
        "entries",
        "excluded",
        "first_ms",
        "holders",
        "human",
        "id",
        "latest_ms",
        "open",
        "rounds",
        "shop",
        "written",
    )

    def __init__(self, shop: Shop, conversation_id: str) -> None:
        self.shop = shop
        self.id = conversation_id
        self.base: bytes | None = None
        self.base_last: tuple[int, int, str] | None = None  # order of the last entry in the base
        self.entries: list[Entry] = []
        self.checkpoint: tuple[bytes, int] | None = None  # packed after so many of the entries
        self.latest_ms = 0  # the latest time or arrival of an entry: all is final lateness after it
        self._begin()

    def _begin(self) -> None:
        self.day: Day | None = None
        self.customer = ""
        self.human = False
        self.written = 0  # tracks in whose hours the customer wrote since agent or assist did
        self.first_ms = -1  # the customer's first message of the day
        self.excluded = False
        self.holders: list[tuple[int, str, bool]] = []  # (since, agent, was assigned)
        self.rounds: list[Round] = []
        self.open: list[Round] = []  # those that may still be answered

    # -- taking an entry -----------------------------------------------------------------------------------------

    def add(self, entry: Entry, now_ms: int) -> bool:
        """Fold an entry where it belongs.

        Returns:
            False when it is too late: an equal or later one is in the base (decision 1).
        """
        entries = self.entries
        latest_ms = entry[3] if entry[3] > entry[0] else entry[0]
        if latest_ms > self.latest_ms:
            self.latest_ms = latest_ms
        last = entries[-1] if entries else self.base_last
        if last is None or entry[0] > last[0] or _order(entry) > order_of(last[0], last[1], last[2]):
            entries.append(entry)
            self.fold(entry, now_ms)
            if len(entries) >= CHECKPOINT:
                self._move_base(now_ms)
            return True
        if self._is_dropped(entry, now_ms):
            return False
        self._insert(entry, now_ms)
        return True

    def _is_dropped(self, entry: Entry, now_ms: int) -> bool:
        oldest_ms = now_ms - self.shop.spec.lateness_ms
        order = _order(entry)
        if self.base_last is not None and order <= order_of(*self.base_last):
            return True
        if any(known[:3] == entry[:3] for known in self.entries):
            return True  # a repeat whose id was forgotten
        if entry[0] >= oldest_ms:
            return False
        for known in self.entries:
            if known[0] >= oldest_ms or known[3] >= oldest_ms:
                return False
            if _order(known) >= order:
                return True
        return False

    def _insert(self, entry: Entry, now_ms: int) -> None:
        insort(self.entries, entry, key=_order)
        day = self.day
        assert day is not None
        late = day.late()
        for r in reversed(self.rounds):
            r.unbook()
            r.conversation = None
        self.checkpoint = None
        self._begin()
        if self.base is not None:
            self._restore(decode_row(self.base))
            for r in self.rounds:
                r.marks = [0] * len(r.marks)
                r.blame = None
                r.book(now_ms)
                if r.ask_ms >= 0 and r.answer_ms < 0:
                    self.shop.arm(r, now_ms)
                    for ask_ms in r.asks or (r.ask_ms,):
                        self.shop.arm_marks(r, ask_ms, now_ms)
        for known in self.entries:
            if self.shop.takes(known[0], now_ms):  # a closed day left nothing that could change
                self.fold(known, now_ms)
        if day.late() < late:
            self.shop.retracted = True
        self.shop.touched()

    def _move_base(self, now_ms: int) -> None:
        oldest_ms = now_ms - self.shop.spec.lateness_ms
        if self.checkpoint is not None:
            packed, count = self.checkpoint
            if self.entries[count - 1][0] >= oldest_ms:
                return
            if any(known[0] >= oldest_ms or known[3] >= oldest_ms for known in self.entries[:count]):
                return
            last = self.entries[count - 1]
            self.base, self.base_last = packed, (last[0], last[1], last[2])
            del self.entries[:count]
        self.checkpoint = (self.pack(), len(self.entries))

    # -- the fold ------------------------------------------------------------------------------------------------

    def fold(self, entry: Entry, now_ms: int) -> None:
        """Fold one entry onto what stands; it is later in order than all before it."""
        at, _, _, arrival, operation, agent, customer, exclude = entry
        day = self.day
        if day is None or at >= day.end_ms:
            day = self._enter(at)
        if customer and not self.customer:
            self.customer = customer
        if exclude and not self.excluded:
            self._exclude(day)
        if operation == CUSTOMER:
            self._ask(day, entry, now_ms)
        elif operation == OTHER:
            return
        elif operation == BACK:
            self.human = False
            self.written = 0
        else:
            if agent and (operation == AGENT or operation == HANDOVER):
                self._hold(at, agent, operation == HANDOVER, now_ms)
            if operation == HANDOVER:
                self._hand_over(day, entry, now_ms)
            elif self.open:
                self._answer(day, at, arrival, operation, agent)
            if operation != BOT:
                self.human = True
                if operation != HANDOVER:
                    self.written = 0

    def _enter(self, at_ms: int) -> Day:
        """Begin a service day: in the robot's stage, with nothing written and nobody known."""
        day = self.day = self.shop.day_at(at_ms)
        self.customer = ""
        self.human = False
        self.written = 0
        self.first_ms = -1
        self.excluded = False
        if self.rounds:
            keeps = self.shop.keeps
            self.rounds = [r for r in self.rounds if keeps(r.day.number)]
            self.open = [r for r in self.open if r.ask_ms >= 0 and keeps(r.day.number)]
        return day

    def _ask(self, day: Day, entry: Entry, now_ms: int) -> None:
        at = entry[0]
        of_day = at - day.start_ms if day.plain else day.of_day(at)
        if self.first_ms < 0:
            self.first_ms = of_day
        for index, track in enumerate(day.spec.tracks):
            hours = track.in_hours(of_day)
            if hours:
                self.written |= 1 << index
            counts = track.in_hours(self.first_ms) if track.session_start else hours
            counts = counts and not self.excluded
            r = self._open_round(day, index)
            if r is not None and entry[3] > day.settles_ms and day.is_settled(r, entry[3]):
                self.open.remove(r)
                r = None
            if r is None:
                self._open(day, index, entry, self.human, counts, now_ms)
                continue
            r.arrival_ms = entry[3]
            if track.waiting and r.ask_ms >= 0 and now_ms > day.settles_ms:
                day.wait_for(r, now_ms)
            if not counts:
                continue
            if r.ask_ms < 0:
                if not track.session_start:
                    self._count(r, at, now_ms)
            elif r.asks is not None:
                r.asks.append(at)
                for position, tally in enumerate(day.tallies[index]):
                    tally.joined(r, position, now_ms)
                self.shop.arm(r, now_ms)
                if track.marked:
                    self.shop.arm_marks(r, at, now_ms)

    def _open_round(self, day: Day, track: int) -> Round | None:
        for r in self.open:
            if r.track == track and r.day is day:
                return r
        return None

    def _open(self, day: Day, track: int, entry: Entry, human: bool, counts: bool, now_ms: int) -> None:
        r = Round(self, day, track, entry[0], self.customer or NOBODY + self.id)
        r.arrival_ms = entry[3]
        r.robot = not human
        if day.keyed:
            r.key = _order(entry)
        self.rounds.append(r)
        self.open.append(r)
        if counts:
            self._count(r, entry[0], now_ms)

    def _count(self, r: Round, ask_ms: int, now_ms: int) -> None:
        day = r.day
        r.ask_ms = ask_ms
        spec = day.spec.tracks[r.track]
        if spec.messages:
            r.asks = [ask_ms]
        for index, tally in enumerate(day.tallies[r.track]):
            tally.opened(r, index, now_ms)
        if spec.waiting:
            day.wait_for(r, now_ms)
        self.shop.arm(r, now_ms)
        if spec.marked:
            self.shop.arm_marks(r, ask_ms, now_ms)

    def _hand_over(self, day: Day, entry: Entry, now_ms: int) -> None:
        """The robot hands the customer to a human: what is unanswered since opens a round."""
        for r in self.open:
            r.robot = False
        if not self.written:
            return
        of_day = day.of_day(entry[0])
        for index, track in enumerate(day.spec.tracks):
            if (
                track.human_stage
                and track.handover_opens
                and self.written >> index & 1
                and track.in_hours(of_day)
                and self._open_round(day, index) is None
            ):
                counts = not self.excluded and (not track.session_start or track.in_hours(self.first_ms))
                self._open(day, index, entry, True, counts, now_ms)

    def _answer(self, day: Day, at: int, arrival: int, operation: int, agent: str) -> None:
        still_open = []
        for r in self.open:
            track = r.day.spec.tracks[r.track]
            if operation == BOT and track.human_stage and r.robot and not self.human:
                ends = True
            elif ACTOR[operation] in track.answered_by:
                ends = False
            else:
                if operation != BOT:
                    r.robot = False
                still_open.append(r)
                continue
            if r.day is not day or arrival > r.day.settles_ms:
                if not self._reaches(r, at, arrival):
                    if not r.day.is_settled(r, arrival):
                        still_open.append(r)
                    continue
                r.overnight = r.day is not day
            if ends:
                self._serve(r, at)
            else:
                r.answer_ms = at
                r.by = agent
                if r.ask_ms >= 0:
                    r.book_answer()
                    self.shop.touched()
        self.open = still_open

    def _reaches(self, r: Round, at: int, arrival: int) -> bool:
        """Whether something at ``at`` can still change a round of an earlier day, or one that may be settled."""
        if r.day.is_settled(r, arrival):
            return False
        return at < r.day.end_ms or at <= r.day.last_deadline_ms(r)

    def _serve(self, r: Round, at: int) -> None:
        """The robot alone served the round: it is not counted."""
        if r.overnight:
            r.served_ms = at
            if r.ask_ms >= 0:
                for index, tally in enumerate(r.day.tallies[r.track]):
                    if at <= tally.last_deadline_ms(r):
                        tally.removed(r, index)
                if r.day.spec.tracks[r.track].waiting and not r.waits():
                    r.day.waiting.pop(self.id, None)
            return
        late = r.day.late()
        r.unbook()
        if r.day.late() < late:
            self.shop.retracted = True
        r.conversation = None
        self.rounds.remove(r)
        self.shop.touched()

    def _exclude(self, day: Day) -> None:
        """Spam, abuse, blacklist: out of this day's figures, what was counted before included."""
        self.excluded = True
        for r in reversed(self.rounds):
            if r.day is day:
                r.unbook()
                r.ask_ms = -1
                r.asks = None
                r.marks = [0] * len(r.marks)
        self.shop.touched()

    # -- who holds it --------------------------------------------------------------------------------------------

    def _hold(self, at: int, agent: str, assigned: bool, now_ms: int) -> None:
        holders = self.holders
        assert self.day is not None
        for since, holder, was_assigned in reversed(holders):
            if was_assigned == assigned:
                if holder == agent and since >= self.day.start_ms:
                    return
                break
        holders.append((at, agent, assigned))
        if at < now_ms and self.open:
            for r in self.open:
                if r.ask_ms >= 0:
                    for index, tally in enumerate(r.day.tallies[r.track]):
                        tally.reblame(r, index)

    def holder_at(self, at_ms: int, day: Day) -> str:
        """Who held the conversation at a moment, for a round of ``day`` (decision 6)."""
        wrote = ""
        for since, agent, assigned in reversed(self.holders):
            if since < day.start_ms:
                break
            if since <= at_ms and since < day.end_ms:
                if assigned:
                    return agent
                wrote = wrote or agent
        return wrote or UNASSIGNED

    # -- at rest -------------------------------------------------------------------------------------------------

    def pack(self) -> bytes:
        """Everything up to the last entry, as bytes."""
        day = self.day
        assert day is not None
        entries = self.entries
        last = entries[-1][:3] if entries else self.base_last
        assert last is not None
        open_rounds = set(map(id, self.open))
        rows = [self._row(r, id(r) in open_rounds) for r in self.rounds]
        flags = self.human | self.excluded << 1
        return _encode(
            ConversationRow(
                self.id,
                day.number,
                last,
                self.customer,
                flags,
                self.written,
                self.first_ms,
                self._held(day),
                rows,
            )
        )

    def _held(self, day: Day) -> list[tuple[int, str, bool]]:
        """The holders that a round of this day or the one before can ask for."""
        first_ms = day.start_ms - 86_400_000
        return [holder for holder in self.holders if holder[0] >= first_ms]

    def _customer_unit(self) -> str:
        return self.customer or NOBODY + self.id

    def _row(self, r: Round, is_open: bool) -> RoundRow:
        start = r.day.start_ms
        return RoundRow(
            r.day.number,
            r.track,
            r.opened_ms - start,
            r.ask_ms - start if r.ask_ms >= 0 else -1,
            r.answer_ms - start if r.answer_ms >= 0 else -1,
            r.by,
            "" if r.customer == self._customer_unit() else r.customer,
            r.arrival_ms - start,
            r.robot | r.overnight << 1 | is_open << 2,
            r.served_ms - start if r.served_ms >= 0 else -1,
            [ask - start for ask in r.asks] if r.asks is not None else None,
            list(r.marks) if r.answer_ms < 0 or r.overnight else None,
            (r.key[0], r.key[1], r.key[4]) if r.key is not None else None,
        )

    @classmethod
    def woken(cls, shop: Shop, packed: bytes) -> Conversation:
        """A conversation as it was packed."""
        conversation = cls(shop, decode_row(packed).id)
        conversation.unpack(packed)
        return conversation

    def unpack(self, packed: bytes) -> None:
        """Wake up as packed: counted already, nothing is counted again."""
        row = decode_row(packed)
        self.base, self.base_last = packed, row.last
        self._restore(row)

    def _restore(self, row: ConversationRow) -> None:
        shop = self.shop
        if not shop.keeps(row.day):
            return
        self.day = shop.day(row.day)
        self.customer = row.customer
        self.human = bool(row.flags & 1)
        self.excluded = bool(row.flags & 2)
        self.written = row.written
        self.first_ms = row.first_ms
        self.holders = list(row.holders)
        for packed in row.rounds:
            if not shop.keeps(packed.day):
                continue
            day = shop.day(packed.day)
            start = day.start_ms
            r = Round(
                self, day, packed.track, start + packed.opened, packed.customer or self._customer_unit()
            )
            r.key = order_of(*packed.key) if packed.key is not None else None
            r.ask_ms = start + packed.ask if packed.ask >= 0 else -1
            r.answer_ms = start + packed.answer if packed.answer >= 0 else -1
            r.by = packed.by
            r.arrival_ms = start + packed.arrival
            r.robot, r.overnight = bool(packed.flags & 1), bool(packed.flags & 2)
            r.served_ms = start + packed.served if packed.served >= 0 else -1
            r.asks = [start + ask for ask in packed.asks] if packed.asks is not None else None
            self.rounds.append(r)
            if packed.flags & 4:
                self.open.append(r)
            if r.ask_ms >= 0:
                self._remark(r, packed.marks)

    @staticmethod
    def _remark(r: Round, marks: list[int] | None) -> None:
        tallies = r.day.tallies[r.track]
        r.marks = list(marks) if marks is not None else [tally.mark(r) for tally in tallies]
        blame = [tally.blamed(r, index) if tally.by_agent else [] for index, tally in enumerate(tallies)]
        r.blame = blame if any(blame) else None

    # -- timers --------------------------------------------------------------------------------------------------

    def due(self, now_ms: int) -> None:
        """Rest if nothing can change; else look again when it might."""
        shop = self.shop
        if shop.conversations.get(self.id) is not self:
            return
        again_ms = self.latest_ms + shop.spec.lateness_ms
        if again_ms < now_ms:
            for r in self.open:
                r.judge(now_ms)
                deadline_ms = r.next_deadline_ms(now_ms) if r.ask_ms >= 0 else None
                if deadline_ms is not None and deadline_ms > again_ms:
                    again_ms = deadline_ms
        if again_ms >= now_ms:
            shop.wheel.after(again_ms, self)
        else:
            shop.rest(self)
