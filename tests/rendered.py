"""A transition as the message that people read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.messages.render import render
from alerting.messages.style import Style
from alerting.policy.compose import Draft, Ready
from alerting.policy.records import Intent

if TYPE_CHECKING:
    from alerting.ports import Directory
    from rules.transition import Transition


def first_message(transition: Transition, names: Directory, language: str, markup: str) -> str:
    """What the managers are told when it fires."""
    intent = Intent(
        id="1",
        alert="a",
        incident="i",
        receiver="managers",
        account="bot",
        group="g",
        kind="fire",
        severity="crit",
        created_ms=transition.at_ms,
        not_before_ms=transition.at_ms,
        transition=transition,
    )
    style = Style(language, markup, 4_096, transition.at_ms)
    return render(Draft("managers", (Ready(intent),)), names, style).message.body
