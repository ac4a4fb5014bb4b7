"""Names, links and texts of shops, rules and people: implements ``alerting.ports.Directory``."""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import TYPE_CHECKING

from alerting.ports import Person, RuleInfo, ShopInfo
from monitor.runtime.charts import chart_of
from rules.pack import NO_TEXT
from rules.rule import target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerting.links import Links
    from alerting.policy.records import Intent
    from monitor.directory import Person as KnownPerson
    from monitor.directory import Shop
    from rules.pack import Pack
    from rules.rule import RuleSet


class Names:
    """Looks up what the configuration says; who is not in it goes by the id.

    Args:
        packs: Versions of each pack, the newest last.
        rules: All rules.
        shops: ``platform:shop_id`` → shop.
        people: Everybody who may be on a conversation.
        public_url: Where people reach the pages; empty: messages carry no links.
        grafana_url: Where people reach Grafana; empty: messages lead to no chart.
    """

    def __init__(
        self,
        packs: Mapping[str, Sequence[Pack]],
        rules: RuleSet,
        shops: Mapping[str, Shop],
        people: Mapping[str, KnownPerson],
        public_url: str = "",
        grafana_url: str = "",
    ) -> None:
        self._shops, self._url, self._grafana = shops, public_url.rstrip("/"), grafana_url.rstrip("/")
        self.links: Links | None = None
        self._contacts = {name: person.known() for name, person in people.items()}
        self._agents = {
            agent: Person(person.name or name, **person.known())
            for name, person in people.items()
            for agent in person.agent_ids
        }
        self._people = {name: Person(one.name or name, one.wecom_id) for name, one in people.items()}
        self.use(packs, rules)

    def use(self, packs: Mapping[str, Sequence[Pack]], rules: RuleSet) -> None:
        """Take other packs and rules: a plan was put in force."""
        self.rules = rules.rules
        self._packs = {versions[-1].platform or name: versions[-1] for name, versions in packs.items()}
        self._by_id = {name: versions[-1] for name, versions in packs.items()}
        zones = Counter(pack.timezone for pack in self._by_id.values())
        self.timezone = max(zones, key=lambda zone: zones[zone], default="Asia/Shanghai")  # of most packs

    def take(self, other: Names) -> None:
        """Look up in what another one has from here on."""
        vars(self).update(vars(other) | {"links": self.links})

    def pack(self, shop: str) -> Pack | None:
        """The newest version of the pack a shop is counted by; None: it has none."""
        known = self._shops.get(shop)
        named = self._by_id.get(known.pack) if known and known.pack else None
        return named or self._packs.get(shop.partition(":")[0])

    def shop_keys(self) -> list[str]:
        """The shops that are named."""
        return list(self._shops)

    def agent_ids(self) -> list[str]:
        """The agents that are somebody we know."""
        return list(self._agents)

    def shop(self, key: str) -> ShopInfo:
        """A shop's name, where its chats are, and its zone."""
        known, pack = self._shops.get(key), self.pack(key)
        return ShopInfo(
            name=(known.name if known else "") or key,
            url=known.conversation_url if known else "",
            timezone=pack.timezone if pack else self.timezone,
            platform=pack.title if pack else NO_TEXT,
            team=known.team if known else "",
        )

    def rule(self, rule: str, shop: str) -> RuleInfo:
        """A rule's texts, and the measure and line it watches for that shop."""
        known = self.rules.get(rule)
        if known is None:
            return RuleInfo(NO_TEXT)
        packs = self._by_id.values()
        pack = self.pack(shop) if shop else next((one for one in packs if target(known, one)), None)
        watched = target(known, pack) if pack else None
        measure, line = (watched.measure, watched.line) if watched else (None, None)
        if line and shop in self._shops and line.id in self._shops[shop].lines:
            line = self._shops[shop].lines[line.id].over(line)
        return RuleInfo(
            title=known.title,
            advice=known.advice,
            measure=measure.title if measure else NO_TEXT,
            kind=measure.kind if measure else "",
            line=line,
        )

    def agent(self, shop: str, agent_id: str) -> Person:
        """Who an agent is, known by ``platform:shop_id:agent_id`` or by the id; of no shop, a person."""
        if not shop and agent_id in self._people:
            return self._people[agent_id]
        return self._agents.get(f"{shop}:{agent_id}") or self._agents.get(agent_id) or Person(agent_id)

    def signing(self, links: Links) -> Names:
        """The same, with links by which an alert may be acknowledged."""
        names = copy(self)
        names.links = links
        return names

    def contact(self, person: str, kind: str) -> str:
        """A person's contact of a kind; empty: none is known."""
        return self._contacts.get(person, {}).get(kind, "")

    def alert_url(self, intent: Intent) -> str:
        """Where the alert is shown, and acknowledged by who has the link."""
        return self.links.url(intent) if self.links else self.alerts_url()

    def alerts_url(self) -> str:
        """Where all open alerts are shown."""
        return f"{self._url}/" if self._url else ""

    def chart_url(self, intent: Intent) -> str:
        """The board and panel that show what an alert tells of, about its time."""
        if not self._grafana:
            return ""
        rule = self.rule(intent.transition.rule, intent.transition.subject.get("shop", ""))
        return f"{self._grafana}{chart_of(intent.transition, rule)}"
