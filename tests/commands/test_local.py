"""Commands on the data directory: tokens and what was refused."""

from __future__ import annotations

import json
import re
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from monitor.sinks.dead_letters import DeadLetters
from monitor.sources.wire import Rejected
from monitor.web.tokens import Tokens
from tests.commands.test_cli import slawatch


def test_a_token_is_shown_once_and_can_be_taken_back(tmp_path):
    added = slawatch("tokens", "add", "erp-1", "--shops", "pinduoduo:*", cwd=tmp_path)
    token = added.stdout.strip()
    tokens = Tokens(tmp_path / "data" / "tokens.json")
    assert tokens.find(token).source == "erp-1"
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


@pytest.fixture
def refused(tmp_path):
    """A data directory in which two events and one line that is no JSON were refused."""
    (tmp_path / "data").mkdir()
    with closing(DeadLetters(tmp_path / "data" / "dead_letters.db")) as letters:
        letters.add(
            "erp-1",
            [
                Rejected(0, "no_shop", "no `shop_id`; say whose it is", b'{"id": "1"}'),
                Rejected(1, "not_json", "not JSON at column 3", b"{{{"),
                Rejected(2, "no_shop", "no `shop_id`; say whose it is", b'{"id": "2", "text": "hello"}'),
            ],
            1_794_362_400_000,
        )
    return tmp_path


def test_what_was_refused_is_listed_and_shown(refused):
    listed = json.loads(slawatch("dead-letters", "list", "--format", "json", cwd=refused).stdout)
    assert [(one["id"], one["code"], one["line"], one["parsed"]) for one in listed] == [
        (3, "no_shop", 2, True),
        (2, "not_json", 1, False),
        (1, "no_shop", 0, True),
    ]
    assert slawatch("dead-letters", "show", "2", cwd=refused).stdout == "{{{\n"
    assert "hello" not in slawatch("dead-letters", "show", "3", cwd=refused).stdout
    table = slawatch("dead-letters", "list", "--code", "not_json", cwd=refused).stdout.splitlines()
    assert re.match(r"id +arrived +source +line +code +reason", table[0])
    assert len(table) == 2
    missing = slawatch("dead-letters", "show", "9", cwd=refused)
    assert missing.stderr == "slawatch: no dead letter 9; `slawatch dead-letters list` shows them\n"


def test_what_is_taken_at_last_leaves_the_dead_letters(refused):
    """Both events that parsed are sent, in their order; the one refused again stays."""
    bodies = []

    class Daemon(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(
                (self.headers["authorization"], self.rfile.read(int(self.headers["content-length"])))
            )
            answer = b'{"accepted": 1, "duplicates": 0, "rejected": [{"index": 1, "reason": "no"}]}'
            self.send_response(202)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Daemon) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = slawatch("dead-letters", "replay", "--url", url, "--token", "slw_x", cwd=refused)
        server.shutdown()
        thread.join()
    assert done.stderr == "sent 2: 1 accepted, 0 duplicates, 1 rejected\n"
    assert [(auth, [json.loads(line)["id"] for line in body.splitlines()]) for auth, body in bodies] == [
        ("Bearer slw_x", ["1", "2"])
    ]
    left = json.loads(slawatch("dead-letters", "list", "--format", "json", cwd=refused).stdout)
    assert [one["id"] for one in left] == [3, 2]


def test_a_daemon_that_is_not_there_is_one_line(tmp_path):
    done = slawatch("alerts", "list", "--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("slawatch: no daemon answers at http://127.0.0.1:9: ")
    assert "start it with `slawatch run`" in done.stderr
