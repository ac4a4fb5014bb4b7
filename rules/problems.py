"""What is wrong with a file, and where: every mistake named in one line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Place(NamedTuple):
    """Where something stands in its file; lines and columns count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake (``error``) or doubt (``warning``) at a place; lines and columns count from 1."""

    file: str
    line: int
    column: int
    what: str
    found: str = ""
    allowed: str = ""
    hint: str = ""
    severity: str = "error"  # error | warning

    def __str__(self) -> str:
        """``file:line:column: what, found …, allowed …, did you mean …``."""
        parts = [f"{self.file}:{self.line}:{self.column}: {self.what}"]
        parts += [f"found {self.found}"] if self.found else []
        parts += [f"allowed {self.allowed}"] if self.allowed else []
        parts += [f"did you mean {self.hint}?"] if self.hint else []
        return ", ".join(parts)


class RulesError(Exception):
    """Packs or rules that cannot be used; ``problems`` holds every mistake, in order of place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


def closest(found: str, allowed: Iterable[str]) -> str:
    """The allowed word that ``found`` was most likely meant to be, or an empty text."""
    words = {word.casefold(): word for word in allowed}
    return next((words[near] for near in difflib.get_close_matches(found.casefold(), words, n=1)), "")
