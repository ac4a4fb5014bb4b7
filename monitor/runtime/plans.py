"""From the configuration to what a shard decides by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.rulebook import Plan, ShopPlan, SourcePlan
from monitor.shop_fits import lines_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.directory import Person, Shop
    from monitor.settings import Settings
    from rules.pack import Pack
    from rules.rule import RuleSet


def plan_of(
    settings: Settings,
    packs: Mapping[str, Sequence[Pack]],
    rules: RuleSet,
    shops: Mapping[str, Shop],
    people: Mapping[str, Person] | None = None,
) -> Plan:
    """Compile the plan; what shops name is there (``monitor.shop_fits``)."""
    planned: dict[str, ShopPlan] = {}
    for key, shop in shops.items():
        known = lines_of(key, shop, packs) if shop.lines else {}
        labels = {**shop.labels, **({"tier": shop.tier} if shop.tier else {})}
        planned[key] = ShopPlan(
            team=shop.team,
            labels=tuple(sorted(labels.items())),
            pack=shop.pack or "",
            lines=tuple(own.over(known[name]) for name, own in shop.lines.items()),
        )
    sources = {
        name: SourcePlan(one.heartbeat or 0, one.silent_after or settings.silent_after)
        for name, one in settings.sources.items()
    }
    return Plan(
        packs=packs,
        rules=rules,
        shops=planned,
        sources=sources,
        other_sources=SourcePlan(0, settings.silent_after),
        lateness_ms=settings.lateness,
        agents={agent: name for name, person in (people or {}).items() for agent in person.agent_ids},
    )
