"""``slawatch replay`` as its users meet it: files in, the stable JSON out."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.workbench.events import DAY, at, lines, message, rate, replay, replay_process, run

TALK = [message("10:10:15"), message("10:15:20"), message("10:18:10", "agent", agent_id="a1")]
AGAIN = [message("10:18:30"), message("10:19:00", "agent", agent_id="a1")]


def received(event, clock):
    return {**event, "received_at": at(clock)}


def test_the_json_is_the_one_promised(tmp_path):
    """Every key of design §11, and nothing unknown beside it but `since`, window edges and agents."""
    report = replay(tmp_path, [*TALK, *AGAIN], "--at", at("10:30:00"))
    assert list(report) == ["as_of", "events", "shops", "alerts"]
    assert report["as_of"] == f"{DAY}T10:30:00+08:00"
    counts = {"read": 5, "accepted": 5, "duplicates": 0, "late_dropped": 0, "rejected": 0}
    assert report["events"] == counts
    since = {"since": f"{DAY}T00:00:00+08:00"}
    rate_of_two = {"asked": 2, "late": 1, "open": 0, "value": 0.5, "worst": 0.5, **since}
    times = {"count": 2, "sum_ms": 505_000, "max_ms": 475_000, "mean_ms": 252_500, "p50_ms": 30_000}
    times |= {"p90_ms": 482_518, "p95_ms": 482_518, **since}
    assert report["shops"] == [
        {
            "platform": "taobao",
            "shop_id": "s1",
            "measures": {
                "reply_rate_3m": {
                    "day": rate_of_two,
                    "30d": rate_of_two,
                    "agents": {"a1": {"answered": 2, "late": 0}, "unassigned": {"answered": 0, "late": 1}},
                },
                "response_time": {"day": times, "30d": times},
            },
            "budgets": {
                "taobao-reply-90": {"budget_left": -1, "budget_left_today": 0},
                "taobao-reply-40": {
                    "budget_left": 0,
                    "budget_left_today": 7,
                },  # R = 12: a seventh of the day is done
            },
            "waiting": {"open": 0, "oldest_ms": None},
        }
    ]


def test_an_alert_says_what_became_of_it(tmp_path):
    asked = [message("10:00:00", platform="pinduoduo", conversation=f"c{n}") for n in range(3)]
    near = '{id: near, each: conversation, measure: reply_rate_3m, warn: {seconds_left: "<= 80"}}'
    (tmp_path / "near.yaml").write_text(f"rules: [{near}]")
    report = replay(tmp_path, asked, "--at", at("10:02:00"), "--rules", "near.yaml")
    assert report["alerts"][0] == {
        "at": at("10:01:40"),
        "rule": "near",
        "subject": {"shop": "pinduoduo:s1"},
        "from": "ok",
        "to": "firing",
        "severity": "warn",
        "reason": "reached",
    }
    assert report["shops"][0]["waiting"] == {"open": 3, "oldest_ms": 120_000}


def test_shares_are_rounded_half_up_from_the_integers(tmp_path):
    """1 late of 32: 31/32 = 0.96875 is 0.9688, which a float would make of it only by luck."""
    talks = []
    for n in range(32):
        answered = "10:09:00" if n == 0 else "10:00:10"
        talks += [message("10:00:00", conversation=f"c{n}"), message(answered, "agent", conversation=f"c{n}")]
    report = replay(tmp_path, talks)
    assert report["shops"][0]["measures"]["reply_rate_3m"]["day"]["value"] == 0.9688


def test_without_an_arrival_the_file_is_put_in_order(tmp_path):
    """Events in any order, far beyond the lateness, give the figures of the ordered file."""
    other = [message(f"1{hour}:00:00", conversation=f"c{hour}") for hour in range(5, 9)]
    straight = replay(tmp_path, [*TALK, *AGAIN, *other])
    assert straight["as_of"] == f"{DAY}T18:00:00+08:00"
    assert replay(tmp_path, [*reversed(other), *AGAIN, *reversed(TALK)]) == straight
    assert rate(straight) == (6, 4, 1)


def test_with_an_arrival_events_come_in_the_order_of_the_file(tmp_path):
    """An answer that is told within the lateness takes the miss back; one later than that does not count."""
    asks = [received(message(clock), clock) for clock in ("10:00:00", "10:30:00")]
    in_time = received(message("10:02:00", "agent"), "10:09:00")
    report = replay(tmp_path, [asks[0], in_time, asks[1]])
    assert (rate(report), report["as_of"]) == ((2, 0, 1), at("10:30:00"))
    too_late = received(message("10:02:00", "agent"), "11:00:00")
    report = replay(tmp_path, [*asks, too_late])
    assert rate(report) == (1, 1, 0)
    assert report["events"] == {"read": 3, "accepted": 2, "duplicates": 0, "late_dropped": 1, "rejected": 0}


def test_a_file_without_events_says_so(tmp_path):
    (tmp_path / "empty.ndjson").touch()
    assert "no events: 0 read" in run(tmp_path, "replay", "empty.ndjson").stderr


def test_lines_after_the_end_are_not_read(tmp_path):
    talk = [received(message("10:00:00"), "10:00:01"), received(message("10:01:00", "agent"), "10:04:00")]
    report = replay(tmp_path, talk, "--at", at("10:03:30"))
    assert (rate(report), report["events"]["read"]) == ((1, 1, 0), 1)
    report = replay(tmp_path, talk, "--at", at("10:04:00"))
    assert (rate(report), report["events"]["read"]) == ((1, 0, 0), 2)
    (tmp_path / "day.ndjson").write_text(lines(talk[:1]) + "bad\n" + lines(talk[1:]) + "worse\n")
    report, said = replay_process(tmp_path, "day.ndjson", "--at", at("10:03:30"))
    assert (report["events"]["read"], report["events"]["rejected"]) == (2, 1)
    assert "day.ndjson:2" in said
    assert "day.ndjson:4" not in said


def test_what_lies_after_the_end_is_left_out_of_an_unordered_file(tmp_path):
    report = replay(tmp_path, [message("11:00:00"), message("10:00:00")], "--at", at("10:30:00"))
    assert (rate(report), report["as_of"], report["events"]["read"]) == ((1, 1, 0), at("10:30:00"), 1)


def test_the_clock_runs_on_to_the_end(tmp_path):
    """Silence runs out a deadline: late the millisecond after it, and a day later it is another day's."""
    ask = [message("10:00:00")]
    assert rate(replay(tmp_path, ask)) == (1, 0, 1)
    assert rate(replay(tmp_path, ask, "--at", at("10:03:00"))) == (1, 0, 1)
    assert rate(replay(tmp_path, ask, "--at", at("10:03:00.001"))) == (1, 1, 0)
    epoch_ms = str(1_794_326_400_000 + 86_400_000)
    report = replay(tmp_path, ask, "--at", epoch_ms)
    assert report["as_of"] == "2026-11-12T00:00:00+08:00"
    assert (rate(report), rate(report, period="30d")) == ((0, 0, 0), (1, 1, 0))


def test_bad_lines_are_listed_and_the_others_taken(tmp_path):
    """Whatever is wrong with a line, it is named with its number, and costs no other line."""
    good = lines([*TALK, *AGAIN]).splitlines()
    bad = [
        "{not json",
        '{"type": "message"}',
        '{"a": "\\u0000',
        "[" * 1000,
        json.dumps(message("10:00:00") | {"at": 5}),
    ]
    text = "\n".join([good[0], bad[0], good[1], *bad[1:], "", *good[2:], good[2]]) + "\n"
    (tmp_path / "day.ndjson").write_text(text, "utf-8")
    report, said = replay_process(tmp_path, "day.ndjson")
    assert rate(report) == (2, 1, 0)
    assert report["events"] == {"read": 11, "accepted": 5, "duplicates": 1, "late_dropped": 0, "rejected": 5}
    told = said.splitlines()
    assert [line.split(": ")[0] for line in told[:-1]] == [f"day.ndjson:{n}" for n in (2, 4, 5, 6, 7)]
    assert told[-1] == "5 events refused"


def test_an_id_with_other_content_is_refused(tmp_path):
    reused = [*TALK, {**TALK[0], "seq": 7}]
    (tmp_path / "day.ndjson").write_text(lines(reused), "utf-8")
    report, said = replay_process(tmp_path, "day.ndjson")
    assert report["events"]["rejected"] == 1
    assert "event c1-10:10:15-customer of taobao:s1: this id came before with other content" in said


def test_many_bad_lines_are_counted_and_a_few_listed(tmp_path):
    (tmp_path / "day.ndjson").write_text("nothing\n" * 500)
    report, said = replay_process(tmp_path, "day.ndjson")
    assert report == {
        "as_of": None,
        "events": {"read": 500, "accepted": 0, "duplicates": 0, "late_dropped": 0, "rejected": 500},
        "shops": [],
        "alerts": [],
    }
    assert said.splitlines()[-1] == "500 events refused, 490 of them not listed"
    assert len(said.splitlines()) == 11


def test_standard_input_and_packed_files(tmp_path):
    text = lines([*TALK, *AGAIN])
    with gzip.open(tmp_path / "day.ndjson.gz", "wt") as file:
        file.write(text)
    packed, _ = replay_process(tmp_path, "day.ndjson.gz")
    piped, _ = replay_process(tmp_path, "-", stdin=text)
    assert packed == piped == replay(tmp_path, [*TALK, *AGAIN])


def test_several_files_are_one_history(tmp_path):
    for name, events in (("b", AGAIN), ("a", TALK)):
        (tmp_path / name).write_text(lines(events))
    done = run(tmp_path, "replay", "b", "a", "--format", "json")
    assert json.loads(done.stdout) == replay(tmp_path, [*TALK, *AGAIN])


@pytest.mark.parametrize(
    ("events", "options", "says"),
    [
        (
            [*TALK, received(AGAIN[0], "11:00:00")],
            [],
            "has `received_at`, unlike line one; give it to every line",
        ),
        (TALK, ["--at", "yesterday"], "'yesterday' is not a time such as 2026-11-11T23:10:00+08:00"),
        (TALK, ["--pack", "none.yaml"], "none.yaml"),
        (TALK, ["--rules", "none.yaml"], "Path 'none.yaml' does not exist"),
    ],
)
def test_a_mistake_is_one_line_with_status_two(tmp_path, events, options, says):
    from tests.commands.test_cli import slawatch

    (tmp_path / "day.ndjson").write_text(lines(events))
    done = slawatch("replay", "day.ndjson", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr


PACK = """
pack: ours
version: "1"
timezone: America/New_York
service_hours: ["00:00-24:00"]
measures:
  fast: {title: {zh: 快, en: fast}, kind: reply_rate, within: 1m, unit: message, periods: [day, 15m]}
lines:
  - {id: ours-50, measure: fast, period: day, at_least: 50%}
"""
RULES = """
rules:
  - {id: too-slow, title: {zh: 慢, en: slow}, line: ours-50, crit: {late: ">= 2"}}
"""


def test_one_pack_serves_every_shop(tmp_path):
    """Its hours, zone, lines and rules, whatever the platform, known or not."""
    (tmp_path / "ours.yaml").write_text(PACK)
    (tmp_path / "ours-rules.yaml").write_text(RULES)
    talk = [message("10:00:00", platform=name) for name in ("taobao", "nobody-knows")]
    talk += [message("10:00:30", platform="nobody-knows")]
    ours = ("--pack", "ours.yaml", "--rules", "ours-rules.yaml", "--at", at("10:05:00"))
    report = replay(tmp_path, talk, *ours)
    assert [shop["platform"] for shop in report["shops"]] == ["nobody-knows", "taobao"]
    assert report["as_of"] == "2026-11-10T21:05:00-05:00"
    assert report["shops"][0]["measures"] == {
        "fast": {
            "day": {
                "asked": 2,
                "late": 2,
                "open": 0,
                "value": 0.0,
                "worst": 0.0,
                "since": "2026-11-10T00:00:00-05:00",
            },
            "15m": {
                "asked": 1,
                "late": 1,
                "open": 0,
                "value": 0.0,
                "worst": 0.0,
                "since": "2026-11-10T00:00:00-05:00",
                "from": "2026-11-10T20:50:30-05:00",
                "to": "2026-11-10T21:05:30-05:00",
            },
        }
    }
    assert [shop["budgets"]["ours-50"]["budget_left"] for shop in report["shops"]] == [-1, -1]
    assert [(alert["rule"], alert["subject"]["shop"], alert["to"]) for alert in report["alerts"]] == [
        ("too-slow", "nobody-knows:s1", "firing")
    ]


def test_a_pack_needs_no_rules_of_its_own(tmp_path):
    """The rules that ship are judged where they fit, and watch nothing where they do not."""
    (tmp_path / "ours.yaml").write_text(PACK)
    report = replay(tmp_path, [message("10:00:00")], "--pack", "ours.yaml", "--at", at("10:04:00"))
    assert (rate(report, "fast"), report["alerts"]) == ((1, 1, 0), [])


def test_a_platform_that_no_rule_is_on_is_named_once(tmp_path):
    (tmp_path / "ours.yaml").write_text(PACK)
    (tmp_path / "ours-rules.yaml").write_text(RULES.replace("line:", "shops: {ids: [s1]}, line:"))
    talk = [message("10:00:00", platform=name, shop_id=shop) for name in ("a", "b") for shop in ("s1", "s2")]
    (tmp_path / "day.ndjson").write_text(lines([*talk, message("10:00:01", platform="c", shop_id="s2")]))
    ours = ("day.ndjson", "--pack", "ours.yaml")
    told = "platform {}: no rule is on its shops, so nothing is judged; name rules with --rules\n"
    _, said = replay_process(tmp_path, *ours)
    assert said == "".join(map(told.format, "abc"))
    _, said = replay_process(tmp_path, *ours, "--rules", "ours-rules.yaml")
    assert said == told.format("c")  # a and b have a shop with a rule each


def test_the_rules_of_the_configuration_are_judged(tmp_path):
    """Those in its `rules` directory in place of the ones that ship, and its shops by their own names."""
    (tmp_path / "rules").mkdir()
    rule = '{id: mine, title: {zh: 我}, measure: reply_rate_3m, period: day, crit: {late: ">= 1"}}'
    (tmp_path / "rules" / "mine.yaml").write_text(f"rules:\n  - {rule}\n")
    (tmp_path / "shops.yaml").write_text("shops:\n  taobao:s1: {lines: {taobao-reply-40: {at_least: 50%}}}\n")
    report = replay(tmp_path, TALK, "--at", at("10:30:00"))
    assert {alert["rule"] for alert in report["alerts"]} == {"mine"}
    assert report["shops"][0]["budgets"]["taobao-reply-40"]["budget_left"] == -1
    (tmp_path / "slawatch.yaml").write_text("rules: elsewhere\nlateness: 5m\n")
    assert "mine" not in {alert["rule"] for alert in replay(tmp_path, TALK)["alerts"]}


def test_a_table_and_a_page_for_people(tmp_path):
    (tmp_path / "day.ndjson").write_text(lines([*TALK, *AGAIN, message("10:00:00", shop_id="<b>")]))
    table = run(tmp_path, "replay", "day.ndjson").output
    assert "taobao:s1" in table
    assert "50.00%" in table
    assert "1 late, 0 open of 2" in table
    assert "taobao-reply-90: -1" in table
    assert "6 read, 6 accepted" in table
    page = run(tmp_path, "replay", "day.ndjson", "--format", "html").output
    assert page.startswith("<!doctype html>")
    assert "50.00%" in page
    assert "taobao:&lt;b&gt;" in page
    assert "<b>" not in page
