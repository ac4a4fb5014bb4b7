"""A batch on its way to InfluxDB: what of it is still to be sent, and what was refused of it.

Pure. What the server has taken or condemned is never sent again, whatever happens to the rest.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from monitor.sinks.influx_refused import Refused, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from monitor.sinks.influx_link import Answer
    from monitor.sinks.influx_spool import Batch

_DROPPED = re.compile(r"dropped=(\d+)")
_WRONG, _END = "unable to parse '", "': "


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that are sent as one. ``body``: gzipped."""

    body: bytes
    points: int


class Parcel:
    """A batch in parts."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.refused: list[Refused] = []
        self.begun = False  # something of it was answered for good
        self._left = [Part(batch.body, batch.points)]  # the next one last

    @property
    def left(self) -> int:
        """Points that are still to be sent."""
        return sum(part.points for part in self._left)

    def next(self, points_max: int) -> Part:
        """What is to be sent now, at most so many points.

        Raises:
            zlib.error: What is on disk is damaged.
        """
        if self._left[-1].points > points_max:
            lines = self._lines()
            self._left.pop()
            self._put(*(lines[at : at + points_max] for at in range(0, len(lines), points_max)))
        return self._left[-1]

    def stored(self) -> None:
        """The server has it."""
        self._answered()

    def spoil(self) -> None:
        """Nobody can read what is left."""
        self._left.clear()

    def partly(self, answer: Answer) -> int:
        """The server has it but for some points, and does not say which; how many."""
        lines = self._lines()
        self._answered()
        self.refused.append(Refused(answer.status, answer.words, lines))
        said = _DROPPED.search(answer.words)
        return min(int(said[1]), len(lines)) if said else len(lines)

    def wrong(self, answer: Answer) -> int:
        """Something in it is wrong: put aside the lines that the server names, else look in each half.

        Returns:
            How many points were put aside.
        """
        lines = self._lines()
        self._answered()
        named = _named(answer.words, lines) if len(lines) > 1 else {answer.words: lines}
        if not named:
            half = len(lines) // 2
            self._put(lines[:half], lines[half:])
            return 0
        for words, found in named.items():
            self.refused.append(Refused(answer.status, words, found))
        aside = {line for found in named.values() for line in found}
        rest = [line for line in lines if line not in aside]
        self._put(rest)
        return len(lines) - len(rest)

    def _answered(self) -> None:
        self.begun = True
        self._left.pop()

    def _lines(self) -> list[bytes]:
        return unpacked(self._left[-1].body).split(b"\n")

    def _put(self, *parts: Sequence[bytes]) -> None:
        self._left += [Part(packed(b"\n".join(one)), len(one)) for one in reversed(parts) if one]


def _named(words: str, lines: Collection[bytes]) -> dict[str, list[bytes]]:
    """What InfluxDB says is wrong → the lines of which it says so.

    It names each, as ``unable to parse 'LINE': why``, one below the other; other mistakes it does not place.
    """
    try:
        told = str(msgspec.json.decode(words)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):  # cut short, or of another kind
        return {}
    ours, found = set(lines), defaultdict[str, list[bytes]](list)
    longest = max(map(len, ours)) + len(_END)  # no farther, or a long answer would take hours to read
    for row in told.split("\n"):
        text = row.removeprefix(_WRONG)
        for end in re.finditer(_END, text[:longest]):
            if (line := text[: end.start()].encode("utf-8", "replace")) in ours:
                ours.remove(line)  # put aside once, however often it is named
                found[f"unable to parse: {text[end.end() :]}"].append(line)
                break
    return found
