"""``shops.yaml`` and ``people.yaml``: what shops are called and whose they are, and who can be told."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, Field, SecretStr, field_validator

from monitor.configuration import Part, load_model
from monitor.shapes import NAME, PERCENT, SHOP_KEY
from rules.values import share

if TYPE_CHECKING:
    from pathlib import Path

    from rules.pack import Line

File = TypeVar("File", bound=BaseModel)

_URL_FIELDS = {"conversation_id", "customer_id", "shop_id", "platform", "agent_id"}


class LineOverride(Part):
    """A platform's line as it stands for one shop."""

    at_least: str | None = Field(default=None, pattern=PERCENT)
    """The limit from below, as `90%`."""
    at_most: str | None = Field(default=None, pattern=PERCENT)
    """The limit from above, as `0.3%`."""
    min_count: int | None = Field(default=None, ge=1, le=1_000_000)
    """Units (1 to 1,000,000) from which on the line counts."""

    def over(self, line: Line) -> Line:
        """A pack's line as it stands for the shop."""
        if self.at_least is not None:
            line = replace(line, at_least=share(self.at_least), at_most=None)
        if self.at_most is not None:
            line = replace(line, at_most=share(self.at_most), at_least=None)
        return replace(line, min_count=self.min_count) if self.min_count is not None else line


class Shop(Part):
    """One shop."""

    name: str = Field(default="", max_length=100)
    """What people call it."""
    team: str = Field(default="", max_length=100)
    """The team that answers for it."""
    tier: str = Field(default="", max_length=50)
    """How much it matters, for rules and routes; also the label `tier`."""
    labels: dict[str, str] = Field(default_factory=dict, max_length=20)
    """Anything rules and routes select by."""
    pack: str | None = Field(default=None, pattern=NAME)
    """The pack it is counted by, instead of its platform's."""
    lines: dict[str, LineOverride] = Field(default_factory=dict)
    """Lines that differ for this shop, by id."""
    conversation_url: str = Field(default="", max_length=500)
    """Where its chats are found: https://…/{conversation_id}."""

    def told_by(self) -> dict[str, str]:
        """Its labels as the desk's routes and silences name them."""
        own = {"team": self.team, "tier": self.tier}
        return {name: value for name, value in own.items() if value} | {
            f"labels.{name}": value for name, value in self.labels.items()
        }

    @field_validator("conversation_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        strange = set(re.findall(r"\{([^}]*)\}", url)) - _URL_FIELDS
        if strange:
            raise ValueError(f"may name {', '.join(sorted(_URL_FIELDS))} in braces, not {min(strange)}")
        return url


class Person(Part):
    """Somebody who can be told."""

    name: str = Field(default="", max_length=100)
    """Their name."""
    wecom_id: str = Field(default="", max_length=64)
    """Their WeCom user id, for being written to and mentioned."""
    feishu_id: str = Field(default="", max_length=64)
    """Their Feishu or Lark open_id, for being mentioned."""
    phone: SecretStr = SecretStr("")
    """Their phone number, for SMS and for being mentioned in DingTalk; no log or error shows it."""
    teams: tuple[str, ...] = ()
    """The teams they belong to."""
    agent_ids: tuple[str, ...] = ()
    """The agents they are, as `platform:shop_id:agent_id` or the agent's id."""

    def contacts(self) -> frozenset[str]:
        """The names of the contacts that are given."""
        return frozenset(name for name, given in self.known().items() if given)

    def known(self) -> dict[str, str]:
        """The contacts by name; empty where none is given."""
        phone = self.phone.get_secret_value()
        return {"wecom_id": self.wecom_id, "phone": phone, "feishu_id": self.feishu_id}

    @field_validator("phone")
    @classmethod
    def _check_phone(cls, phone: SecretStr) -> SecretStr:
        if phone.get_secret_value() and not re.fullmatch(r"\+?[0-9]{5,15}", phone.get_secret_value()):
            raise ValueError("must be digits, with + before a country code")
        return phone


class Shops(Part):
    """The file ``shops.yaml``."""

    shops: dict[Annotated[str, Field(pattern=SHOP_KEY)], Shop] = Field(default_factory=dict)
    """Shops by `platform:shop_id`."""


class People(Part):
    """The file ``people.yaml``."""

    people: dict[Annotated[str, Field(pattern=NAME)], Person] = Field(default_factory=dict)
    """People by a short name that routes use."""


def load_shops(path: Path) -> dict[str, Shop]:
    """Shops by ``platform:shop_id``; none when there is no such file.

    Raises:
        ConfigurationError: With every mistake, each at its place.
    """
    return _load(Shops, path).shops if path.exists() else {}


def load_people(path: Path) -> dict[str, Person]:
    """People by their short name; none when there is no such file.

    Raises:
        ConfigurationError: With every mistake, each at its place.
    """
    return _load(People, path).people if path.exists() else {}


def _load(model: type[File], path: Path) -> File:
    return load_model(path, model, lambda values: model(**values))
