"""What an alert is about, by the name that people know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.messages.texts import say
from rules.rule import OVER_SHOPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.ports import Directory


def subject_name(subject: Mapping[str, str], directory: Directory, language: str) -> str:
    """A shop's name, else what it is and its name: ``小组 华东``, ``source erp``."""
    if shop := subject.get("shop", ""):
        return directory.shop(shop).name or shop
    for name in ("source", "account", "daemon"):
        if name in subject:
            return say(language, name, of=subject[name])
    for each, title in OVER_SHOPS.items():
        if of := subject.get(each, ""):
            name = directory.agent("", of).name if each == "agent" else of
            return f"{title.in_language(language)} {name}"
    return ", ".join(f"{name} {value}" for name, value in subject.items())
