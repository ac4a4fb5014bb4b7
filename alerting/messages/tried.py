"""A template tried before it is used: what is wrong in it, then whether it can be written of any alert."""

from __future__ import annotations

from functools import cache
from typing import Any

from alerting import limits
from alerting.messages.about import About
from alerting.messages.by_ids import ByIds
from alerting.messages.samples import bare, sample
from alerting.messages.style import Style
from alerting.messages.template import Mistake, failure, mistakes
from alerting.messages.words import words

_AT_MS = 1_795_399_200_000
_TRIED = (
    sample("fire", _AT_MS),
    sample("resolved", _AT_MS),
    sample("ended", _AT_MS),
    bare("fire", _AT_MS),
)


def tried(source: str) -> list[Mistake]:
    """Everything wrong in a template; if nothing is, the first thing that goes wrong with sample alerts."""
    if found := mistakes(source):
        return found
    wrong = failure(source, _samples())
    return [wrong] if wrong else []


@cache
def _samples() -> tuple[dict[str, Any], ...]:
    directory, style = ByIds(), Style("zh", "markdown", limits.WECOM_MARKDOWN_BYTES, _AT_MS)
    return tuple(words(one, About(one.intent.transition, directory, style), directory) for one in _TRIED)
