"""The page of a cluster's desk: figures of teams, platforms and agents, and open alerts.

A desk does not hold all shops, so it shows no list of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from monitor import limits
from monitor.web.pages import Pages
from rules.rule import OVER_SHOPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.web.tokens import Grant

SumsShown = dict[str, dict[str, Any]]
"""By ``team``, ``platform`` and ``agent``: what ``GET /api/v1/sums`` answers; empty: nothing was read yet."""


class Card(NamedTuple):
    """A subject and its sums."""

    name: dict[str, str]  # zh, en
    figures: list[dict[str, Any]]  # as ``SumsPort`` gives them


class DeskPages(Pages):
    """Renders the page of a desk."""

    page = "desk.html"
    names = ("status", "sums", "alerts")
    sums: Callable[[], SumsShown] = staticmethod(dict)

    def values(self, grant: Grant) -> dict[str, Any]:
        """What the parts show; sums are of all shops, so that a grant of some shops has none."""
        shown = self.sums() if grant.covers_all else {}
        cards = {each: self._cards(each, shown[each]["sums"]) for each in OVER_SHOPS if each in shown}
        return super().values(grant) | {
            "hears": False,
            "kinds": {each: found[: limits.SUMS_ON_PAGE] for each, found in cards.items() if found},
            "more_sums": sum(len(found[limits.SUMS_ON_PAGE :]) for found in cards.values()),
            "missing": max((one["missing"] for one in shown.values()), default=0),
            "percent": _percent,
            "as_of_ms": max((one["as_of_ms"] for one in shown.values()), default=0),
        }

    def _cards(self, each: str, sums: list[dict[str, Any]]) -> list[Card]:
        """One card a subject, the most misses first; two rules on the same figure show it once."""
        found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
        for one in sums:
            what = (one["measure"], one["period"], str(one["asked"]), str(one["late"]))
            found.setdefault(one[each], {}).setdefault(what, one)
        cards = [
            Card(self._view.headline("", {each: subject}).name, list(figures.values()))
            for subject, figures in found.items()
        ]
        return sorted(cards, key=lambda card: -max(one["late"] for one in card.figures))


def _percent(share: str) -> str:
    """A share of four places as people read it: ``0.9625`` is 96.25%."""
    return f"{int(share.replace('.', '')) // 100}.{share[-2:]}%"
