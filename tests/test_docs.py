"""The documentation says what is there: commands, settings, languages; and its examples run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from monitor.commands.reference import reference
from monitor.directory import Person, Shop
from monitor.engine.events import ACTIONS, Actor, Event, EventType
from monitor.runtime.names import Names
from monitor.settings import Settings
from monitor.sources.wire import decode_lines
from rules.load import load_packs, load_rules, starter_rules
from rules.transition import Facts, Item, Transition
from tests.rendered import first_message

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# For who changes the code, or made from it.
ENGLISH_ONLY = {"architecture.md", "cli.md", "decisions.md", "benchmarks.md"}


def pages() -> list[Path]:
    return [*ROOT.glob("README*.md"), ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def test_the_reference_of_commands_is_up_to_date():
    """docs/cli.md is what the commands say of themselves; `make docs` makes it."""
    assert (DOCS / "cli.md").read_text("utf-8") == reference()


def test_a_page_for_operators_and_authors_is_there_in_both_languages():
    chinese = {path.name.replace(".zh.md", ".md") for path in pages() if path.name.endswith(".zh.md")}
    english = {path.name for path in pages() if not path.name.endswith(".zh.md")}
    assert english - chinese == ENGLISH_ONLY & english | {"CHANGELOG.md"}
    assert chinese - english == set()


def test_pages_in_both_languages_have_the_same_parts():
    """As many headings, code blocks and table rows in Chinese as in English, level by level."""
    for path in pages():
        chinese = path.with_name(path.name.replace(".md", ".zh.md"))
        if not path.name.endswith(".zh.md") and chinese.exists():
            assert shape(chinese) == shape(path), f"{chinese.name} differs from {path.name}"


def shape(path: Path) -> list[str]:
    marks, fenced = [], False
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
            marks += [line] if fenced else []
        elif not fenced and (heading := re.match(r"#+ ", line)):
            marks.append(heading[0])
    return marks


def settings_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        nested, many = nested_model(field.annotation)
        found.append(prefix + name)
        if nested is not None:
            found.pop() if not many else None
            found += settings_of(nested, f"{prefix}{name}.{'*.' if many else ''}")
    return found


def nested_model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model inside ``Model``, ``Model | None`` or ``dict[str, Model]``, and whether it is many."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    models = [arg for arg in get_args(annotation) if isinstance(arg, type) and issubclass(arg, BaseModel)]
    return (models[0] if models else None), getattr(annotation, "__origin__", None) is dict


@pytest.mark.parametrize("page", ["operations.md", "operations.zh.md"])
def test_every_setting_is_documented_and_no_other(page):
    text = (DOCS / page).read_text("utf-8")
    table = text[text.index("SLAWATCH_JOURNAL__KEEP") :]
    documented = re.findall(r"^\| `([a-z_.*]+)` \|", table[: table.index("SLAWATCH_CONFIG")], re.MULTILINE)
    assert documented == settings_of(Settings)


@pytest.mark.parametrize("page", ["operations.md", "operations.zh.md"])
def test_the_defaults_shown_are_the_defaults(page):
    """Each row with a default, switched to it, gives the settings that hold without any."""
    text = (DOCS / page).read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_.]+)` \| `([^`]+)` \|", text, re.MULTILINE)
    values: dict[str, Any] = {}
    for name, default in rows:
        group, _, key = name.rpartition(".")
        (values.setdefault(group, {}) if group else values)[key] = default
    assert len(rows) > 10
    assert Settings(**values) == Settings()


def test_links_lead_somewhere():
    wrong = [
        f"{path.name}: {target}"
        for path in pages()
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
        if not target.startswith(("https://", "http://")) and not (path.parent / target).exists()
    ]
    assert wrong == []


AT_MS = 1_794_408_300_000  # 2026-11-11T22:45:00+08:00


def message(language: str) -> str:
    """The message of the README: 206 of 412 may be missed, 205 are; four more are expected tonight."""
    packs = load_packs()
    names = Names(
        packs,
        load_rules(starter_rules(), packs),
        {"pinduoduo:s1": Shop(name="晨光家纺旗舰店")},
        {"lin": Person(name="小林", agent_ids=("pinduoduo:s1:a1",))},
    )
    transition = Transition(
        at_ms=AT_MS,
        rule="pdd-reply-drift",
        subject={"shop": "pinduoduo:s1"},
        from_state="ok",
        to_state="firing",
        severity="crit",
        verdict="crit",
        reason="crit",
        since_ms=AT_MS,
        facts=Facts(
            measure="reply_rate_3m",
            period="day",
            line="pdd-reply-50",
            asked=412,
            late=205,
            budget_left=1,
            budget_left_today=3,
            breach_in_s=360,
            at_risk=2,
            condition="budget_left_today 3 <= 3",
        ),
        items=(
            Item("c831", "u2031", AT_MS - 156_000, AT_MS + 24_000, "a1"),
            Item("c807", "u4107", AT_MS - 129_000, AT_MS + 51_000),
        ),
    )
    return first_message(transition, names, language, "text")


@pytest.mark.parametrize(("page", "language"), [("README.md", "en"), ("README.zh.md", "zh")])
def test_the_message_of_the_readme_is_the_one_that_is_sent(page, language):
    shown = re.search(r"^```text\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert shown[1].strip() == message(language).strip()


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_rule_of_the_readme_is_accepted(page, tmp_path):
    block = re.search(r"^```yaml\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "rules.yaml").write_text(block[1])
    assert len(load_rules([tmp_path / "rules.yaml"], load_packs(), {"managers"}).rules) == 1


@pytest.mark.parametrize(
    ("page", "count"),
    [("README.md", 2), ("README.zh.md", 2), ("docs/events.md", 7), ("docs/events.zh.md", 7)],
)
def test_the_events_that_are_shown_are_accepted(page, count):
    block = re.search(r"^```json\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None
    decoded = decode_lines([line.encode() for line in block[1].splitlines()])
    assert (len(decoded.events), decoded.rejected) == (count, [])


@pytest.mark.parametrize("page", ["events.md", "events.zh.md"])
def test_every_field_type_and_action_of_an_event_is_documented_and_no_other(page):
    text = (DOCS / page).read_text("utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    there = {*Event.__struct_fields__, *get_args(EventType), *get_args(Actor)} - {"text_check"}
    assert named == there - {"action", "every"}, "which stand in the rows of the types"
    for kind, actions in ACTIONS.items():
        (row,) = [row for row in rows if row[0] == f"| `{kind}`" and len(row) == 4]
        assert set(re.findall(r"`(\w+)`", row[2])) == actions
    assert "`every` " in text


# What a shell block of the pages may run here: fast, and neither a daemon nor another make.
CHEAP = ("init", "rules", "simulate", "replay", "explain")


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_commands_of_the_readme_run(page, tmp_path):
    """In the order of the page, in an empty directory, each ends with status 0."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [shlex.split(line) for line in lines if line]
    run = [words[1:] for words in commands if words[0] == "slawatch" and words[1] in CHEAP]
    assert {words[0] for words in run} == set(CHEAP)
    for words in run:
        done = subprocess.run(
            [sys.executable, "-m", "monitor", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (words, done.stderr)


def test_every_make_target_the_pages_name_exists():
    assert shutil.which("make")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for path in pages()
        for target in re.findall(r"(?:^|`)make ([a-z]+)(?:`|$)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert named
    assert named <= targets
