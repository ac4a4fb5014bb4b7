"""The parts of the handbook's pages on rules and measures that are made from the code: tables and messages.

Run this file to write them anew after a figure, a pack or a message has changed; test_rules_docs.py holds
them equal.
"""

from __future__ import annotations

import re
from pathlib import Path

from rules import tables
from rules.load import load_pack, load_packs, load_rules
from rules.problems import RulesError

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("rules.md", "rules.zh.md", "measures.md", "measures.zh.md")
RECEIVERS = ["managers"]

_TABLE = re.compile(r"<!-- table: ([\w ]+) -->\n(?:\|.*\n)*<!-- end -->")
_WRONG = re.compile(r"```yaml wrong\n(.*?)```\n\n```text\n.*?```", re.DOTALL)
_BLOCK = re.compile(r"```yaml( wrong)?\n(.*?)```", re.DOTALL)


def language_of(page: str) -> str:
    return "zh" if page.endswith(".zh.md") else "en"


def good_blocks(text: str) -> list[str]:
    return [block for wrong, block in _BLOCK.findall(text) if not wrong]


def told_of(block: str, folder: Path) -> list[str]:
    """What is told of the packs or rules in a block, apart from doubts about the shipped packs."""
    path = folder / ("pack.yaml" if block.startswith("pack:") else "rules.yaml")
    path.write_text(block, "utf-8")
    try:
        if path.name == "pack.yaml":
            load_pack(path)
            return []
        problems = load_rules([path], load_packs(), RECEIVERS).warnings
    except RulesError as error:
        problems = error.problems
    return [str(problem).replace(str(path), path.name) for problem in problems if problem.file == str(path)]


def table(what: str, language: str) -> str:
    name, _, pack = what.partition(" ")
    if name == "figures":
        return tables.figure_table(language)
    if name == "reasons":
        return tables.reason_table(language)
    make = {"pack": tables.pack_table, "measures": tables.measure_table, "lines": tables.line_table}[name]
    return make(load_packs()[pack][-1], language)


def filled(text: str, language: str, folder: Path) -> str:
    """The page with every made part as it must be now."""
    text = _TABLE.sub(
        lambda found: f"<!-- table: {found[1]} -->\n{table(found[1], language)}\n<!-- end -->", text
    )
    return _WRONG.sub(
        lambda found: "```yaml wrong\n{}```\n\n```text\n{}\n```".format(
            found[1], "\n".join(told_of(found[1], folder)).replace(f"{folder}/", "")
        ),
        text,
    )


if __name__ == "__main__":
    import tempfile

    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            path = DOCS / page
            path.write_text(filled(path.read_text("utf-8"), language_of(page), Path(folder)), "utf-8")
