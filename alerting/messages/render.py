"""Messages as a manager on a phone reads them: first the shop, what it is and how bad, then what to do.

Rendered from transitions and from names that a ``Directory`` gives; nothing else. A message fits its
channel's bytes by leaving out whole lines, the least important first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import xxhash

from alerting import limits
from alerting.channels.base import Message
from alerting.messages.about import About
from alerting.messages.by_ids import ByIds
from alerting.messages.template import OURS
from alerting.messages.trimmed import cut, mask
from alerting.messages.words import COLOURS, badge, ranked, words
from alerting.policy.records import OVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alerting.messages.style import Style
    from alerting.policy.compose import Draft, Ready
    from alerting.ports import Directory


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message, and those of the draft's items that are in it."""

    message: Message
    taken: tuple[Ready, ...]


def render(draft: Draft, directory: Directory, style: Style) -> Rendered:
    """Write the draft; several alerts become a digest of a row each.

    Where mentions are part of the text, those who are called stand in its last line.
    """
    taken: tuple[Ready, ...]
    mentions: tuple[str, ...]
    call = " ".join(f"<@{who}>" for who in style.call) if style.markdown else ""
    if call:
        style = replace(style, limit_bytes=style.limit_bytes - len(call.encode()) - 1)
    if len(draft.items) == 1:
        body, mentions = _single(draft.items[0], directory, style)
        taken = draft.items
    else:
        body, taken = _digest(draft.items, directory, style)
        mentions = ()
    message = Message(
        key=xxhash.xxh3_64_hexdigest("\n".join(r.intent.id for r in taken).encode()),
        body=f"{body}\n{call}" if call else body,
        mentions=mentions,
        alerts=tuple(_data(ready, directory, style) for ready in taken),
        again=draft.again,
        language=style.language,
    )
    return Rendered(message, taken)


def render_whatever(
    draft: Draft,
    directory: Directory,
    style: Style,
    account: str = "",
    told: Callable[[str, Exception], object] | None = None,
) -> Rendered:
    """As ``render``; what fails is told of the account, and ids and our own template do: all are told.

    Raises:
        Exception: What failed, where there is nobody to tell.
    """
    try:
        return render(draft, directory, style)
    except Exception as error:
        if told is None:
            raise
        told(account, error)
        return render(draft, ByIds(), replace(style, templates=OURS))


# One alert


def _single(ready: Ready, directory: Directory, style: Style) -> tuple[str, tuple[str, ...]]:
    t = ready.intent.transition
    about = About(t, directory, style)
    named = dict.fromkeys(person for item in t.items if (person := about.mention(item)))
    mentions = tuple(named)[: limits.MENTIONS_MAX]
    text = style.templates.alert.write(words(ready, about, directory))
    return fit(ranked(text), style.limit_bytes), mentions


# Several alerts


def _digest(items: Sequence[Ready], directory: Directory, style: Style) -> tuple[str, tuple[Ready, ...]]:
    """A heading that counts, then rows under the title of their rule; as many as fit."""
    sections = _sections(items, directory, style)
    order = [ready for section in sections.values() for ready in section]
    titles = {id(ready): section for section, found in sections.items() for ready in found}
    over = all(ready.intent.kind in OVER for ready in order)
    colour = COLOURS["over" if over else "crit" if order[0].intent.urgent else "warn"]
    head = style.strong(_heading(order, style), colour)
    left = style.limit_bytes - len(head.encode()) - len(_rest(len(order), directory, style).encode()) - 2
    lines: list[str] = []
    taken = 0
    section = ""
    for ready in order:
        rows = [_row(ready, directory, style)]
        if section != titles[id(ready)]:
            rows.insert(0, style.strong(titles[id(ready)]))
        size = sum(len(row.encode()) + 1 for row in rows)
        if size > left and taken:
            break
        section, left, taken = titles[id(ready)], left - size, taken + 1
        lines += rows
    if last := _rest(len(order) - taken, directory, style):
        lines.append(last)
    return "\n".join([head, *lines]), tuple(order[:taken])


def _row(ready: Ready, directory: Directory, style: Style) -> str:
    about = About(ready.intent.transition, directory, style)
    if style.templates.row is None:
        return about.row(ready)
    text = style.templates.row.write(words(ready, about, directory))
    return cut(" ".join(" ".join(line for _, line in ranked(text)).split()), limits.ROW_BYTES)


def _sections(items: Sequence[Ready], directory: Directory, style: Style) -> dict[str, list[Ready]]:
    """Items by heading, which several rules may share; headings and items in the order given."""
    titles: dict[str, str] = {}  # of a rule; a storm has many items and few rules
    sections: dict[str, list[Ready]] = {}
    for ready in items:
        t = ready.intent.transition
        if t.rule not in titles:
            titles[t.rule] = About(t, directory, style).title
        section = style.say("section", badge=style.say(badge(ready)), title=titles[t.rule])
        sections.setdefault(section, []).append(ready)
    return sections


def _heading(order: Sequence[Ready], style: Style) -> str:
    counts: dict[str, int] = {}
    for ready in order:
        counts[badge(ready)] = counts.get(badge(ready), 0) + 1
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
    """How many are not in it, and where all are shown."""
    url = directory.alerts_url()
    if not n:
        return style.say("all_link" if style.markdown else "all_plain", url=url) if url else ""
    return style.say(("rest_link" if style.markdown else "rest_plain") if url else "rest", n=n, url=url)


# Both


def fit(lines: Sequence[tuple[int, str]], limit_bytes: int) -> str:
    """Join lines, leaving out whole ones: the highest rank first, of equal ones the last."""
    kept = [(rank, text) for rank, text in lines if text.strip()]
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
