"""What happens in one conversation and around one order, as events and as truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from monitor.engine.events import Event
from monitor.workbench.truth import in_service
from monitor.workbench.world import DAY_MS, HOUR_MS, MINUTE_MS, ZONE_MS

if TYPE_CHECKING:
    import random

    from monitor.workbench.truth import Truth
    from monitor.workbench.world import Habits, Shop

# The last round begins ten minutes before midnight, so that a round belongs to one service day.
LAST_ASK_MS = DAY_MS - 10 * MINUTE_MS


class Conversation:
    """One customer with one shop, from the first message to the closing.

    ``events`` are in the order of their times, which differ by at least a millisecond.
    """

    def __init__(
        self, rng: random.Random, shop: Shop, customer: int, conversation: int, start_ms: int, haste: float
    ) -> None:
        self.events: list[Event] = []
        self._rng = rng
        self._shop = shop
        self._customer = customer
        self._customer_id = _customer_id(customer)
        self._conversation_id = f"c{conversation}"
        self._now_ms = start_ms
        self._haste = haste  # factor on everybody's waits: how overrun the shop is
        self._ends_ms = start_ms - (start_ms + ZONE_MS) % DAY_MS + LAST_ASK_MS
        self._agent = shop.agents[int(rng.random() * len(shop.agents))]

    def play(self, habits: Habits, truth: Truth) -> list[Event]:
        """Let it happen; the events are returned and the rounds told to ``truth``."""
        rng = self._rng
        if self._shop.robot and not self._speak_with_robot(habits, truth):
            return self.events
        turns = 1 + int(rng.expovariate(1.0))
        for _ in range(turns):
            self._pass(2_000, 90_000)
            if self._now_ms >= self._ends_ms:
                break
            asks = self._ask()
            if not self._answer(asks, habits, truth):
                return self.events
        self._pass(60_000, 300_000)
        self._act("closed")
        return self.events

    def _speak_with_robot(self, habits: Habits, truth: Truth) -> bool:
        """The robot's stage; True where a human is to go on."""
        rng = self._rng
        written = False
        for _ in range(1 + int(rng.random() * 2)):
            ask_ms = self._now_ms
            written |= in_service(ask_ms)
            self._say("customer")
            self._pass(400, 2_000)
            truth.add_served(self._shop.key, self._customer, ask_ms, self._now_ms)
            self._say("bot")
            self._pass(3_000, 25_000)
        if rng.random() < habits.robot_suffices or self._now_ms >= self._ends_ms:
            return False
        if rng.random() < 0.5:  # asks for a human, and is handed over before the robot speaks again
            asks = [self._now_ms]
            self._say("customer")
            self._pass(200, 2_000)
            self._act("assigned", self._agent)
        else:  # the hand-over stands for a customer message where the customer wrote in service hours
            asks = [self._now_ms] if written and in_service(self._now_ms) else []
            self._act("assigned", self._agent)
        return self._answer(asks, habits, truth)

    def _ask(self) -> list[int]:
        """One to three customer messages in a row; their times."""
        asks = []
        for _ in range(1 + int(self._rng.random() ** 2 * 3)):
            asks.append(self._now_ms)
            self._say("customer")
            self._pass(1_500, 15_000)
        return asks

    def _answer(self, asks: list[int], habits: Habits, truth: Truth) -> bool:
        """A human's answer to what was asked; False where nobody ever answers."""
        rng = self._rng
        if rng.random() < habits.never_answered * min(self._haste, 5.0):
            if asks:
                truth.add_round(self._shop.key, self._customer, asks, None)
            return False
        answer_ms = max(self._now_ms, (asks[0] if asks else self._now_ms) + self._draw_wait_ms(habits))
        if rng.random() < habits.transferred:
            self._now_ms += (answer_ms - self._now_ms) // 2
            self._agent = self._shop.agents[int(rng.random() * len(self._shop.agents))]
            self._act("transferred", self._agent)
        self._now_ms = max(answer_ms, self._now_ms + 1)
        if asks:
            truth.add_round(self._shop.key, self._customer, asks, self._now_ms)
        self._say("agent")
        if rng.random() < 0.4:
            self._pass(2_000, 10_000)
            self._say("agent")
        return True

    def _draw_wait_ms(self, habits: Habits) -> int:
        factor = self._haste * (habits.slow_factor if self._agent == self._shop.slow_agent else 1.0)
        wait_ms = int(self._rng.lognormvariate(math.log(habits.wait_median_ms * factor), habits.wait_spread))
        return min(1_000 + wait_ms, habits.wait_most_ms)

    def _pass(self, least_ms: int, most_ms: int) -> None:
        self._now_ms += least_ms + int(self._rng.random() * (most_ms - least_ms))

    def _say(self, actor: str) -> None:
        shop = self._shop
        self.events.append(
            Event(
                type="message",
                id="",
                at=self._now_ms,
                platform=shop.platform,
                shop_id=shop.shop_id,
                conversation_id=self._conversation_id,
                customer_id=self._customer_id if actor == "customer" else "",
                actor=actor,  # type: ignore[arg-type]
                agent_id=self._agent if actor == "agent" else "",
                kind="text",
            )
        )
        self._now_ms += 1

    def _act(self, action: str, agent_id: str = "") -> None:
        shop = self._shop
        self.events.append(
            Event(
                type="conversation",
                id="",
                at=self._now_ms,
                platform=shop.platform,
                shop_id=shop.shop_id,
                conversation_id=self._conversation_id,
                customer_id=self._customer_id,
                action=action,
                agent_id=agent_id,
            )
        )
        self._now_ms += 1


def play_order(
    rng: random.Random, shop: Shop, customer: int, order: int, start_ms: int, habits: Habits, truth: Truth
) -> list[Event]:
    """An order from its creation to, seldom, a refund and a dispute."""
    formed_ms = start_ms + int(rng.random() * 2 * MINUTE_MS)
    refund_ms = dispute_ms = 0
    steps = [("order", "created", start_ms - 1), ("order", "paid", formed_ms)]
    if shop.platform == "pinduoduo":
        steps.append(("order", "grouped", formed_ms + 1 + int(rng.random() * MINUTE_MS)))
    if rng.random() < habits.refunded:
        refund_ms = formed_ms + 2 * MINUTE_MS + int(rng.random() * 4 * HOUR_MS)
        steps.append(("refund", "requested", refund_ms))
        steps.append(("refund", "completed", refund_ms + 1 + int(rng.random() * 2 * HOUR_MS)))
    if rng.random() < habits.disputed:
        dispute_ms = formed_ms + 3 * MINUTE_MS + int(rng.random() * 4 * HOUR_MS)
        steps.append(("dispute", "opened", dispute_ms))
    truth.add_order(shop.key, order, formed_ms, refund_ms, dispute_ms)
    return [_order_event(shop, customer, order, *step) for step in steps]


def _order_event(shop: Shop, customer: int, order: int, kind: str, action: str, at_ms: int) -> Event:
    return Event(
        type=kind,  # type: ignore[arg-type]
        id="",
        at=at_ms,
        platform=shop.platform,
        shop_id=shop.shop_id,
        customer_id=_customer_id(customer),
        order_id=f"o{order}",
        refund_id=f"r{order}" if kind == "refund" else "",
        dispute_id=f"d{order}" if kind == "dispute" else "",
        action=action,
    )


def _customer_id(customer: int) -> str:
    """Long enough to be told apart when masked."""
    return f"u{customer:07}"
