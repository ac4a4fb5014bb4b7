"""One customer with one shop: what happened, in order, folded into rounds.

Theory of operation. A conversation is a **base** (bytes: everything up to some entry, folded for good) and
the **entries** since, in event order. What is counted is always the fold of base and entries. Nearly every
event comes in order and is folded onto what stands. One that does not takes every round's contribution
back, is put in its place, and all is folded again from the base: the figures are then those of a run that
saw the events in order.

The base moves up behind the lateness, by packing what stands every ``CHECKPOINT`` entries and adopting that
once all before it is final. A conversation in which nothing can change for a while is packed whole
(``rest.pack``) and rests in the shop's table until something happens in it again (``rest.wake``).
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Final

from monitor.engine import rest
from monitor.engine.entry import Entry
from monitor.engine.fields import order_of
from monitor.engine.fold import Fold
from monitor.engine.wheel import NEVER_MS

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.shop import Shop

CHECKPOINT: Final = 40  # entries between two packings of a long conversation


class Conversation(Fold):
    """A conversation in which something may still change."""

    __slots__ = ("base", "checkpoint", "entries", "last_ms", "latest_ms")

    def __init__(self, shop: Shop, conversation_id: str) -> None:
        super().__init__(shop, conversation_id)
        # Packed, and the order of the last entry in it:
        self.base: tuple[bytes, tuple[int, int, str]] | None = None
        self.entries: tuple[Entry, ...] = ()
        self.checkpoint: tuple[bytes, int] | None = None  # packed after so many of the entries
        self.last_ms = -1  # the time of the last entry
        self.latest_ms = 0  # the latest time or arrival of an entry: all is final lateness after it

    @classmethod
    def woken(cls, shop: Shop, packed: bytes) -> Conversation:
        """A conversation as it was packed: counted already, nothing is counted again."""
        row = rest.decode_row(packed)
        conversation = cls(shop, row.id)
        conversation.base = (packed, rest.last_of(shop, row))
        conversation.last_ms = conversation.base[1][0]
        rest.restore(conversation, row)
        return conversation

    def pack(self) -> bytes:
        """Everything up to the last entry, as bytes."""
        last = self._last()
        assert last is not None
        return rest.pack(self, last)

    def add(self, entry: Entry, now_ms: int) -> bool:
        """Fold an entry where it belongs.

        Returns:
            False when it is too late: an equal or later one is in the base (decision 1).
        """
        at = int(entry.at)
        latest_ms = max(at, int(entry.arrival_ms))
        self.latest_ms = max(self.latest_ms, latest_ms)
        if at > self.last_ms or self._follows(entry):
            self.last_ms = at
            self.entries += (entry,)
            self.fold(entry, now_ms)
            if len(self.entries) >= CHECKPOINT:
                self._move_base(now_ms)
            return True
        if self._is_dropped(entry, now_ms):
            return False
        self._insert(entry, now_ms)
        return True

    def _follows(self, entry: Entry) -> bool:
        """Whether an entry that is not later in time than the last is later in order."""
        last = self._last()
        return last is None or entry.order() > order_of(*last)

    def _last(self) -> tuple[int, int, str] | None:
        """The order of the last entry."""
        if self.entries:
            return self.entries[-1].place()
        return self.base[1] if self.base is not None else None

    def _is_dropped(self, entry: Entry, now_ms: int) -> bool:
        oldest_ms = now_ms - self.shop.lateness_ms
        order, place = entry.order(), entry.place()
        if self.base is not None and order <= order_of(*self.base[1]):
            return True
        if any(known.place() == place for known in self.entries):
            return True  # a repeat whose id was forgotten
        if entry.at >= oldest_ms:
            return False
        for known in self.entries:
            if not known.is_final(oldest_ms):
                return False
            if known.order() >= order:
                return True
        return False

    def _insert(self, entry: Entry, now_ms: int) -> None:
        entries = list(self.entries)
        insort(entries, entry, key=Entry.order)
        self.entries = tuple(entries)
        day = self.day
        assert day is not None
        late = day.late()
        for r in reversed(self.rounds):
            r.unbook()
            r.conversation = None
        self.checkpoint = None
        self.begin()
        if self.base is not None:
            rest.restore(self, rest.decode_row(self.base[0]))
            for r in self.rounds:
                r.marks = 0
                r.blame = None
                r.book(now_ms)
                if r.ask_ms >= 0 and r.answer_ms < 0:
                    self.shop.arm(r, now_ms)
                    self.shop.arm_marks(r, now_ms)
        for known in self.entries:
            if self.shop.takes(int(known.at), now_ms):  # a closed day left nothing that could change
                self.fold(known, now_ms)
        if day.late() < late:
            self.shop.retracted = True
        self.shop.touched()

    def _move_base(self, now_ms: int) -> None:
        oldest_ms = now_ms - self.shop.lateness_ms
        if self.checkpoint is not None:
            packed, count = self.checkpoint
            last = self.entries[count - 1]
            if last.at >= oldest_ms or not all(known.is_final(oldest_ms) for known in self.entries[:count]):
                return
            self.base = (packed, last.place())
            self.entries = self.entries[count:]
        self.checkpoint = (self.pack(), len(self.entries))

    def forget(self, day: Day) -> None:
        """A day is closed: its rounds are only totals now."""
        self.rounds = tuple([r for r in self.rounds if r.day is not day])
        self.open = tuple([r for r in self.open if r.day is not day])

    def leave(self) -> None:
        """Let go of its rounds: the shop has them packed."""
        for r in self.rounds:
            r.conversation = None
        self.rounds = self.open = self.entries = ()
        self.base = self.checkpoint = None

    def is_set(self) -> bool:
        """Whether the shop still holds it."""
        return self.shop.conversations.get(self.id) is self

    def due(self, now_ms: int) -> None:
        """Rest if nothing can change; else look again when it might."""
        shop = self.shop
        if shop.conversations.get(self.id) is not self:
            return
        again_ms = self.latest_ms + shop.lateness_ms
        if again_ms < now_ms:
            for r in self.open:
                if 0 < r.deadline_ms < now_ms:  # once it rests, its own timer means nothing
                    shop.touched()
                r.judge(now_ms)
                deadline_ms = r.next_deadline_ms(now_ms)
                if deadline_ms < NEVER_MS:
                    again_ms = max(again_ms, deadline_ms)
        if again_ms >= now_ms:
            shop.wheel.after(again_ms, self)
        else:
            shop.rest(self)
