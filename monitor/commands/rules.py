"""``slawatch rules``: check rules, and show what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands.output import format_option, note, print_json, print_table
from monitor.errors import MonitorError
from rules.load import load_packs, load_rules, starter_rules
from rules.problems import Problem, RulesError
from rules.rule import level_text, no_data_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rules.rule import Rule, RuleSet

FOUND = 1
HERE = Path("rules")  # as `slawatch init` lays it out

paths_argument = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
packs_option = click.option(
    "--packs",
    type=click.Path(path_type=Path, file_okay=False),
    help="A directory of packs in place of those that ship.",
)


@click.group()
def command() -> None:
    """Check rules and show what they mean."""


@command.command()
@paths_argument
@packs_option
@format_option
@click.option("--strict", is_flag=True, help="Doubts count as errors.")
def check(paths: tuple[Path, ...], packs: Path | None, form: str, strict: bool) -> None:
    """Report every error and doubt in rules, at once.

    PATHS are files, or directories of them; without one ./rules, else the rules that ship. Each line
    reads file:line:column: what, found, allowed, did you mean. Exit status 1 when there are errors.
    """
    rules, problems = _load(paths, packs)
    failed = any(problem.severity == "error" or strict for problem in problems)
    if form == "json":
        print_json({"rules": len(rules), "problems": problems})
    else:
        for problem in problems:
            click.echo(str(problem) if problem.severity == "error" else f"{problem} (doubt)")
        note(_summary(len(rules), problems))
    if failed:
        raise click.exceptions.Exit(FOUND)


@command.command()
@paths_argument
@packs_option
@format_option
def show(paths: tuple[Path, ...], packs: Path | None, form: str) -> None:
    """List rules: what each watches, when it warns, and whom it tells."""
    rules, problems = _load(paths, packs)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise RulesError(errors)
    rows = [_row(rule) for rule in rules.values()]
    if form == "json":
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    else:
        print_table(_COLUMNS, rows, empty="no rules")


_COLUMNS = ("rule", "watches", "each", "warn", "crit", "tells")


def _row(rule: Rule) -> tuple[str, ...]:
    watches = rule.line or (f"{rule.measure} {rule.period}" if rule.measure else "")
    when = {name: level_text(level) for name in ("warn", "crit") if (level := getattr(rule, name))}
    if rule.no_data:
        when[rule.no_data.severity] = no_data_text(rule.no_data)
    return (rule.id, watches, rule.each, when.get("warn", ""), when.get("crit", ""), rule.notify)


def _load(paths: Sequence[Path], packs: Path | None) -> tuple[dict[str, Rule], list[Problem]]:
    """The rules that could be read, and every problem of packs and rules."""
    chosen = list(paths) or ([HERE] if any(HERE.glob("*.y*ml")) else starter_rules())
    try:
        found: RuleSet = load_rules(chosen, load_packs(packs))
    except RulesError as error:
        return {}, list(error.problems)
    if not found.rules:
        raise MonitorError(f"{chosen[0]}: no rules there", mend="name files or directories with *.yaml")
    return found.rules, list(found.warnings)


def _summary(rules: int, problems: Iterable[Problem]) -> str:
    errors = sum(problem.severity == "error" for problem in problems)
    doubts = sum(problem.severity != "error" for problem in problems)
    if errors:
        mend = f"until {'it is' if errors == 1 else 'they are'} mended"
        return f"{_count(errors, 'error')}, {_count(doubts, 'doubt')}; no rule is taken {mend}"
    return f"{_count(rules, 'rule')}, no errors, {_count(doubts, 'doubt')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
