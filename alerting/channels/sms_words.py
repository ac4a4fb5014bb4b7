"""What a Chinese SMS may say: an approved template, and short words for its variables.

There is no free text. Carriers refuse addresses, domains and 【】 in a variable, and each provider limits
its length, so every word is cleaned and cut.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from alerting.policy.records import OVER

if TYPE_CHECKING:
    from alerting.channels.base import Message

Word = Literal["shop", "title", "figure", "count", "severity"]
_SEVERITIES = {"crit": "严重", "warn": "警告"}
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_DOT = re.compile(r"(?<=[A-Za-z0-9])\.(?=[A-Za-z])|(?<=[A-Za-z])\.(?=\d)")  # "a.com", never "3.5"
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_PLAIN = str.maketrans("【】\n", "() ")
_TEST = "测试"


def words_of(message: Message) -> dict[str, str]:
    """The words a template can take, of the alert that matters most; several are counted."""
    if not message.alerts:
        return {"shop": _TEST, "title": _TEST, "figure": _TEST, "count": "1", "severity": _TEST}
    first = message.alerts[0]
    shops = {alert.get("name", "") for alert in message.alerts}
    over = first.get("kind") in OVER
    return {
        "shop": f"{first.get('name', '')}等{len(shops)}家" if len(shops) > 1 else first.get("name", ""),
        "title": first.get("title", ""),
        "figure": first.get("figure", ""),
        "count": str(len(message.alerts)),
        "severity": "已结束" if over else _SEVERITIES.get(first.get("severity", ""), "警告"),
    }


def fitted(word: str, chars: int) -> str:
    """A word that a carrier lets through, in at most ``chars`` characters; never empty.

    Of a name that is cut, its count of shops ("等3家") stays.
    """
    plain = _URL.sub("", word)
    plain = _ADDRESS.sub(lambda found: found[0].replace(".", "-"), plain)
    plain = _DOT.sub("·", plain).translate(_PLAIN).strip()
    if len(plain) <= chars:
        return plain or "-"
    tail = found[0] if (found := re.search(r"等\d+家$", plain)) else "…"
    return plain[: max(0, chars - len(tail))] + tail if len(tail) < chars else plain[:chars]
