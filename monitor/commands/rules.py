"""``slawatch rules``: check rules, show what they mean, put them in force."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands.context import Daemon, as_far_as_right, daemon_options
from monitor.commands.output import Group, format_option, note, print_json, print_table
from monitor.errors import MonitorError
from rules.load import is_shipped, load_both, starter_rules
from rules.problems import Problem, RulesError
from rules.rule import level_text, no_data_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from monitor.commands.context import Configuration
    from rules.rule import Rule, RuleSet

FOUND = 1
HERE = Path("rules")  # as `slawatch init` lays it out

paths_argument = click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
packs_option = click.option(
    "--packs",
    type=click.Path(exists=True, path_type=Path, file_okay=False),
    help="A directory of packs.  [default: the configuration's, else those that ship]",
)


@click.group(cls=Group)
def command() -> None:
    """Check rules, show what they mean, put them in force."""


@command.command()
@paths_argument
@packs_option
@format_option
@click.option("--strict", is_flag=True, help="Doubts count as errors.")
@click.pass_context
def check(ctx: click.Context, paths: tuple[Path, ...], packs: Path | None, form: str, strict: bool) -> None:
    """Report every error and doubt in rules, at once.

    PATHS are files, or directories of them; without one those of the configuration (--config, or
    slawatch.yaml here), else ./rules, else the rules that ship. Packs and receivers are those of the
    configuration too. Each line reads file:line:column: what, found, allowed, did you mean. Exit status 1
    when there are errors.
    """
    rules, problems = _load(ctx, paths, packs)
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
@click.pass_context
def show(ctx: click.Context, paths: tuple[Path, ...], packs: Path | None, form: str) -> None:
    """List rules: what each watches, when it warns, and whom it tells."""
    rules, problems = _load(ctx, paths, packs)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise RulesError(errors)
    rows = [_row(rule) for rule in rules.values()]
    if form == "json":
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    else:
        print_table(_COLUMNS, rows, empty="no rules")


@command.command()
@daemon_options
@click.pass_context
def apply(ctx: click.Context, url: str | None, token: str | None) -> None:
    """Have the running daemon read rules, packs, shops, people and receivers again, and put them in force.

    All of them count, or nothing is changed: one mistake, and those in force stay. In a cluster ask a desk
    (--url): it tells every worker by way of the store. A daemon of one process also sees changed files by
    itself; SIGHUP does the same everywhere.
    """
    applied = Daemon(ctx, url, token).post("/rules/apply", {})
    state = "in force from now on" if applied["changed"] else "in force already"
    note(f"{_count(applied['rules'], 'rule')} {state}: plan {applied['plan']}")


_COLUMNS = ("rule", "watches", "each", "warn", "crit", "tells")


def _row(rule: Rule) -> tuple[str, ...]:
    watches = rule.line or (f"{rule.measure} {rule.period}" if rule.measure else "")
    when = {name: level_text(level) for name in ("warn", "crit") if (level := getattr(rule, name))}
    if rule.no_data:
        when[rule.no_data.severity] = no_data_text(rule.no_data)
    return (rule.id, watches, rule.each, when.get("warn", ""), when.get("crit", ""), rule.notify)


def _load(
    ctx: click.Context, paths: Sequence[Path], packs: Path | None
) -> tuple[dict[str, Rule], list[Problem]]:
    """The rules that could be read, and every problem of packs and rules."""
    configuration = as_far_as_right(ctx)
    here = configuration.place(configuration.settings.rules) if configuration else HERE
    if packs is None and configuration and configuration.settings.packs:
        packs = configuration.place(configuration.settings.packs)
    chosen = list(paths) or ([here] if any(here.glob("*.y*ml")) else starter_rules())
    try:
        found: RuleSet = load_both(packs, chosen, _receivers(configuration))[1]
    except RulesError as error:
        return {}, _told(error.problems, chosen)
    if not found.rules:
        raise MonitorError(f"{chosen[0]}: no rules there", mend="name files or directories with *.yaml")
    return found.rules, _told([*found.warnings, *_teamless(found.rules, configuration)], chosen)


def _teamless(rules: Mapping[str, Rule], configuration: Configuration | None) -> Iterator[Problem]:
    """Rules on teams where no shop has one: they look at nothing."""
    of_teams = [rule for rule in rules.values() if rule.each == "team"]
    if configuration is None or not of_teams:
        return
    from monitor.directory import load_shops  # noqa: PLC0415 - pydantic is slow to import

    path = configuration.place(configuration.settings.shops)
    try:
        shops = load_shops(path)
    except MonitorError:
        note(f"{path} has mistakes, so teams were not checked; `slawatch doctor` names them")
        return
    if not any(shop.team for shop in shops.values()):
        for rule in of_teams:
            what = f"rule '{rule.id}' looks at teams, and no shop of {path.name} has a `team`"
            yield Problem(rule.file, *rule.place, what, severity="warning")


def _receivers(configuration: Configuration | None) -> frozenset[str] | None:
    """The names that `notify` may have; None, any, where no alerting.yaml says them."""
    path = configuration.place(configuration.settings.alerting) if configuration else None
    if path is None or not path.exists():
        return None
    from alerting.config.model import Alerting  # noqa: PLC0415 - pydantic is slow to import
    from monitor.configuration import load_model  # noqa: PLC0415

    try:
        return load_model(path, Alerting, Alerting.parse).names()
    except MonitorError:
        note(f"{path} has mistakes, so receivers were not checked; `slawatch doctor` names them")
        return None


def _told(problems: Iterable[Problem], chosen: Sequence[Path]) -> list[Problem]:
    """Problems as their reader sees them: files by the shortest name from here.

    Some files are not all of somebody's rules: that they leave a line of our packs alone is no doubt then.
    """
    some = not any(path.is_dir() for path in chosen) and list(chosen) != starter_rules()
    here = Path.cwd()
    return [
        replace(problem, file=str(path.relative_to(here)) if path.is_relative_to(here) else problem.file)
        for problem in problems
        if not (some and is_shipped(problem.file) and problem.severity == "warning")
        for path in (Path(problem.file),)
    ]


def _summary(rules: int, problems: Iterable[Problem]) -> str:
    errors = sum(problem.severity == "error" for problem in problems)
    doubts = sum(problem.severity != "error" for problem in problems)
    if errors:
        mend = f"until {'it is' if errors == 1 else 'they are'} mended"
        return f"{_count(errors, 'error')}, {_count(doubts, 'doubt')}; no rule is taken {mend}"
    return f"{_count(rules, 'rule')}, no errors, {_count(doubts, 'doubt')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
