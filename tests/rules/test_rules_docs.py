"""The handbook of rules and measures says what the code does."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from rules.figures import FIGURES
from rules.load import load_packs
from rules.rule_reader import _RuleReader

sys.path.insert(0, str(Path(__file__).parent))
from tests.rules import handbook

TEXTS = {page: (handbook.DOCS / page).read_text("utf-8") for page in handbook.PAGES}
BLOCKS = [(page, block) for page, text in TEXTS.items() for block in handbook.good_blocks(text)]


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=lambda part: part if part in TEXTS else "")
def test_every_example_loads_without_a_doubt(page, block, tmp_path):
    assert handbook.told_of(block, tmp_path) == []


@pytest.mark.parametrize("page", handbook.PAGES)
def test_tables_and_messages_are_those_of_the_code(page, tmp_path):
    """Mend with: python tests/rules/handbook.py"""
    assert handbook.filled(TEXTS[page], handbook.language_of(page), tmp_path) == TEXTS[page]


@pytest.mark.parametrize("page", ["rules.md", "rules.zh.md"])
def test_every_figure_and_every_key_of_a_rule_is_told(page):
    keys = re.findall(r'f\.(?:get|need)\("(\w+)"', inspect.getsource(_RuleReader))
    assert len(keys) > 15
    for name in (*FIGURES, *keys):
        assert f"`{name}`" in TEXTS[page]


@pytest.mark.parametrize("page", ["measures.md", "measures.zh.md"])
def test_every_measure_and_line_that_is_shipped_is_told(page):
    for versions in load_packs().values():
        for name in (*versions[-1].measures, *versions[-1].lines):
            assert f"`{name}`" in TEXTS[page]


@pytest.mark.parametrize("page", ["rules.md", "measures.md"])
def test_both_languages_show_the_same_examples(page):
    def without_comments(name: str) -> list[str]:
        return [re.sub(r"\s*#.*", "", block) for block in handbook.good_blocks(TEXTS[name])]

    assert without_comments(page) == without_comments(page.replace(".md", ".zh.md"))
