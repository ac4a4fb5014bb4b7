"""Packs and rules from files: the one module here that reads from disk."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from rules.check import lint
from rules.limits import MAX_FILE_CHARACTERS, MAX_RULES
from rules.pack_reader import read_pack
from rules.problems import Problem, RulesError
from rules.rule import RuleSet
from rules.rule_reader import World, read_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from rules.pack import Pack
    from rules.rule import Rule

_SHIPPED = Path(__file__).parent


def load_pack(path: Path | None = None, text: str | None = None) -> Pack:
    """Load one pack from a file, or from ``text`` (``path`` then only names it in errors).

    Raises:
        RulesError: with every problem of the file.
    """
    problems: list[Problem] = []
    if text is None:
        if path is None:
            raise ValueError("load_pack needs a path or a text")
        text = _read(path, problems)
    pack = None
    if not problems:
        pack, problems = read_pack(text, str(path or "pack.yaml"), _zones())
    if pack is None:
        raise RulesError(problems)
    return pack


def load_packs(directory: Path | None = None) -> dict[str, tuple[Pack, ...]]:
    """Load every pack of a directory (None: the shipped ones): the versions of each id, by date.

    A version without ``until`` ends where the next begins, at midnight.

    Raises:
        RulesError: with every problem of every file, overlapping versions among them.
    """
    packs, problems = _read_packs(directory)
    if problems:
        raise RulesError(problems)
    return packs


def _read_packs(directory: Path | None) -> tuple[dict[str, tuple[Pack, ...]], list[Problem]]:
    """The packs that are right, and every problem of the others."""
    problems: list[Problem] = []
    packs: dict[str, list[Pack]] = {}
    for path in _yaml_files([directory or _SHIPPED / "packs"], problems):
        try:
            pack = load_pack(path)
        except RulesError as error:
            problems += error.problems
        else:
            packs.setdefault(pack.id, []).append(pack)
    for versions in packs.values():
        versions.sort(key=lambda pack: pack.from_date or "")
        problems += _overlaps(versions)
    return {name: _meeting(versions) for name, versions in sorted(packs.items())}, problems


def load_both(
    directory: Path | None, paths: Sequence[Path], receivers: Collection[str] | None = None
) -> tuple[dict[str, tuple[Pack, ...]], RuleSet]:
    """Load packs, and the rules against them; arguments as of ``load_packs`` and ``load_rules``.

    Raises:
        RulesError: with every problem of both. While a pack cannot be read, it is no mistake of a rule to
            name what no other pack has.
    """
    packs, problems = _read_packs(directory)
    try:
        rules = load_rules(paths, packs, receivers, whole=not problems)
    except RulesError as error:
        raise RulesError([*problems, *error.problems]) from None
    if problems:
        raise RulesError(problems)
    return packs, rules


def load_rules(
    paths: Sequence[Path],
    packs: Mapping[str, Sequence[Pack]],
    receivers: Collection[str] | None = None,
    *,
    whole: bool = True,
) -> RuleSet:
    """Load the rules of files and directories against the packs.

    Args:
        paths: files, or directories whose ``*.yaml`` are taken in order of name.
        packs: as ``load_packs`` gives them.
        receivers: the names that ``notify`` may have; None: any.
        whole: these are all the packs; else what a rule names and none of them has is no mistake.

    Raises:
        RulesError: with every problem of every file. Doubts alone are the set's ``warnings``.
    """
    problems: list[Problem] = []
    rules: dict[str, Rule] = {}
    world = World([pack for versions in packs.values() for pack in versions], receivers, whole=whole)
    for path in _yaml_files(paths, problems):
        text = _read(path, problems)
        found, wrong = read_rules(text, str(path), world) if text else ([], [])
        problems += wrong
        rules.update((rule.id, rule) for rule in found)
    if len(rules) > MAX_RULES:
        problems.append(Problem(str(paths[0]), 1, 1, f"more than {MAX_RULES} rules", str(len(rules))))
    doubts = lint(rules.values(), world.packs, whole=whole and not problems)
    if not whole:  # most doubts are about lines and measures
        doubts = [problem for problem in doubts if problem.severity == "error"]
    problems += [problem for problem in doubts if problem.severity == "error"]
    if problems:
        raise RulesError([*problems, *(problem for problem in doubts if problem.severity != "error")])
    return RuleSet(rules, tuple(sorted(doubts)))


def is_shipped(path: str) -> bool:
    """Whether a pack is one of ours, which its reader does not edit."""
    return Path(path).parent == _SHIPPED / "packs"


def shipped_packs() -> dict[str, Path]:
    """The files of our packs, by the names they go by."""
    return {path.stem: path for path in sorted((_SHIPPED / "packs").glob("*.yaml"))}


def starter_rules() -> list[Path]:
    """The rule files we ship to start from."""
    return sorted((_SHIPPED / "starter").glob("*.yaml"))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _yaml_files(paths: Iterable[Path], problems: list[Problem]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(child for child in path.iterdir() if child.suffix in (".yaml", ".yml"))
        elif path.exists():
            files.append(path)
        else:
            problems.append(Problem(str(path), 1, 1, "no such file or directory"))
    return files


def _read(path: Path, problems: list[Problem]) -> str:
    """The text of a file; what cannot be read is a problem, not an exception."""
    try:
        data = path.read_bytes()[: 4 * MAX_FILE_CHARACTERS + 1]
    except OSError as error:
        problems.append(Problem(str(path), 1, 1, f"cannot be read: {error.strerror}"))
        return ""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        what, found = "not UTF-8; save it as UTF-8", f"byte 0x{data[error.start]:02x}"
        problems.append(Problem(str(path), line, column, what, found))
        return ""
    if not text.strip():
        problems.append(Problem(str(path), 1, 1, "the file is empty"))
    return text


def _meeting(versions: list[Pack]) -> tuple[Pack, ...]:
    """The versions, each ending at the latest where the next begins."""
    ends = [pack.until_date or later.from_date for pack, later in pairwise(versions)]
    return (*(replace(pack, until_date=end) for pack, end in zip(versions, ends, strict=False)), versions[-1])


def _overlaps(versions: list[Pack]) -> list[Problem]:
    """Versions of one id that hold on the same day; ``versions`` are in order of their first day."""
    problems = []
    for earlier, later in pairwise(versions):
        begins = later.from_date or ""
        if begins == (earlier.from_date or "") or (earlier.until_date and earlier.until_date > begins):
            what = f"this version of pack '{later.id}' overlaps {earlier.path} ({earlier.version})"
            problems.append(Problem(later.path, 1, 1, what, f"from {begins or 'always'}"))
    return problems
