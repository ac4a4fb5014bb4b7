"""What a benchmark found, beside its reference and its bar."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

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


def measure_and_print(about: str | None, rows: Callable[..., list[Row]], **sizes: int) -> None:
    """Be the command of one benchmark: each of its sizes is an option."""
    parser = argparse.ArgumentParser(description=about)
    for name, usual in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    print_rows(rows(**vars(parser.parse_args())))
