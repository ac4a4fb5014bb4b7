"""How commands speak: tables for people, JSON for scripts, progress only where somebody watches."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from monitor.cli import Named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

PIPE_WIDTH = 200  # columns of a table that no terminal limits


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the doctor looked at."""

    state: Literal["ok", "warn", "fail"]
    what: str
    mend: str = ""


class Group(Named):
    """Commands under a common word, each listed with the whole of its first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Every command with its line."""
        firsts = [(name, (one.help or "").partition("\n\n")[0]) for name, one in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl([(name, " ".join(first.split())) for name, first in sorted(firsts)])


format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for people, or JSON for scripts.",
)


def print_json(value: Any) -> None:
    """Print one JSON value: struct, dataclass or plain."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under their columns; ``empty`` in place of a table without rows."""
    from monitor.commands.table import table_lines  # noqa: PLC0415 - drawing is not needed to start

    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    click.echo("\n".join(table_lines(columns, cells, room)))


@contextmanager
def progress(what: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Show a bar on a terminal's stderr; gives a function that is told how much was done since."""
    if not sys.stderr.isatty():
        yield lambda _amount: None
        return
    from rich.console import Console  # noqa: PLC0415 - drawing is not needed to start
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda amount: bar.advance(task, amount)


def plain(words: str) -> str:
    """What another system said, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in words)


def local_time(at_ms: int) -> str:
    """A time as the clock on this machine's wall counts now, with its year where that is another.

    ``zoned`` says so above it.
    """
    at = datetime.fromtimestamp(at_ms / 1000, _here())
    return f"{at:%m-%d %H:%M:%S}" if at.year == _now().year else f"{at:%Y-%m-%d %H:%M:%S}"


def zoned(title: str) -> str:
    """The title of a column of ``local_time``, with the offset that all times of the table have."""
    return f"{title} {_here()}"


def _here() -> timezone:
    """The offset in force: one for all times, so that those from before the clock was moved fit the title."""
    return timezone(_now().utcoffset() or timedelta())


def _now() -> datetime:
    return datetime.now(UTC).astimezone()


def note(text: str) -> None:
    """Say something beside the result: on stderr, so that the result can be piped."""
    click.echo(text, err=True)


def unreached(problem: str) -> None:
    """Say why nothing happens yet."""
    note(f"slawatch: no broker is reached so far: {problem}")
