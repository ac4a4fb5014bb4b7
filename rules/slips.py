"""Text that is no YAML by a slip of the hand: the parser names what it met next, often a row below."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_ROW = r"^\s*(?:- +)*"
_WORD = r"[A-Za-z_][\w.-]*"


class Slip(NamedTuple):
    """What stands at a place, and what was probably meant; both empty: the parser's own words are clear."""

    line: int
    column: int
    found: str = ""
    hint: str = ""


def _quoted(found: str) -> str:
    return '"' + found.lstrip('"') + '"'


_SLIPS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"^ *(\t)"), lambda _: "spaces"),
    (re.compile(rf"(?:{_ROW}|[{{,，]\s*){_WORD}\s*(：)"), lambda _: "': '"),
    (re.compile(rf"(，)\s*{_WORD}\s*[:：]"), lambda _: "', '"),
    (
        re.compile(rf"^\s*(?:- +(?=id:))?({_WORD}:(?!\S*:(?:\s|$))[^\s/:]\S*)"),
        lambda found: found.replace(":", ": ", 1),
    ),
    (re.compile(r":\s+(>=?[^-+\s,}\]#][^,}\]#]*|>=? +[^,}\]#]+|!=[^,}\]#]*|[%@`][^,}\]#]*)"), _quoted),
    (re.compile(r"(\"[^\"#,}\]]*)(?:[#,}\]][^\"]*)?$"), _quoted),
    (re.compile(rf"{_ROW}{_WORD}:\s+([^\"'{{\[|>&*#\s][^#]*: [^#]*)"), _quoted),
)


def slip(text: str, line: int, column: int) -> Slip:
    """The slip in the row of a mistake, or in a row with words above it; lines and columns count from 1."""
    rows = [(number, row) for number, row in enumerate(text.splitlines()[:line], start=1) if row.strip()]
    for number, row in rows[:-4:-1]:
        bare = _COMMENT.sub("", _QUOTED.sub(lambda quoted: "'" * len(quoted[0]), row))
        for shape, mended in _SLIPS:
            match = shape.search(bare)
            if match:
                found = row[match.start(1) : match.end(1)].rstrip(" ")[:60]
                shown = "a tab" if found == "\t" else f"'{found}'"
                return Slip(number, match.start(1) + 1, shown, mended(found))
    return Slip(line, column)
