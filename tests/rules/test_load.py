"""Packs and rules from files: what loads, how fast, and whatever somebody wrote there."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.judge import compile_rule
from rules.load import load_pack, load_packs, load_rules, starter_rules
from rules.pack import Share, Span
from rules.problems import Problem, RulesError
from rules.reading import FixedReading
from rules.rule import target
from tests.rules.files import DESIGN_PACK, DESIGN_RULES, PACK, problems_of_pack

DESIGN_PACKS = {"pinduoduo": (load_pack(text=DESIGN_PACK),)}


def test_the_designs_own_pack_loads_verbatim():
    pack = load_pack(text=DESIGN_PACK)
    measure = pack.measures["reply_rate_3m"]
    assert (measure.within_ms, measure.unit, measure.periods) == (180_000, "customer_day", ("day", "30d"))
    assert pack.service_hours == (Span(8 * 3_600_000, 23 * 3_600_000),)
    assert pack.lines["pdd-reply-50"].min_count == 101
    assert pack.lines["pdd-reply-50"].penalty_cny == 1000
    assert pack.lines["pdd-intervention"].at_most == Share(3, 1000)
    assert pack.measures["intervention_rate"].event == "dispute.opened", (
        "a standard measure needs no spelling out"
    )


def test_the_designs_own_rules_load_verbatim(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(DESIGN_RULES)
    rules = load_rules([path], {"pinduoduo": (load_pack(text=DESIGN_PACK),)}, ["managers"]).rules
    assert list(rules) == ["pdd-reply-drift", "about-to-time-out", "nobody-on-duty", "source-silent"]
    drift = rules["pdd-reply-drift"]
    assert drift.shops.matches("pinduoduo", "s1", labels={"tier": "A"})
    assert not drift.shops.matches("pinduoduo", "s1", labels={"tier": "B"})
    assert not drift.shops.matches("taobao", "s1", labels={"tier": "A"})
    assert (drift.notify, drift.keep_firing_for_ms) == ("managers", 300_000)


def test_a_pack_needs_little_and_the_rest_has_a_default():
    pack = load_pack(text=PACK)
    rate = pack.measures["rate"]
    assert (pack.platform, pack.from_date, rate.unit, rate.answered_by, rate.counts) == (
        "p",
        None,
        "round",
        ("agent",),
        "all",
    )
    assert rate.periods == ("day", "30d")
    assert len(pack.profile) == 48
    assert pack.profile[:16] == (0,) * 16, "what nobody counts is not forecast"
    assert max(pack.profile) == max(pack.profile[38:44]), "the evening peak is the highest"


def test_what_the_engine_does_today_may_be_written_out():
    today = "on_transfer: keep, on_close: open, unassigned: late, rounds: all, cross_midnight: count"
    assert load_pack(text=PACK.replace("within: 3m,", f"within: 3m, {today},"))


def test_shops_are_selected_by_platform_id_team_and_label(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("rules: [{id: r, shops: {ids: [s1, 'p:s2'], team: 一组}, warn: {waiting: '> 9'}}]")
    shops = load_rules([path], {"p": (load_pack(text=PACK),)}).rules["r"].shops
    assert shops.matches("q", "s1", team="一组")
    assert shops.matches("p", "s2", team="一组")
    assert not shops.matches("q", "s2", team="一组")
    assert not shops.matches("q", "s1", team="二组")


def test_a_rule_over_several_packs_may_use_what_any_of_them_keeps(tmp_path):
    other = load_pack(text=PACK.replace("pack: p", "pack: q").replace(", periods: [30d]", ", periods: [7d]"))
    path = tmp_path / "r.yaml"
    path.write_text("rules: [{id: r, measure: rate, period: 30d, warn: {value: '< 90%'}}]")
    rule = load_rules([path], {"p": (load_pack(text=PACK),), "q": (other,)}).rules["r"]
    assert target(rule, load_pack(text=PACK)) is not None
    assert target(rule, other) is None, "that pack keeps no 30 days of it"


def test_versions_of_a_pack_meet_at_midnight(tmp_path):
    for name, dates in (
        ("a", ""),
        ("b", "from: 2026-06-01\n"),
        ("c", "from: 2026-03-01\nuntil: 2026-05-01\n"),
    ):
        (tmp_path / f"{name}.yaml").write_text(dates + PACK)
    versions = load_packs(tmp_path)["p"]
    assert [(pack.from_date, pack.until_date) for pack in versions] == [
        (None, "2026-03-01"),
        ("2026-03-01", "2026-05-01"),
        ("2026-06-01", None),
    ]


def test_a_version_may_end_on_the_day_on_which_the_next_begins(tmp_path):
    (tmp_path / "a.yaml").write_text("until: 2026-06-01\n" + PACK)
    (tmp_path / "b.yaml").write_text("from: 2026-06-01\n" + PACK)
    assert len(load_packs(tmp_path)["p"]) == 2


def test_a_version_that_ends_before_it_begins_is_an_error():
    told = "p.yaml:2:8: the pack ends before it begins, found '2026-06-01'"
    assert problems_of_pack("from: 2026-06-01\nuntil: 2026-06-01\n" + PACK) == [told]


def test_service_hours_may_touch_and_must_not_overlap():
    def hours(text: str) -> str:
        return PACK.replace('["08:00-23:00"]', text)

    spans = load_pack(text=hours('["12:00-24:00", "08:00-12:00"]')).service_hours
    assert spans == (Span(8 * 3_600_000, 12 * 3_600_000), Span(12 * 3_600_000, 24 * 3_600_000))
    assert problems_of_pack(hours('["08:00-12:00", "11:59-18:00"]')) == ["p.yaml:4:16: service hours overlap"]
    assert "cannot be read, found '08:00-08:00'" in problems_of_pack(hours('["08:00-08:00"]'))[0]


def test_versions_that_overlap_are_an_error(tmp_path):
    (tmp_path / "a.yaml").write_text("from: 2026-03-01\nuntil: 2026-07-01\n" + PACK)
    (tmp_path / "b.yaml").write_text("from: 2026-06-01\n" + PACK)
    with pytest.raises(RulesError, match=r"b\.yaml:1:1: this version of pack 'p' overlaps .*a\.yaml"):
        load_packs(tmp_path)


def test_an_anchor_saves_repeating_oneself():
    text = PACK.replace("title: 时长, kind: response_time", "<<: &x {}, title: 时长, kind: response_time")
    assert "unknown key of measure time" in problems_of_pack(text)[0], "merge keys are not taken"
    anchored = PACK.replace('["08:00-23:00"]', '&hours ["08:00-23:00"]').replace(
        "kind: response_time", "kind: response_time, service_hours: *hours"
    )
    assert load_pack(text=anchored).measures["time"].service_hours == load_pack(text=PACK).service_hours


def test_500_rules_are_checked_within_a_second(tmp_path):
    rows = [
        (
            f"- {{id: r{n}, title: 规则, line: ninety, shops: {{ids: [s{n}]}}, "
            f'warn: {{all: [{{late: ">= 1"}}, {{budget_left_today: "<= 10"}}], for: 1m}}, '
            'crit: {all: [{late: ">= 1"}, {any: [{budget_left: "<= 3"}, {breach_in: "<= 20m"}]}]}, '
            f'clear: {{budget_left_today: "> 15", for: 5m}}, keep_firing_for: 5m}}'
        )
        for n in range(500)
    ]
    path = tmp_path / "many.yaml"
    path.write_text("\n".join(["rules:", *rows]))
    packs = {"p": (load_pack(text=PACK),)}
    begun = time.process_time()
    loaded = load_rules([path], packs)
    took = time.process_time() - begun
    assert len(loaded.rules) == 500
    assert not loaded.warnings
    assert took <= 1.0


def test_the_starter_rules_load_against_the_shipped_packs():
    loaded = load_rules(starter_rules(), load_packs())
    assert not loaded.warnings, "starter rules raise no doubt and leave no line unwatched"
    assert {path.stem for path in starter_rules()} == {"pinduoduo", "taobao", "sources"}


@st.composite
def damaged(draw, text: str) -> str:
    """A file somebody's cat has walked over."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        inserted = draw(
            st.text(alphabet=st.sampled_from("{}[]:,-&*!|>'\"#%@ \n\tab0189m=<é店\x00"), max_size=6)
        )
        text = text[:start] + inserted + text[end:]
    return text


def loaded_or_told(load) -> tuple[object, tuple[Problem, ...]]:
    """What was loaded, or the problems that were told instead; any other exception is a fault of ours."""
    try:
        return load(), ()
    except RulesError as error:
        return None, error.problems


@given(damaged(DESIGN_RULES))
def test_any_rule_file_loads_or_is_told_what_is_wrong(text):
    pack = DESIGN_PACKS["pinduoduo"][0]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_text(text, "utf-8")
        rules, problems = loaded_or_told(lambda: load_rules([path], DESIGN_PACKS).rules)
    assert rules is not None or any(problem.severity == "error" for problem in problems)
    lines = [problem.line for problem in problems if problem.file == str(path)]
    assert all(1 <= line <= len(text.splitlines()) + 1 for line in lines)
    for rule in (rules or {}).values():
        found = target(rule, pack)
        if found:
            judge, reading = compile_rule(rule, found.measure, found.line, pack), FixedReading(now_ms=0)
            assert judge.facts(reading, judge(reading)) is not None


@given(damaged(DESIGN_PACK))
def test_any_pack_loads_or_is_told_what_is_wrong(text):
    pack, problems = loaded_or_told(lambda: load_pack(text=text))
    assert problems or (pack.measures and len(pack.profile) == 48)
