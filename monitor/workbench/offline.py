"""What an offline run decides by: the current configuration's packs, rules and shops, or one pack for all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.directory import load_people, load_shops
from monitor.runtime.plans import plan_of
from monitor.shard.shard import Shard
from monitor.shop_fits import refuse_misfits
from rules.load import load_pack, load_packs, load_rules, starter_rules
from rules.rule import RuleSet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from monitor.settings import Settings


def offline_shard(
    settings: Settings,
    base: Path,
    *,
    pack: Path | None = None,
    rules: Sequence[Path] | None = (),
    quiet_gaps: bool = True,
) -> Shard:
    """Make a shard for an offline run: of files, in which a gap is quiet and not time down, or of a log.

    Args:
        settings: The configuration: lateness, packs, shops and, if there are such files, rules.
        base: What relative paths in it start from.
        pack: Serves every shop, whatever its platform, in place of all other packs.
        rules: Files or directories, in place of the configuration's; None: no rules at all.
        quiet_gaps: False for a log, which has ticks and gaps of its own.

    Raises:
        RulesError, ConfigurationError: With every mistake, each at its place.
    """
    packs = load_packs(base / settings.packs if settings.packs else None)
    shops = load_shops(base / settings.shops)
    one = load_pack(pack) if pack is not None else None
    known = dict(packs)
    if one is None:
        refuse_misfits(base / settings.shops, shops, packs)
    else:
        # Rules may be written for other packs too: those that fit none of this one's lines watch nothing.
        known[one.id] = (*packs.get(one.id, ()), one)
        shops = {key: shop.model_copy(update={"pack": None, "lines": {}}) for key, shop in shops.items()}
    if rules is None:
        chosen = RuleSet()
    else:
        chosen = load_rules(list(rules) or default_rules(base / settings.rules), known)
    plan = plan_of(
        settings,
        packs if one is None else {one.id: (one,)},
        chosen,
        shops,
        load_people(base / settings.people),
    )
    return Shard(replace(plan, quiet_gaps=quiet_gaps, serves_all=one is not None))


def default_rules(configured: Path) -> list[Path]:
    """The configured directory if there are rules in it, else those that ship to start from."""
    return [configured] if any(configured.glob("*.y*ml")) else starter_rules()
