"""A directory for when the real one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.ports import Person, RuleInfo, ShopInfo
from rules.pack import Text

if TYPE_CHECKING:
    from alerting.policy.records import Intent


class ByIds:
    """A directory that knows nobody, for when the real one fails: ids, and no texts."""

    def shop(self, key: str) -> ShopInfo:
        """The shop by its key."""
        return ShopInfo(key, timezone="UTC")

    def rule(self, rule: str, shop: str) -> RuleInfo:  # noqa: ARG002 - it knows nothing of shops
        """The rule by its id."""
        return RuleInfo(Text(rule))

    def agent(self, shop: str, agent_id: str) -> Person:  # noqa: ARG002 - the same
        """The agent by the id."""
        return Person(agent_id)

    def contact(self, person: str, kind: str) -> str:  # noqa: ARG002 - the same
        """None."""
        return ""

    def alert_url(self, intent: Intent) -> str:  # noqa: ARG002 - there are no links
        """No page."""
        return ""

    def alerts_url(self) -> str:
        """No page."""
        return ""

    def chart_url(self, intent: Intent) -> str:  # noqa: ARG002 - the same
        """None."""
        return ""
