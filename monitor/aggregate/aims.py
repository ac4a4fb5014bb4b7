"""What is summed over shops: one aim for each thing that rules over shops look at.

The aims of a plan are numbered in an order that follows from the plan alone, so that whoever knows the plan
knows what number 3 is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitor.engine.figures import window_ms
from monitor.engine.windows import PACE_BUCKET_MS, bucket_ms
from monitor.rulebook import in_force
from rules.rule import OVER_SHOPS, Rule, Selector, Target, target

if TYPE_CHECKING:
    from monitor.rulebook import Plan, ShopPlan
    from rules.pack import Pack

CUT_MS: Final = 5_000  # figures over shops are those of every fifth second
EVERY_SHOP: Final = Selector()
NO_LABELS: Final[dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Aim:
    """A line, or a measure over a period, or neither, over those shops of a subject that are selected."""

    each: str  # team | platform | agent
    shops: Selector = EVERY_SHOP
    line: str = ""
    measure: str = ""
    period: str = "day"

    def target(self, pack: Pack) -> Target | None:
        """What it means under a pack; None: nothing."""
        like = Rule("", line=self.line, measure=self.measure, period=self.period, shops=self.shops)
        found = target(like, pack)
        if found is None or self.each != "agent":
            return found
        return found if found.measure is not None and "agent" in found.measure.by else None

    def selects(self, platform: str, shop_id: str, shop: ShopPlan) -> bool:
        """Whether a shop is among those summed."""
        return self.shops.matches(
            platform, shop_id, shop.team, dict(shop.labels) if shop.labels else NO_LABELS
        )


def aim_of(rule: Rule) -> Aim:
    """What a rule over shops looks at."""
    return Aim(rule.each, rule.shops, rule.line, rule.measure, rule.period)


def aims_of(plan: Plan) -> tuple[Aim, ...]:
    """Everything that is summed under a plan: what rules ask for."""
    asked = (aim_of(rule) for rule in plan.rules.rules.values() if rule.each in OVER_SHOPS)
    return tuple(dict.fromkeys(asked))


def moves_ms(aim: Aim, plan: Plan) -> int:
    """At which multiples of time the figures of an aim move by themselves; 0: they do not.

    A rule with a line has its budget by tonight's forecast, and its pace, in every message.
    """
    rules = [rule for rule in plan.rules.rules.values() if rule.each in OVER_SHOPS and aim_of(rule) == aim]
    width = window_ms(aim.period)
    moves = [PACE_BUCKET_MS] if aim.line and rules else []
    return min([*moves, *([bucket_ms(width)] if width is not None else [])], default=0)


def pack_of(aim: Aim, plan: Plan, day: int) -> Pack | None:
    """The pack by which an aim is judged on a service day: the first that knows it."""
    for versions in plan.packs.values():
        pack = in_force(versions, day)
        if pack is not None and aim.target(pack) is not None:
            return pack
    return None
