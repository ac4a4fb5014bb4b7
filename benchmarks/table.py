"""What a benchmark found, beside its reference and its bar."""

from __future__ import annotations

from typing import NamedTuple

HEAD = ("what", "measured", "reference", "bar", "")


class Row(NamedTuple):
    """One line of the table; ``held`` is None where there is no bar."""

    what: str
    found: str
    reference: str = ""
    bar: str = ""
    held: bool | None = None


def print_rows(rows: list[Row]) -> None:
    """As a table of Markdown, which docs/benchmarks.md takes as it is."""
    said = {None: "", True: "held", False: "**missed**"}
    cells = [HEAD, *((*row[:4], said[row.held]) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    for number, line in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
