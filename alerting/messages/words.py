"""The words of one alert that a template puts into lines, each line knowing how soon it may be left out.

A line of ours carries its rank in two characters that no text from outside can hold; a template may give
its own lines one with ``drop(n)``. 0 is kept longest, 9 left out first; without one a line has 1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alerting import limits
from alerting.messages.template import FACTS
from alerting.messages.texts import clock
from alerting.messages.trimmed import cut_middle
from alerting.policy.records import OVER, short_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.messages.about import About
    from alerting.policy.compose import Ready
    from alerting.ports import Directory

COLOURS = {"crit": "warning", "warn": "comment", "over": "info"}  # orange, grey, green in WeCom
_RANK = re.compile("\x1f([0-9])")


def words(ready: Ready, about: About, directory: Directory) -> dict[str, Any]:
    """What a template may say of an alert; ``alerting.messages.template.WORDS`` says what each is."""
    intent, t, style = ready.intent, about.t, about.style
    over = intent.kind in OVER
    link = directory.alert_url(intent)
    at, short = clock(t.at_ms, about.shop.timezone, seconds=True), short_id(intent.incident)
    opened = f"[{style.say('open')}]({link})" if style.markdown and link else link
    chart = directory.chart_url(intent) if style.markdown else ""  # of the plain, SMS are dear
    drawn = f"[{style.say('chart')}]({chart})" if chart else ""
    head = {"badge": style.say(badge(ready)), "shop": about.name, "title": about.title}
    figure = "" if over else about.figure()
    first = style.say("first_over", **head) if over else style.say("first", figure=figure, **head)
    budget, breach = ([], []) if over else (about.budget(), about.breach())
    heading, items, more = ([], [], []) if over else about.items()
    penalty, advice = ([], []) if over else (about.penalty(), about.advice())
    return head | {
        "first": _line(0, style.strong(first, COLOURS["over" if over else intent.severity])),
        "figure": figure,
        "marks": _lines(about.marks(ready)),
        "value": _lines(about.value()),
        "budget": _lines(budget),
        "breach": _lines(breach),
        "items_line": _lines(heading),
        "items": [one | {"line": _line(3, one["line"])} for one in items],
        "items_more": _lines(more),
        "penalty": _lines(penalty),
        "advice": _lines(advice),
        "ended": _lines(about.over(ready)) if over else "",
        "foot": _line(2, " ".join(part for part in (opened, drawn, at, f"#{short}") if part)),
        "link": link,
        "chart": chart,
        "clock": at,
        "id": short,
        "name": cut_middle(about.name, limits.ROW_NAME_BYTES),
        "rule": t.rule,
        "severity": t.severity,
        "kind": intent.kind,
        "over": over,
        "language": style.language,
        "facts": {name: getattr(t.facts, name) for name in FACTS},
        "drop": lambda rank: _line(max(0, min(9, int(rank))), ""),
        "strong": lambda text: style.strong(str(text)),
    }


def badge(ready: Ready) -> str:
    """What a message says of the alert first: how it ended, else how bad it is."""
    intent = ready.intent
    if intent.kind == "resolved" and intent.transition.to_state == "closed":
        return "closed"
    if intent.kind == "resolved" and intent.transition.verdict == "too_few":
        return "unjudged"
    return intent.kind if intent.kind in OVER else intent.severity


def ranked(text: str) -> list[tuple[int, str]]:
    """The lines of a written template with their ranks."""
    found = []
    for line in text.split("\n"):
        ranks = [int(rank) for rank in _RANK.findall(line)]
        found.append((min(ranks, default=1), _RANK.sub("", line).strip()))
    return found


def _line(rank: int, text: str) -> str:
    return f"\x1f{rank}{text}"


def _lines(lines: Iterable[tuple[int, str]]) -> str:
    return "\n".join(_line(rank, text) for rank, text in lines)
