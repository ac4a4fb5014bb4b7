"""Matchers: by what routes, silences and inhibitions tell alerts apart.

An alert has labels, all of them text: what it is about (``shop``, ``source`` …), whose that is (``team``,
``tier``, ``labels.NAME`` of shops.yaml) and what it says (``rule``, ``severity``, ``verdict``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rules.transition import Transition

# What every alert may be told by; beside these any ``labels.NAME`` of a shop.
NAMES: tuple[str, ...] = (
    *("rule", "severity", "verdict", "notify", "each"),
    *("shop", "platform", "source", "team", "tier", "agent", "account", "daemon"),
)
_LABEL = "labels."
_PARTS = re.compile(r"\\.|.", re.DOTALL)


def is_name(name: str) -> bool:
    """Whether a matcher or a group may name it."""
    return name in NAMES or (name.startswith(_LABEL) and len(name) > len(_LABEL))


def labels_of(
    t: Transition, shops: Mapping[str, Mapping[str, str]], sources: Mapping[str, str]
) -> dict[str, str]:
    """The labels of an alert.

    Args:
        t: Its last transition.
        shops: Shop → its ``team``, ``tier`` and ``labels.NAME``.
        sources: Shop → the source its events come from.
    """
    found = {"rule": t.rule, "severity": t.severity, "verdict": t.verdict, "notify": t.notify}
    found["each"] = next(iter(t.subject), "")
    if shop := t.subject.get("shop", ""):
        found["each"] = "agent" if "agent" in t.subject else "shop"
        found["platform"] = shop.partition(":")[0]
        found["source"] = sources.get(shop, "")
        found |= shops.get(shop, {})
    return found | t.subject


@lru_cache(maxsize=4096)
def _test(text: str) -> Callable[[str], object]:
    r"""``*`` is any text, ``?`` any character, all else itself, as is what follows a ``\\``."""
    parts = [{"*": ".*", "?": "."}.get(part) or re.escape(part[-1]) for part in _PARTS.findall(text)]
    only = exact(text)
    return re.compile("".join(parts), re.DOTALL).fullmatch if only is None else only.__eq__


def exact(pattern: str) -> str | None:
    """The one text that a pattern fits; None where it fits others too."""
    parts = _PARTS.findall(pattern)
    free = pattern.startswith("!") or "*" in parts or "?" in parts
    return None if free else "".join(part[-1] for part in parts)


def literal(text: str) -> str:
    """The pattern that fits this text alone: a shop may be called ``*``."""
    return re.sub(r"[\\*?]|^!", r"\\\g<0>", text)


def matches(matcher: Mapping[str, str | tuple[str, ...]], labels: Mapping[str, str]) -> bool:
    """Whether every name of ``matcher`` fits; an empty matcher fits all.

    Of several patterns of a name one must fit, and none of those that begin with ``!``.
    """
    return all(_fits((p,) if isinstance(p, str) else p, labels.get(name, "")) for name, p in matcher.items())


def _fits(patterns: Iterable[str], value: str) -> bool:
    wanted, found = False, False
    for pattern in patterns:
        if pattern.startswith("!"):
            if _test(pattern[1:])(value):
                return False
        else:
            wanted, found = True, found or bool(_test(pattern)(value))
    return found or not wanted
