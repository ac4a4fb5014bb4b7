"""What the buttons of a card do: a word, and the firing it is about: an old card acts on nothing new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy.records import OVER

if TYPE_CHECKING:
    from alerting.channels.base import Message

_LABELS = {
    "acknowledge": {"zh": "确认，我来处理", "en": "I take it"},
    "silence": {"zh": "静默1小时", "en": "Silence 1 h"},
    "false_alarm": {"zh": "误报", "en": "False alarm"},
}


def buttons(message: Message) -> list[dict[str, object]]:
    """The buttons of a card, as WeCom writes them; a card of several alerts, or of one's end, has none."""
    if len(message.alerts) != 1 or message.alerts[0]["kind"] in OVER:
        return []
    incident = message.alerts[0]["incident"]
    return [
        {
            "text": label.get(message.language, label["zh"]),
            "style": 1 if n == 0 else 2,
            "key": f"{what} {incident}",
        }
        for n, (what, label) in enumerate(_LABELS.items())
    ]


def read(key: str) -> tuple[str, str, str]:
    """What a tapped button says: what to do, of which alert, which firing; all empty: another's button."""
    what, _, incident = key.partition(" ")
    alert, at, _ = incident.rpartition("@")
    return (what, alert, incident) if what in _LABELS and at else ("", "", "")
