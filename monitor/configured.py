"""Everything the files say, read and checked: settings, packs, rules, shops, people, receivers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import msgspec
import xxhash

from alerting.config.model import Alerting
from monitor.configuration import load_model
from monitor.directory import load_people, load_shops
from monitor.runtime.names import Names
from monitor.runtime.plans import plan_of
from monitor.settings import secret_variable
from monitor.shop_fits import refuse_misfits
from rules.load import load_both

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from alerting.links import Links
    from alerting.policy.rulings import Policy
    from monitor.directory import Person, Shop
    from monitor.rulebook import Plan
    from monitor.settings import Settings

TERMINAL: dict[str, object] = {"accounts": {"console": {"type": "console"}}, "default": "console"}
TERMINAL |= {"receivers": {"console": {"accounts": ["console"]}}}


@dataclass(frozen=True, slots=True)
class Configured:
    """Everything the files say, checked."""

    settings: Settings
    base: Path  # what relative paths in the settings start from
    plan: Plan
    names: Names
    alerting: Alerting
    shops: Mapping[str, Shop]
    people: Mapping[str, Person]

    def again(self) -> Configured:
        """What the same files say now.

        Raises:
            ConfigurationError, RulesError: With every mistake, each at its place.
        """
        return configure(self.settings, self.base)

    def signing(self, links: Links) -> Configured:
        """The same, with links by which an alert may be acknowledged."""
        return replace(self, names=self.names.signing(links))

    def secret(self, kind: Literal["file", "env"], name: str) -> str:
        """The text of a secret; see ``read_secret``."""
        return read_secret(self.base, kind, name)

    def policy(self, now_ms: int) -> Policy:
        """What desk and sender decide by; tables of local time are made around ``now_ms``."""
        return _policy(self.alerting, self.settings, self.shops, now_ms)

    @property
    def desk_digest(self) -> str:
        """Of all by which a desk decides who is told; of secrets where they are, and not what they are."""
        said = (
            self.alerting.model_dump(mode="json"),
            {name: one.known() for name, one in self.people.items()},
            {key: shop.told_by() for key, shop in self.shops.items()},
            self.settings.source_of_shops(),
        )
        return xxhash.xxh3_64_hexdigest(msgspec.json.encode(said, order="deterministic"))

    @property
    def data(self) -> Path:
        """The directory of everything that is kept."""
        return self.base / self.settings.data


def configure(settings: Settings, base: Path) -> Configured:
    """Read every file that the settings name.

    Raises:
        ConfigurationError, RulesError: With every mistake, each at its place.
    """
    shops, people = load_shops(base / settings.shops), load_people(base / settings.people)
    alerting = load_alerting(base / settings.alerting, settings.language, people)
    of_packs = base / settings.packs if settings.packs else None
    packs, rules = load_both(of_packs, [base / settings.rules], alerting.names())
    refuse_misfits(base / settings.shops, shops, packs)
    names = Names(packs, rules, shops, people, settings.public_url, settings.grafana_url)
    plan = plan_of(settings, packs, rules, shops, people)
    return Configured(settings, base, plan, names, alerting, shops, people)


def routing(settings: Settings, base: Path, now_ms: int) -> Policy:
    """What desk and sender decide by, of the files that say so alone: no rule or pack need be right.

    Raises:
        ConfigurationError: With every mistake, each at its place.
    """
    shops, people = load_shops(base / settings.shops), load_people(base / settings.people)
    alerting = load_alerting(base / settings.alerting, settings.language, people)
    return _policy(alerting, settings, shops, now_ms)


def _policy(
    alerting: Alerting,
    settings: Settings,
    shops: Mapping[str, Shop],
    now_ms: int,
) -> Policy:
    labels = {key: shop.told_by() for key, shop in shops.items()}
    return alerting.policy(settings.source_of_shops(), labels, now_ms)


def load_alerting(path: Path, language: str, people: Collection[str] | None = None) -> Alerting:
    """Receivers and accounts; without such a file everything is told on the terminal.

    Args:
        path: The file.
        language: Of messages, where it says nothing.
        people: Names of people.yaml; None: not known.

    Raises:
        ConfigurationError: With every mistake, each at its place.
    """
    if not path.exists():
        return Alerting.parse({"language": language, **TERMINAL})
    return load_model(path, Alerting, lambda values: Alerting.parse({"language": language, **values}, people))


def files_of_rules(settings: Settings, base: Path) -> list[Path]:
    """Where everything is that a reload reads."""
    named = (settings.rules, settings.packs, settings.shops, settings.people, settings.alerting)
    return [base / path for path in named if path]


def read_secret(base: Path, kind: Literal["file", "env"], name: str) -> str:
    """The text of a secret: of a file, relative to the configuration, or of an environment variable.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: The file is not UTF-8.
        KeyError: No such variable is set.
    """
    if kind == "env":
        return secret_variable(name)
    return (base / name).read_text("utf-8-sig")
