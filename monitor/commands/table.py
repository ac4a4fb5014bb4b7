"""Tables as text: as narrow as a terminal is where their words allow, and never cut."""

from __future__ import annotations

from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Row = Sequence[str]

_GAP = 2  # columns between two cells
_BROKEN = 10  # titles, and words with wide characters (Chinese has no blanks), may be broken at so many


def table_lines(titles: Row, rows: Sequence[Row], room: int) -> list[str]:
    """The lines of a table, its titles first; only where words need more are they longer than ``room``.

    What names a row stands alone above it where the table would else be too wide, or half as long again.
    """
    widths = _narrowed(titles, rows, room)
    plain = [line for row in (titles, *rows) for line in _lines(row, widths)]
    if not all(row[0] for row in rows):
        return plain
    headed = _headed(titles, rows, room)
    return plain if _total(widths) <= room and len(plain) * 2 <= len(headed) * 3 else headed


def _headed(titles: Row, rows: Sequence[Row], room: int) -> list[str]:
    """The first column as headings, each above the rows that have it."""
    groups = groupby((titles, *rows), key=lambda row: row[0])
    widths = _narrowed(titles[1:], [row[1:] for row in rows], room - _GAP)
    return [
        line
        for name, some in groups
        for line in (name, *(" " * _GAP + line for row in some for line in _lines(row[1:], widths)))
    ]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _narrowed(titles: Row, rows: Sequence[Row], room: int) -> list[int]:
    """As wide as the cells are; the widest first narrowed to what their words need, until they fit."""
    columns = list(zip(*rows, strict=True))
    widths = [
        max(cell_len(cell) for cell in (title, *cells)) for title, cells in zip(titles, columns, strict=True)
    ]
    least = [
        max(min(cell_len(title), _BROKEN), *(_needs(word) for cell in cells for word in cell.split() or [""]))
        for title, cells in zip(titles, columns, strict=True)
    ]
    while _total(widths) > room and widths != least:
        widest = max(
            (place for place in range(len(widths)) if widths[place] > least[place]), key=widths.__getitem__
        )
        widths[widest] -= 1
    return widths


def _needs(word: str) -> int:
    return cell_len(word) if word.isascii() else min(cell_len(word), _BROKEN)


def _lines(row: Row, widths: Sequence[int]) -> Iterator[str]:
    cells = (list(_wrapped(cell, width)) for cell, width in zip(row, widths, strict=True))
    for parts in zip_longest(*cells, fillvalue=""):
        padded = (part + " " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True))
        yield (" " * _GAP).join(padded).rstrip()


def _wrapped(cell: str, width: int) -> Iterator[str]:
    """A cell in lines of at most ``width``, between its words; one that is longer is broken."""
    line = ""
    for word in cell.split():
        if line and cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = ""
        line += f" {word}" if line else word
        while cell_len(line) > width:
            fits = next(n for n in range(len(line), 0, -1) if cell_len(line[:n]) <= width)
            yield line[:fits]
            line = line[fits:]
    yield line
