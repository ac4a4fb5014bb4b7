"""From the configuration to what a shard decides by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.configuration import ConfigurationError
from monitor.rulebook import Plan, ShopPlan, SourcePlan

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
    """Compile the plan.

    Raises:
        ConfigurationError: A shop names a pack or a line that there is not, each named.
    """
    problems: list[str] = []
    platforms = {versions[-1].platform or name: name for name, versions in packs.items()}
    planned: dict[str, ShopPlan] = {}
    for key, shop in shops.items():
        pack_id = shop.pack or platforms.get(key.partition(":")[0], "")
        if shop.pack and shop.pack not in packs:
            problems.append(f"shop {key}: no pack {shop.pack!r}; there are {', '.join(packs)}")
        versions = packs.get(pack_id, ())
        known = {line.id: line for pack in versions for line in pack.lines.values()}
        problems += [f"shop {key}: no line {name!r} in its pack" for name in shop.lines if name not in known]
        labels = {**shop.labels, **({"tier": shop.tier} if shop.tier else {})}
        planned[key] = ShopPlan(
            team=shop.team,
            labels=tuple(sorted(labels.items())),
            pack=shop.pack or "",
            lines=tuple(own.over(known[name]) for name, own in shop.lines.items() if name in known),
        )
    if problems:
        raise ConfigurationError(problems)
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
