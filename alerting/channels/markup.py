"""Messages are written in WeCom's markdown; others know other colours and other ways to name people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alerting import limits
from alerting.messages.trimmed import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

_FONT = re.compile(r'<font color="([a-z]+)">')
_TAG = re.compile(r"\*\*|</?font[^>]*>")
_MENTION = re.compile(r"<@([^<>\s]{1,64})>")


def recolour(body: str, colours: Mapping[str, str]) -> str:
    """Put a provider's own colours for ``info``, ``comment`` and ``warning``."""
    return _FONT.sub(lambda found: f'<font color="{colours.get(found[1], found[1])}">', body)


def mentions_as(body: str, template: str) -> str:
    r"""Mention people in a provider's own way, in which ``\1`` is the id."""
    return _MENTION.sub(template, body)


def plain_mentions(body: str) -> str:
    """Name people by ``@id``: WeCom's way of mentioning them is its own."""
    return mentions_as(body, r"@\1")


def without_markup(body: str) -> str:
    """The words alone, for where there is no markup."""
    return plain_mentions(_TAG.sub("", body))


def title_of(body: str) -> str:
    """The first line without markup, short enough for a notification."""
    return cut(without_markup(body.partition("\n")[0]), limits.TITLE_BYTES)


def title_and_rest(body: str) -> tuple[str, str]:
    """For a card: the title, and what it does not say yet; never empty."""
    head, _, rest = body.partition("\n")
    title = title_of(body)
    return title, rest if rest and title == without_markup(head) else body
