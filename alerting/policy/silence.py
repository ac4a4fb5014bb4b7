"""What a silence holds."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.policy.records import Silence
    from rules.transition import Transition


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    """``*`` is any text, ``?`` any character, all else itself."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(char) or re.escape(char) for char in text), re.DOTALL)


def matches(matcher: dict[str, str], transition: Transition) -> bool:
    """Whether every pattern of ``matcher`` fits the alert; an empty matcher fits all."""
    values = {**transition.subject, "rule": transition.rule, "severity": transition.severity}
    return all(_pattern(wanted).fullmatch(values.get(name, "")) for name, wanted in matcher.items())


def active(silences: Iterable[Silence], transition: Transition, at_ms: int) -> Silence | None:
    """The silence that holds the alert longest at ``at_ms``, if any does."""
    holding = [s for s in silences if s.at_ms <= at_ms < s.until_ms and matches(s.matcher, transition)]
    return max(holding, key=lambda s: (s.until_ms, s.id), default=None)
