"""Commands on tokens, and those that ask a running daemon."""

from __future__ import annotations

import json
import re
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from monitor.commands import output
from monitor.commands.output import local_time, zoned
from monitor.web.tokens import Tokens
from tests.commands.test_cli import slawatch


def test_only_the_first_token_locks_the_door(tmp_path):
    slawatch("tokens", "add", "erp-1", cwd=tmp_path)
    assert "the first one" not in slawatch("tokens", "add", "erp-2", cwd=tmp_path).stderr


def test_a_token_is_shown_once_and_can_be_taken_back(tmp_path):
    added = slawatch("tokens", "add", "erp-1", "--shops", "pinduoduo:*", cwd=tmp_path)
    token = added.stdout.strip()
    tokens = Tokens(tmp_path / "data" / "tokens.json")
    assert tokens.find(token).source == "erp-1"
    assert "the first one: from now on pages and commands ask for a token" in added.stderr
    listed = slawatch("tokens", "list", "--format", "json", cwd=tmp_path)
    assert [(one["name"], one["role"], one["shops"]) for one in json.loads(listed.stdout)] == [
        ("erp-1", "source", ["pinduoduo:*"])
    ]
    assert token not in listed.stdout
    assert "hash" not in listed.stdout
    assert slawatch("tokens", "revoke", "erp-1", cwd=tmp_path).returncode == 0
    assert tokens.find(token) is None
    again = slawatch("tokens", "revoke", "erp-1", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


LETTERS = [
    {"id": 3, "arrival_ms": 0, "source": "erp-1", "index": 2, "code": "no_shop", "reason": "r", "raw": "{}"},
    {
        "id": 2,
        "arrival_ms": 0,
        "source": "erp-1",
        "index": 1,
        "code": "not_json",
        "reason": "r",
        "raw": "{{{",
    },
]


ALERT = {"id": "drift|shop=pdd:s1", "severity": "warn", "state": "firing", "since_ms": 0}
ALERT |= {"reason": {"zh": "掉", "en": "falls"}, "acknowledged_by": "lead", "acknowledged_until_ms": 1}

ACT = {"at_ms": 0, "who": "link:managers 小李", "what": "false_alarm", "alert": "drift|shop=pdd:s1"}
ACT |= {"incident": "drift|shop=pdd:s1@5", "comment": "促销"}


@pytest.fixture
def daemon():
    """A daemon's API as these commands meet it; what it was asked, and its address."""
    asked = []

    class Api(BaseHTTPRequestHandler):
        def do_GET(self):
            path, query = self._asked()
            newest = int(query.get("before", ["9"])[0])
            found = [one for one in LETTERS if one["id"] < newest][: int(query.get("limit", ["9"])[0])]
            steps = [{"at_ms": 0, "step": "route", "verdict": "routed", "reason": str(sorted(query.items()))}]
            steps.append(steps[0] | {"reason": "waits until 1795392919000"})
            known = {
                "/api/v1/why": {"steps": steps},
                "/api/v1/dead-letters": {"kept": 2, "letters": found},
                "/api/v1/alerts": {"alerts": [ALERT] if self.headers["authorization"] else []},
                "/api/v1/feedback": {"rules": [{"rule": "drift", "useful": 3, "false_alarms": 1}]},
                "/api/v1/audit": {"acts": [ACT]},
            }
            self._answer(known[path])

        def do_POST(self):
            path, _ = self._asked()
            if path.endswith("/ack"):
                error = {"code": "not_found", "what": "no open alert 'x'", "mend": "list them"}
                self._answer({"error": error}, 404)
            else:
                self._answer({"id": "7", "replayed": 1, "kept": 1, "by": "lead"})

        def _asked(self):
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked.append((parts.path, self.headers["authorization"], json.loads(body or "null")))
            return parts.path, parse_qs(parts.query)

        def _answer(self, value, status=200):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield asked, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_was_refused_is_listed_shown_and_taken_in_again(daemon, tmp_path):
    asked, url = daemon
    at = ("--url", url, "--token", "slw_x")
    listed = slawatch("dead-letters", "list", "--format", "json", *at, cwd=tmp_path)
    assert json.loads(listed.stdout) == LETTERS
    table = slawatch("dead-letters", "list", *at, cwd=tmp_path).stdout.splitlines()
    assert re.match(r"id +arrived UTC\S* +source +line +code +reason", table[0])
    assert len(table) == 3
    assert slawatch("dead-letters", "show", "2", *at, cwd=tmp_path).stdout == "{{{\n"
    missing = slawatch("dead-letters", "show", "9", *at, cwd=tmp_path)
    assert missing.stderr == "slawatch: no dead letter 9; `slawatch dead-letters list` shows them\n"
    again = slawatch("dead-letters", "replay", *at, cwd=tmp_path)
    assert again.stderr == "1 taken in, 1 kept\n"
    assert {auth for _, auth, _ in asked} == {"Bearer slw_x"}


def test_a_silence_ends_by_time_or_with_the_alerts(daemon, tmp_path):
    asked, url = daemon
    slawatch("silence", "shop=pinduoduo:*", "severity=warn", "--for", "2h", "--url", url, cwd=tmp_path)
    slawatch("silence", "rule=drift", "--comment", "known", "--url", url, cwd=tmp_path)
    assert [body for _, _, body in asked] == [
        {"matchers": {"shop": "pinduoduo:*", "severity": "warn"}, "comment": "", "for": "2h"},
        {"matchers": {"rule": "drift"}, "comment": "known", "until_resolved": True},
    ]
    wrong = slawatch("silence", "colour=red", "--url", url, cwd=tmp_path)
    assert wrong.returncode == 2
    assert "'colour=red' is not NAME=VALUE with a name of rule, severity" in wrong.stderr


def test_why_walks_the_steps_of_a_shop_or_a_source(daemon, tmp_path):
    _, url = daemon
    shop = slawatch("why", "pinduoduo:s1", "drift", "--url", url, "--format", "json", cwd=tmp_path)
    assert json.loads(shop.stdout)[0]["reason"] == "[('rule', ['drift']), ('shop', ['pinduoduo:s1'])]"
    assert re.search(
        "waits until (2026-)?11-", slawatch("why", "pinduoduo:s1", "drift", "--url", url, cwd=tmp_path).stdout
    )
    source = slawatch("why", "erp-1", "source-silent", "--url", url, cwd=tmp_path)
    assert "('source', ['erp-1'])" in source.stdout


@pytest.mark.parametrize(
    ("subject", "each", "name"),
    [
        ("source=erp-1", "source", "erp-1"),
        ("source=erp:1", "source", "erp:1"),
        ("shop=pinduoduo:s1", "shop", "pinduoduo:s1"),
        ("team=east", "team", "east"),
        ("feed=1", "source", "feed=1"),
    ],
)
def test_whom_why_is_asked_about_may_be_said_with_the_name(daemon, tmp_path, subject, each, name):
    """`source=` as in an alert's id and a silence; other words before a = are of a source's name."""
    _, url = daemon
    done = slawatch("why", subject, "drift", "--url", url, cwd=tmp_path)
    assert f"('{each}', ['{name}'])" in done.stdout


@pytest.mark.parametrize(
    ("zone", "offset", "midnight"),
    [("Asia/Kolkata", "UTC+05:30", "01-01 05:30"), ("UTC", "UTC", "01-01 00:00")],
)
def test_tables_of_a_daemon_say_in_which_zone_their_times_are(
    daemon, tmp_path, monkeypatch, zone, offset, midnight
):
    _, url = daemon
    monkeypatch.setenv("TZ", zone)
    at = ("--url", url, "--token", "slw_x")
    for args, title in (
        (("why", "erp-1", "drift"), "at"),
        (("alerts", "list"), "since"),
        (("alerts", "audit"), "at"),
        (("dead-letters", "list"), "arrived"),
    ):
        head, *rows = slawatch(*args, *at, cwd=tmp_path).stdout.splitlines()
        assert f"{title} {offset}  " in head
        assert midnight in rows[0]


def test_times_from_before_the_clock_was_moved_fit_the_zone_above_them(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for at_ms in (1_767_268_800_000, 1_782_907_200_000):  # in January and in July of 2026
            shown = f"2026-{local_time(at_ms).removeprefix('2026-')} {zoned('')[4:]}"
            assert datetime.strptime(shown, "%Y-%m-%d %H:%M:%S %z").timestamp() * 1000 == at_ms
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_time_of_another_year_has_it(monkeypatch):
    """Else what was before New Year reads as of eleven months ahead."""
    new_year = datetime(2027, 1, 1, 0, 0, 5).astimezone()
    monkeypatch.setattr(output, "_now", lambda: new_year)
    at_ms = int(new_year.timestamp()) * 1000
    assert [local_time(at_ms + after_ms) for after_ms in (-6_000, -5_000, 0)] == [
        "2026-12-31 23:59:59",
        "01-01 00:00:00",
        "01-01 00:00:05",
    ]
    assert local_time(int(datetime(2028, 1, 1).astimezone().timestamp()) * 1000) == "2028-01-01 00:00:00"


def test_the_daemons_own_words_are_the_error(daemon, tmp_path):
    """What the daemon refuses is told in its words, as one line."""
    _, url = daemon
    done = slawatch("alerts", "ack", "x", "--url", url, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "slawatch: no open alert 'x'; list them\n")
    assert slawatch("alerts", "list", "--url", url, cwd=tmp_path).stdout == "no open alerts\n"


def test_an_alert_is_closed_by_hand_or_taken_for_a_while(daemon, tmp_path):
    asked, url = daemon
    at = ("--url", url)
    done = slawatch("alerts", "resolve", "drift|shop=pdd:s1", "--comment", "a test shop", *at, cwd=tmp_path)
    assert done.stderr == "drift|shop=pdd:s1 closed by lead, until it fires anew\n"
    slawatch("alerts", "ack", "x", "--for", "30m", *at, cwd=tmp_path)
    assert [body for _, _, body in asked] == [{"comment": "a test shop"}, {"comment": "", "for": "30m"}]
    wrong = slawatch("alerts", "ack", "x", "--for", "soon", *at, cwd=tmp_path)
    assert (wrong.returncode, "'soon' is not a duration such as 30m or 2h" in wrong.stderr) == (2, True)


def test_an_alert_of_any_shop_can_be_named(daemon, tmp_path):
    """Shops are named by others: what is a URL's own in a name must not lead elsewhere."""
    asked, url = daemon
    alert = "drift|shop=pdd:a/../b?c#d%e\nf 店"
    for what in ("ack", "resolve", "feedback"):
        options = ("--useful",) if what == "feedback" else ()
        slawatch("alerts", what, alert, *options, "--url", url, cwd=tmp_path)
        assert unquote(asked[-1][0]) == f"/api/v1/alerts/{alert}/{what}"


def test_what_an_alert_was_worth_is_said_and_shown_and_who_did_what(daemon, tmp_path):
    asked, url = daemon
    key = "drift|shop=pdd:s1"
    at = ("--url", url)
    done = slawatch("alerts", "feedback", key, "--false-alarm", "--comment", "promo", *at, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"{key}: false alarm, says lead\n")
    assert asked[-1][2] == {"opinion": "false_alarm", "comment": "promo"}
    assert "drift  3       1" in slawatch("alerts", "feedback", *at, cwd=tmp_path).stdout
    nothing = slawatch("alerts", "feedback", key, *at, cwd=tmp_path)
    assert (nothing.returncode, "--false-alarm or --useful" in nothing.stderr) == (2, True)
    shown = slawatch("alerts", "audit", *at, cwd=tmp_path).stdout
    assert re.search(r"link:managers 小李 +false_alarm +drift\|shop=pdd:s1 +促销", shown)
    assert json.loads(slawatch("alerts", "audit", "--format", "json", *at, cwd=tmp_path).stdout) == [ACT]


def test_a_daemon_that_is_not_there_is_one_line(tmp_path):
    done = slawatch("alerts", "list", "--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("slawatch: no daemon answers at http://127.0.0.1:9: ")
    assert "start it with `slawatch run`" in done.stderr
