"""The reference of every command and option, made from the commands themselves: ``docs/cli.md``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from monitor.cli import slawatch

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """# Commands

Made from the commands themselves by `make docs`; a test compares. Every command answers `--help`.

Exit status: 0 fine, 1 found something (check, test, doctor), 2 used wrongly or not possible. A mistake is one
line on standard error that names the thing and the mend.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    context = click.Context(slawatch, info_name="slawatch")
    return "\n".join([_HEAD, *_options(slawatch, context), *_commands(slawatch, context)]).rstrip() + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(inner))
        yield f"## `{inner.command_path} {usage}`\n"
        yield f"{inspect.cleandoc(command.help or '')}\n"
        yield from _options(command, inner)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = [record for param in command.params if (record := param.get_help_record(context))]
    if rows:
        yield "| option | |\n|---|---|"
        for option, text in rows:
            yield f"| `{_cell(option)}` | {_cell(text)} |"
        yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    click.echo(reference(), nl=False)
