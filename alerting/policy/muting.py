"""Silences: from when somebody asks for one to what is told at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting import limits
from alerting.policy.match import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from alerting.policy.ledger import Ledger
    from alerting.policy.records import Silence, Unsilence
    from alerting.policy.state import Alert, Way


def begin(books: Ledger, item: Silence) -> None:
    """Hold what the silence matches from now on."""
    name = f"silence {item.id}"
    in_force = sum(item.at_ms < silence.until_ms for silence in books.silences.values())
    if item.id not in books.silences and in_force >= limits.SILENCES_MAX:
        books.trace(name, item.at_ms, "silence", "refused", f"{limits.SILENCES_MAX} silences already")
        return
    matched = matched_by(books, item.matcher)
    if item.until_resolved and not matched:
        books.trace(name, item.at_ms, "silence", "refused", "nothing fires that it matches")
        return
    until_ms = min(item.until_ms, item.at_ms + limits.SILENCE_MS_MAX)
    former = books.silences.get(item.id)
    books.put_silence(msgspec.structs.replace(item, until_ms=until_ms))
    books.trace(name, item.at_ms, "silence", "begun", f"by {item.who}: {item.comment}")
    for alert in matched:
        books.trace(alert.key, item.at_ms, "silence", "begun", f"silence {item.id} by {item.who}")
        held = books.silenced(alert, item.at_ms)
        if held and held.id != item.id:
            continue  # by another one, for longer: it goes on as it was
        for way in alert.ways:
            follow_up(books, alert, way, item.at_ms)
        books.rehold(alert, item.at_ms)
    if former:
        _release(books, former, item.at_ms)


def end(books: Ledger, item: Unsilence) -> None:
    """End a silence now; what still fires is told now."""
    silence = books.drop_silence(item.id)
    verdict = "ended" if silence else "refused"
    books.trace(f"silence {item.id}", item.at_ms, "silence", verdict, f"by {item.who}")
    if silence:
        _release(books, silence, item.at_ms)


def resolved(books: Ledger, alert: Alert, at_ms: int) -> None:
    """End the silences that were to last until what they match is over, if this was the last of it."""
    for silence in books.silences.until_resolved(books.labels_of(alert)):
        others = (other for other in books.open.values() if other is not alert)
        if not any(_fitting(books, silence.matcher, others)):
            books.drop_silence(silence.id)
            books.trace(f"silence {silence.id}", at_ms, "silence", "ended", "all that it matched is over")
            _release(books, silence, at_ms)


def matched_by(books: Ledger, matcher: Mapping[str, str]) -> list[Alert]:
    """The alerts that fire and that ``matcher`` fits: what a silence would hold now."""
    return list(_fitting(books, matcher, books.open.values()))


def follow_up(books: Ledger, alert: Alert, way: Way, at_ms: int) -> None:
    """Plan what comes after an alert was told: a repeat, or once more at the end of a silence."""
    once = alert.transition.after_the_fact or alert.acked_by
    if alert.over or once or not way.only_repeats or (way.stage and not way.told_ms):
        return
    silence = books.silenced(alert, at_ms)
    if silence:
        books.void(alert, way, at_ms, f"silence {silence.id}")
        books.queue(alert, way, "still", silence.until_ms, at_ms)
    elif not way.queued:
        books.queue(alert, way, "repeat", at_ms + books.receiver(way).repeat_interval_ms, at_ms)


def _fitting(books: Ledger, matcher: Mapping[str, str], alerts: Iterable[Alert]) -> Iterator[Alert]:
    return (alert for alert in alerts if matches(matcher, books.labels_of(alert)))


def _release(books: Ledger, silence: Silence, at_ms: int) -> None:
    for alert in list(_fitting(books, silence.matcher, books.alerts.values())):
        held = books.silenced(alert, at_ms)
        if held and held.until_ms >= silence.until_ms:
            continue
        for way in alert.ways:
            for waiting in way.queued.values():
                if waiting.kind == "still":
                    waiting.base_ms = min(waiting.base_ms, at_ms)
        books.rehold(alert, at_ms)
