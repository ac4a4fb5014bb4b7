"""Messages as a manager on a phone reads them: first the shop, what it is and how bad, then what to do.

Rendered from transitions and from names that a ``Directory`` gives; nothing else. A message fits its
channel's bytes by leaving out whole lines, the least important first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import xxhash

from alerting import limits
from alerting.about import About, Style
from alerting.channels.base import Message
from alerting.policy.records import OVER, short_id
from alerting.texts import clock, cut, mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.policy.compose import Draft, Ready
    from alerting.ports import Directory

_COLOURS = {"crit": "warning", "warn": "comment", "over": "info"}  # orange, grey, green in WeCom


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message, and those of the draft's items that are in it."""

    message: Message
    taken: tuple[Ready, ...]


def render(draft: Draft, directory: Directory, style: Style) -> Rendered:
    """Write the draft; several alerts become a digest of a row each."""
    taken: tuple[Ready, ...]
    mentions: tuple[str, ...]
    if len(draft.items) == 1:
        body, mentions = _single(draft.items[0], directory, style)
        taken = draft.items
    else:
        body, taken = _digest(draft.items, directory, style)
        mentions = ()
    message = Message(
        key=xxhash.xxh3_64_hexdigest("\n".join(r.intent.id for r in taken).encode()),
        body=body,
        mentions=mentions,
        alerts=tuple(_data(ready, directory, style) for ready in taken),
        again=draft.again,
        language=style.language,
    )
    return Rendered(message, taken)


# One alert


def _single(ready: Ready, directory: Directory, style: Style) -> tuple[str, tuple[str, ...]]:
    t = ready.intent.transition
    about = About(t, directory, style)
    mentions = tuple(dict.fromkeys(person for item in t.items if (person := about.mention(item))))
    lines = [(0, _first(ready, about, style)), *about.marks(ready)]
    if ready.intent.kind in OVER:
        lines += [*about.value(), *about.over()]
    else:
        lines += [*about.value(), *about.budget(), *about.items(), *about.what_to_do()]
    foot = " ".join(
        (clock(t.at_ms, about.shop.timezone, seconds=True), f"#{short_id(ready.intent.incident)}")
    )
    url = directory.alert_url(ready.intent)
    lines.append(
        (2, f"[{style.say('open')}]({url}) {foot}" if style.markdown and url else f"{url} {foot}".strip())
    )
    return fit(lines, style.limit_bytes), mentions


def _first(ready: Ready, about: About, style: Style) -> str:
    intent = ready.intent
    over = intent.kind in OVER
    words = {
        "badge": style.say(_badge(ready)),
        "shop": about.name,
        "title": about.title,
    }
    line = style.say("first_over", **words) if over else style.say("first", figure=about.figure(), **words)
    return style.strong(line, _COLOURS["over" if over else intent.severity])


# Several alerts


def _digest(items: Sequence[Ready], directory: Directory, style: Style) -> tuple[str, tuple[Ready, ...]]:
    """A heading that counts, then rows under the title of their rule; as many as fit."""
    sections = _sections(items, directory, style)
    order = [ready for section in sections.values() for ready in section]
    titles = {id(ready): section for section, found in sections.items() for ready in found}
    head = style.strong(_heading(order, style), _COLOURS["crit" if order[0].intent.urgent else "warn"])
    left = style.limit_bytes - len(head.encode()) - len(_rest(len(order), directory, style).encode()) - 2
    lines: list[str] = []
    taken = 0
    section = ""
    for ready in order:
        rows = [About(ready.intent.transition, directory, style).row(ready)]
        if section != titles[id(ready)]:
            rows.insert(0, style.strong(titles[id(ready)]))
        size = sum(len(row.encode()) + 1 for row in rows)
        if size > left and taken:
            break
        section, left, taken = titles[id(ready)], left - size, taken + 1
        lines += rows
    if taken < len(order):
        lines.append(_rest(len(order) - taken, directory, style))
    return "\n".join([head, *lines]), tuple(order[:taken])


def _sections(items: Sequence[Ready], directory: Directory, style: Style) -> dict[str, list[Ready]]:
    """Items by heading, which several rules may share; headings and items in the order given."""
    titles: dict[str, str] = {}  # of a rule; a storm has many items and few rules
    sections: dict[str, list[Ready]] = {}
    for ready in items:
        t = ready.intent.transition
        if t.rule not in titles:
            titles[t.rule] = About(t, directory, style).title
        section = style.say("section", badge=style.say(_badge(ready)), title=titles[t.rule])
        sections.setdefault(section, []).append(ready)
    return sections


def _badge(ready: Ready) -> str:
    """What a message says of the alert first: how it ended, else how bad it is."""
    intent = ready.intent
    if intent.kind == "resolved" and intent.transition.verdict == "too_few":
        return "unjudged"
    return intent.kind if intent.kind in OVER else intent.severity


def _heading(order: Sequence[Ready], style: Style) -> str:
    counts: dict[str, int] = {}
    for ready in order:
        counts[_badge(ready)] = counts.get(_badge(ready), 0) + 1
    parts = style.say("comma").join(
        style.say("part", what=style.say(name), n=n) for name, n in counts.items()
    )
    marks = {
        "again": order[0].again,
        "unrecorded": style.unrecorded,
        "after_the_fact": any(ready.intent.transition.after_the_fact for ready in order),
    }
    text = style.say("digest", n=len(order), parts=parts)
    return text + (style.marked(name for name, on in marks.items() if on) if any(marks.values()) else "")


def _rest(n: int, directory: Directory, style: Style) -> str:
    url = directory.alerts_url()
    return style.say(("rest_link" if style.markdown else "rest_plain") if url else "rest", n=n, url=url)


# Both


def fit(lines: Sequence[tuple[int, str]], limit_bytes: int) -> str:
    """Join lines, leaving out whole ones: the highest rank first, of equal ones the last."""
    kept = [(rank, text) for rank, text in lines if text]
    while len("\n".join(text for _, text in kept).encode()) > limit_bytes and len(kept) > 1:
        worst = max(range(1, len(kept)), key=lambda i: (kept[i][0], i))
        del kept[worst]
    return cut("\n".join(text for _, text in kept), limit_bytes)


def _data(ready: Ready, directory: Directory, style: Style) -> dict[str, Any]:
    """The alert as data, for machines and for templates; customers masked."""
    intent, t = ready.intent, ready.intent.transition
    about = About(t, directory, style)
    return {
        "alert": intent.alert,
        "incident": intent.incident,
        "kind": intent.kind,
        "rule": t.rule,
        "name": about.name,
        "title": about.title,
        "figure": about.figure(),
        "subject": t.subject,
        "state": t.to_state,
        "severity": t.severity,
        "at_ms": t.at_ms,
        "since_ms": t.since_ms,
        "reason": t.reason,
        "after_the_fact": t.after_the_fact,
        "missed": ready.missed,
        "unrecorded": style.unrecorded,
        "facts": msgspec.to_builtins(t.facts),
        "items": [
            {
                "customer": mask(item.customer_id or item.conversation_id),
                "deadline_ms": item.deadline_ms,
                "agent_id": item.agent_id,
            }
            for item in t.items[: limits.ITEMS_SHOWN]
        ],
    }
