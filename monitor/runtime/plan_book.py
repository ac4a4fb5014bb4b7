"""Plans by the names that the log calls them, each kept in the store.

A plan's name is the number of the change and the hash of what decides, ``000012-3f9c…``: names rise, so that
a record which an owner wrote too late changes nothing. The owner of a log writes the name of the plan in
force into it; from that very record on its shard decides by it, also when it is folded again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from monitor.plan_text import decode_plan, encode_plan
from monitor.shard.shard import Shard

if TYPE_CHECKING:
    from monitor.rulebook import Plan
    from monitor.store.port import ShardStore

log = structlog.get_logger(__name__)
NAME = re.compile("[0-9]{6,12}-[0-9a-f]{1,64}")
SHARED = ("packs", "shops", "agents")  # parts of a plan that are large
BEGAN = "plan of shard {}"  # in the store: the plan at the beginning of a shard's log


class PlanBook:
    """The plans that are known here. What has a ``store`` is called in that store's thread.

    Args:
        rest_ms: When shops in which nothing happens are packed, in the shards made here; 0: never.
        spare: None of a shard with no more shops than these is.
    """

    def __init__(self, rest_ms: int = 0, spare: int = 0) -> None:
        self._rest_ms, self._spare = rest_ms, spare
        self.known: dict[str, Plan] = {}  # shared with the shards
        self.in_force = ""  # the name of the last plan put in force by anybody, as far as is known

    def apply(self, store: ShardStore, plan: Plan, *, first: bool = False) -> str:
        """Put a plan in force, in one transaction; its name.

        Args:
            store: Where it is kept.
            plan: What is to decide.
            first: Only if there is none in force yet.
        """
        name = store.apply_plan(plan.name, encode_plan(plan), first=first)
        self.look(store, name)
        return name

    def look(self, store: ShardStore, name: str | None = None) -> str:
        """Learn which plan is in force, and have it at hand."""
        name = store.plan_in_force() if name is None else name
        if name and name != self.in_force:
            self.fetch(store, name)
            log.info("plan in force", plan=name, before=self.in_force)
            self.in_force = name
        return self.in_force

    def fetch(self, store: ShardStore, name: str) -> bool:
        """Have a plan at hand that a record names; False: the store has it not, and it is passed over.

        Raises:
            MonitorError: This version cannot read it.
        """
        if name in self.known or not NAME.fullmatch(name):  # older logs name plans nobody kept; others forge
            return True
        digest = name.partition("-")[2]
        body = store.plan_named(name)
        if body is None:
            log.warning("plan lost", plan=name, goes_on_with=self.in_force)
            return False
        same = next((plan for known, plan in list(self.known.items()) if known.endswith(f"-{digest}")), None)
        self.known[name] = same or _sharing(decode_plan(digest, body), self.known.get(self.in_force))
        return True

    def shard(self, store: ShardStore, number: int, name: str) -> Shard:
        """A fresh shard under the plan ``name``; without one, the plan at the beginning of its log."""
        if not name:
            began = (store.get_meta(BEGAN.format(number)) or b"").decode()
            name = began or self.look(store)
            if not began:
                store.put_meta(BEGAN.format(number), name.encode())
        self.fetch(store, name)
        shard = Shard(self.known[name], number, self.known, name, self._rest_ms)
        shard.slumber.spare = self._spare
        return shard

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self.known[self.in_force]

    def due(self, shard: Shard | None) -> str:
        """The name that is to be written into a shard's log; empty: it decides by the plan in force."""
        return self.in_force if shard is not None and shard.plan_name < self.in_force else ""


def _sharing(plan: Plan, before: Plan | None) -> Plan:
    """A plan that holds what it has in common with another once: plans stay, and 20,000 shops are 13 MB."""
    if before is None:
        return plan
    same = {name: getattr(before, name) for name in SHARED if getattr(plan, name) == getattr(before, name)}
    if "shops" not in same:
        was = before.shops
        same["shops"] = {key: was[key] if was.get(key) == shop else shop for key, shop in plan.shops.items()}
    return replace(plan, **same)
