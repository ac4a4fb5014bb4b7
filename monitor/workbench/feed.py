"""Traffic to a file, or to a daemon as fast as it happened or as it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from monitor.workbench.simulate import Arrival

BATCH_EVENTS = 500
TICK_S = 0.1  # live: what has arrived since is sent together
TRIES = 60
WAIT_MOST_S = 30.0  # between tries, whatever the daemon asks for

_encode = msgspec.json.Encoder().encode


class Answer(Protocol):
    """What is needed of an HTTP answer."""

    @property
    def status_code(self) -> int:
        """The status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names in any case."""

    @property
    def content(self) -> bytes:
        """The body."""


class Clock(Protocol):
    """Time that passes, as ``monotonic`` and ``sleep`` of the standard library tell it."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float, /) -> None:
        """Let time pass."""


@dataclass(slots=True)
class Fed:
    """What a daemon said to all it was sent."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0


def write_lines(arrivals: Iterable[Arrival], write: Callable[[bytes], object], *, received_at: bool) -> int:
    """Write NDJSON; with ``received_at`` a replay sees the same arrivals. Returns the number of lines."""
    lines = 0
    for arrival_ms, event in arrivals:
        event.received_at = arrival_ms if received_at else ""
        write(_encode(event) + b"\n")
        lines += 1
    return lines


def feed(
    arrivals: Iterable[Arrival],
    post: Callable[[str, bytes], Answer],
    clock: Clock,
    *,
    speed: float,
) -> Fed:
    """Send arrivals to a daemon, in batches of one source.

    Args:
        arrivals: In order.
        post: Sends a body of NDJSON in the name of a source; raises ``ConnectionError`` where nobody answers.
        clock: The time that passes here.
        speed: Simulated seconds a second; 0: as fast as they are taken.

    Raises:
        MonitorError: The daemon refuses, or does not answer for long.
    """
    fed = Fed()
    held: dict[str, list[bytes]] = {}
    began_s, began_ms, due_s = clock.monotonic(), -1, TICK_S
    for arrival_ms, event in arrivals:
        if began_ms < 0:
            began_ms = arrival_ms
        if speed and (arrival_ms - began_ms) / 1000 / speed > due_s:
            for source in list(held):
                send_lines(post, clock, source, held.pop(source), fed)
            due_s = (arrival_ms - began_ms) / 1000 / speed + TICK_S
            clock.sleep(max(0.0, began_s + due_s - clock.monotonic()))
        lines = held.setdefault(event.source, [])
        lines.append(_encode(event))
        if len(lines) >= BATCH_EVENTS:
            send_lines(post, clock, event.source, held.pop(event.source), fed)
    for source, lines in held.items():
        send_lines(post, clock, source, lines, fed)
    return fed


class _Rejected(msgspec.Struct):
    index: int


class _Taken(msgspec.Struct):
    accepted: int
    duplicates: int
    rejected: list[_Rejected]


def send_lines(
    post: Callable[[str, bytes], Answer], clock: Clock, source: str, lines: Sequence[bytes], fed: Fed
) -> set[int]:
    """Send lines until the daemon has taken or refused them; adds to ``fed``, returns the refused places.

    A daemon that has answered is waited for; where nobody ever did, the address is wrong.
    """
    body = b"\n".join(lines)
    answered = fed != Fed()
    for tries in range(TRIES):
        try:
            answer = post(source, body)
        except ConnectionError as error:
            if tries == TRIES - 1 or not answered:
                raise MonitorError(str(error), mend="start the daemon, or name its address") from error
            clock.sleep(min(0.5 * 2**tries, WAIT_MOST_S / 10))
            continue
        answered = True
        if answer.status_code not in {429, 503}:
            break
        # The ids are the same at the next try: what was taken already counts as repeated.
        clock.sleep(min(float(answer.headers.get("retry-after") or 1), WAIT_MOST_S))
    if answer.status_code != 202:
        said = answer.content[:200].decode(errors="replace")
        raise MonitorError(
            f"the daemon answers {answer.status_code} to source {source}: {said}",
            mend="check address and --token",
        )
    taken = msgspec.json.decode(answer.content, type=_Taken)
    fed.accepted += taken.accepted
    fed.duplicates += taken.duplicates
    fed.rejected += len(taken.rejected)
    return {one.index for one in taken.rejected}
