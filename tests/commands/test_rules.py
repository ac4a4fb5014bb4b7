"""``slawatch rules``: what an author of rules reads, and where the configuration has a say."""

from __future__ import annotations

import json

import pytest

from tests.commands.test_cli import slawatch

ONE = """
rules:
  - id: only-one
    line: pdd-reply-50
    warn: {all: [{late: ">= 1"}, {any: [{budget_left_today: "<= 3"}, {breach_in: "<= 20m"}]}], for: 1m}
    notify: mangers
"""
UNWATCHED = "no rule watches the line 'pdd-reply-90' of pack 'pinduoduo'"


@pytest.fixture
def conf(tmp_path):
    assert slawatch("init", "conf", cwd=tmp_path).returncode == 0
    return tmp_path / "conf"


def check(*args, cwd):
    done = slawatch("rules", "check", *map(str, args), cwd=cwd)
    return done.returncode, done.stdout.splitlines()


def test_receivers_and_packs_are_those_of_the_configuration(conf):
    """A receiver that is nobody is an error where alerting.yaml says who there is."""
    (conf / "rules" / "one.yaml").write_text(ONE)
    assert check(cwd=conf) == (
        1,
        ["rules/one.yaml:6:13: unknown receiver, found 'mangers', allowed managers, did you mean managers?"],
    )
    assert check(conf / "rules" / "one.yaml", cwd=conf.parent) == (0, [])
    (conf / "packs").mkdir()
    (conf / "slawatch.yaml").write_text("packs: packs\n")
    status, told = check(cwd=conf)
    assert status == 1
    assert any("unknown line, found 'pdd-reply-50'" in one for one in told)


def test_what_could_not_be_checked_is_said(conf):
    """With an alerting.yaml that cannot be read "no errors" would promise too much."""
    (conf / "rules" / "one.yaml").write_text(ONE)
    (conf / "alerting.yaml").write_text("recievers: {}\n")
    done = slawatch("rules", "check", cwd=conf)
    assert (done.returncode, done.stdout) == (0, "")
    assert "alerting.yaml has mistakes, so receivers were not checked; `slawatch doctor`" in done.stderr


def test_a_file_alone_is_not_all_of_somebody_s_rules(tmp_path):
    """That it leaves lines of the shipped packs alone is no doubt; that a whole directory does, is one."""
    rules = tmp_path / "mine"
    rules.mkdir()
    (rules / "one.yaml").write_text(ONE)
    assert check("mine/one.yaml", cwd=tmp_path) == (0, [])
    status, told = check("mine", cwd=tmp_path)
    assert status == 0
    assert any(one.endswith(f"{UNWATCHED} (doubt)") for one in told)


def test_places_are_told_from_where_the_author_stands(tmp_path):
    """Also where packs and rules are named by absolute paths."""
    from rules.load import _SHIPPED

    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "pinduoduo.yaml").write_text((_SHIPPED / "packs" / "pinduoduo.yaml").read_text())
    (tmp_path / "one.yaml").write_text(ONE)
    status, told = check(tmp_path / "one.yaml", "--packs", tmp_path / "packs", cwd=tmp_path)
    assert status == 0
    assert any(one.startswith("packs/pinduoduo.yaml:") and UNWATCHED in one for one in told)


def test_a_rule_that_cannot_be_read_leaves_no_line_unwatched(conf):
    """One mistake is one line: what the rule was about is not doubted as well."""
    rules = conf / "rules" / "pinduoduo.yaml"
    rules.write_text(rules.read_text().replace('{late: ">= 1"}', '{late: "=> 1"}', 1))
    status, told = check(cwd=conf)
    assert (status, len(told)) == (1, 1)
    assert told[0].endswith('did you mean ">= 1"?')


def test_rules_are_shown_as_why_says_them(tmp_path):
    (tmp_path / "one.yaml").write_text(ONE)
    shown = slawatch("rules", "show", "one.yaml", cwd=tmp_path).stdout
    assert "late >= 1 and (budget_left_today <= 3 or breach_in <= 20m) for 1m" in shown
    assert "mangers" in shown


def test_a_broken_pack_hides_no_mistake_of_a_rule(conf):
    """Both are listed at once, and ``doctor`` and ``run`` say the same."""
    (conf / "packs").mkdir()
    (conf / "packs" / "mine.yaml").write_text("pack: mine\n")
    (conf / "rules" / "one.yaml").write_text(ONE)
    (conf / "slawatch.yaml").write_text("packs: packs\n")
    status, told = check(cwd=conf)
    assert status == 1
    assert any(one.startswith("packs/mine.yaml:1:1: ") for one in told)
    assert any(one.startswith("rules/one.yaml:6:13: unknown receiver") for one in told)
    assert not any("unknown line" in one for one in told), "the broken pack may have it"
    for command in ("doctor", "run"):
        done = slawatch(command, cwd=conf)
        assert "mine.yaml:1:1: " in done.stdout + done.stderr
        assert "one.yaml:6:13: unknown receiver" in done.stdout + done.stderr


ON_TEAMS = """
rules:
  - id: team-misses
    each: team
    measure: reply_rate_3m
    warn: {late: ">= 3"}
"""


def test_a_rule_on_teams_is_doubted_while_no_shop_has_one(conf):
    (conf / "rules" / "teams.yaml").write_text(ON_TEAMS)
    doubt = "rules/teams.yaml:3:5: rule 'team-misses' looks at teams, "
    doubt += "and no shop of shops.yaml has a `team` (doubt)"
    (conf / "shops.yaml").write_text("shops:\n  pinduoduo:s1: {name: one}\n")
    assert check(cwd=conf) == (0, [doubt])
    (conf / "shops.yaml").write_text("shops:\n  pinduoduo:s1: {name: one, team: red}\n")
    assert check(cwd=conf) == (0, [])


def test_a_replay_judges_sums_and_knows_whose_shops_are_in_them(conf):
    """Of each other shop it is still said that no rule is on it."""
    for path in (conf / "rules").iterdir():
        path.unlink()
    (conf / "rules" / "teams.yaml").write_text(ON_TEAMS)
    (conf / "shops.yaml").write_text("shops:\n  pinduoduo:s1: {name: one, team: red}\n")
    asks = [
        {"type": "message", "id": f"{platform}{n}", "at": 1794362400000 + n * 60_000, "platform": platform}
        | {"shop_id": "s1", "conversation_id": f"c{n}", "actor": "customer"}
        for n in range(8)
        for platform in ("pinduoduo", "taobao")
    ]
    (conf / "day.ndjson").write_text("".join(json.dumps(ask) + "\n" for ask in asks))
    done = slawatch("replay", "day.ndjson", cwd=conf)
    assert done.returncode == 0, done.stderr
    assert "2026-11-11T10:05:05+08:00  warn      red      team-misses  ok → firing" in done.stdout
    nothing = "no rule is on its shops, so nothing is judged; name rules with --rules"
    assert done.stderr.splitlines()[:-1] == [f"platform taobao: {nothing}"]


def test_a_replay_of_another_brand_says_that_it_has_no_pack_and_takes_one_that_ships_by_name(tmp_path):
    event = '{"type": "message", "id": "1", "at": 1794362400000, "platform": "acme", "shop_id": "s1",'
    (tmp_path / "log.ndjson").write_text(f'{event} "conversation_id": "c1", "actor": "customer"}}\n')
    bare = slawatch("replay", "log.ndjson", cwd=tmp_path)
    assert (bare.returncode, "no measures\n" in bare.stdout) == (0, True)
    assert "platform acme: no pack, so its shops have no measures; name one with --pack" in bare.stderr
    explained = slawatch("explain", "acme:s1", "reply_rate_3m", "--file", "log.ndjson", cwd=tmp_path)
    assert explained.stderr == (
        "slawatch: acme:s1 has no pack on that day, and so no measures; "
        "name one with --pack, or for the shop in shops.yaml\n"
    )
    packed = slawatch("replay", "log.ndjson", "--pack", "pinduoduo", cwd=tmp_path)
    assert "acme:s1" in packed.stdout
    assert "no pack" not in packed.stderr
    wrong = slawatch("replay", "log.ndjson", "--pack", "pinduodou", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "name a file, or pinduoduo, taobao" in wrong.stderr
