"""How a message is written: its language, its markup, and by what names people are called there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.messages.template import OURS, Templates
from alerting.messages.texts import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.channels.base import Markup


@dataclass(frozen=True, slots=True)
class Style:
    """How to write: language, markup, bytes, and the time at which seconds left are counted."""

    language: str
    markup: Markup
    limit_bytes: int
    now_ms: int
    unrecorded: bool = False
    templates: Templates = OURS
    call: tuple[str, ...] = ()  # who is to come, as the provider knows them
    contact: str = "wecom_id"  # by what it knows people

    @property
    def markdown(self) -> bool:
        """Whether there is markup at all."""
        return self.markup == "markdown"

    def say(self, name: str, **values: object) -> str:
        """A text in the language."""
        return say(self.language, name, **values)

    def marked(self, names: Iterable[str]) -> str:
        """What is special about a message, in brackets."""
        return self.say("marks", marks=self.say("comma").join(self.say(name) for name in names))

    def strong(self, text: str, colour: str = "") -> str:
        """Emphasised, in a colour where there are colours."""
        if not self.markdown:
            return text
        return f'**<font color="{colour}">{text}</font>**' if colour else f"**{text}**"
