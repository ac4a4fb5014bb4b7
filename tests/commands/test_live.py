"""Commands against the real daemon, as an operator uses them side by side."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from monitor.lines import LINES
from tests.commands.test_cli import slawatch
from tests.waiting import PATIENCE_S, eventually

YESTERDAY = (datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)).date().isoformat()


@pytest.fixture
def daemon(tmp_path):
    """A daemon over a starter configuration; its directory and its address."""
    assert slawatch("init", ".", cwd=tmp_path).returncode == 0
    path = tmp_path / "slawatch.yaml"
    path.write_text(path.read_text().replace("listen: 127.0.0.1:8700", "listen: 127.0.0.1:0"))
    with (
        (tmp_path / "told").open("wb") as told,
        subprocess.Popen(
            [sys.executable, "-m", "monitor", "run"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        ) as process,
    ):
        try:
            url = process.stdout.readline().strip()
            assert url, (tmp_path / "told").read_text()
            yield tmp_path, url
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


def test_the_doctor_tells_its_own_daemon_from_anothers(daemon, tmp_path_factory):
    """Both answer at the address; only one of them runs on the folder of this configuration."""
    folder, url = daemon
    address = url.removeprefix("http://")
    own = folder / "slawatch.yaml"
    own.write_text(own.read_text().replace("listen: 127.0.0.1:0", f"listen: {address}"))
    assert f"a daemon answers at {address} and is ready" in slawatch("doctor", cwd=folder).stdout
    other = tmp_path_factory.mktemp("other")
    (other / "slawatch.yaml").write_text(f"listen: {address}\n")
    done = slawatch("doctor", cwd=other)
    assert done.returncode == 1
    assert "it is another one's; name another address" in done.stdout


def test_traffic_goes_in_and_is_there(daemon):
    """A simulated hour of yesterday: all of it accepted, nothing refused, every shop listed."""
    folder, url = daemon
    done = slawatch(
        *(
            "simulate",
            "--shops",
            "3",
            "--day",
            YESTERDAY,
            "--hours",
            "1",
            "--to",
            url,
            "--truth",
            "truth.json",
        ),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("sent ")
    assert done.stderr.endswith(" 0 rejected\n")
    assert slawatch("dead-letters", "list", "--url", url, cwd=folder).stdout == "nothing was refused\n"
    none = slawatch("dead-letters", "list", "--code", "nul", "--url", url, cwd=folder)
    assert none.stdout == "nothing like that was refused\n"
    assert slawatch("dead-letters", "replay", "--url", url, cwd=folder).stderr == "0 taken in, 0 kept\n"
    assert slawatch("alerts", "list", "--url", url, "--format", "json", cwd=folder).returncode == 0
    truth = {one["shop"] for one in json.loads((folder / "truth.json").read_text())}

    def listed():
        shops = httpx.get(f"{url}/api/v1/shops", timeout=PATIENCE_S).json()["shops"]
        return {f"{shop['platform']}:{shop['shop_id']}" for shop in shops}

    assert eventually(lambda: listed() >= truth, what="every shop on the list")
    shop = next(one for one in truth if one.startswith("pinduoduo:"))
    why = slawatch("why", shop, "pdd-reply-drift", "--url", url, "--format", "json", cwd=folder)
    steps = {step["step"]: step for step in json.loads(why.stdout)}
    assert steps["verdict"]["verdict"] in {"too_few", "unknown", "partial"}, (
        "of a day that is over, no miss counts"
    )
    assert steps["rule"]["reason"] == "it does not fire"
    assert steps["route"]["verdict"] == "would"
    typo = slawatch("why", shop, "pdd-reply-drft", "--url", url, cwd=folder)
    assert (typo.returncode, typo.stderr) == (
        2,
        "slawatch: no rule 'pdd-reply-drft'; did you mean pdd-reply-drift?\n",
    )


def test_a_token_closes_the_door_and_opens_it(daemon):
    folder, url = daemon
    token = slawatch("tokens", "add", "boss", "--role", "admin", cwd=folder).stdout.strip()
    refused = slawatch("alerts", "list", "--url", url, cwd=folder)
    assert refused.returncode == 2
    assert refused.stderr == (
        "slawatch: a token is needed here; give --token or SLAWATCH_TOKEN; `slawatch tokens add` makes one\n"
    )
    assert slawatch("alerts", "list", "--url", url, "--token", token, cwd=folder).returncode == 0


@pytest.mark.parametrize("command", ["run", "desk"])
def test_a_second_daemon_on_the_folder_is_refused(daemon, command):
    """A cluster's desk would take the lead of the daemon's own."""
    folder, _ = daemon
    done = slawatch(command, cwd=folder)
    assert done.returncode == 2
    assert "another slawatch runs on this folder" in done.stderr


def test_a_backup_of_a_running_daemon_is_a_folder_of_the_same_files(daemon):
    folder, _ = daemon
    done = slawatch("backup", "copy", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "copy\n"), done.stderr
    assert "journal.db: " in done.stderr
    assert sorted(path.name for path in (folder / "copy").iterdir()) == [
        "dead_letters.db",
        "journal.db",
        "store.db",
    ]
    again = slawatch("backup", "copy", cwd=folder)
    assert (again.returncode, again.stderr) == (
        2,
        "slawatch: copy: is there already; name a folder that is not\n",
    )


def test_the_log_has_a_line_with_fields_that_stay_for_each_request_and_batch(tmp_path):
    """As a machine reads it: JSON, a line each; a probe that is well is not told."""
    assert slawatch("init", ".", cwd=tmp_path).returncode == 0
    path = tmp_path / "slawatch.yaml"
    path.write_text(path.read_text().replace("listen: 127.0.0.1:8700", "listen: 127.0.0.1:0"))
    process = subprocess.Popen(
        [sys.executable, "-m", "monitor", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = process.stdout.readline().strip()
        event = {"type": "heartbeat", "id": "h1", "at": datetime.now(ZoneInfo("Asia/Shanghai")).isoformat()}
        body = json.dumps(event) + "\nnonsense\n"
        with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as client:
            answer = client.post("/api/v1/events?source=erp", content=body)
            assert answer.status_code == 202, answer.text
            assert client.get("/healthz").is_success
            looked = re.compile(r"^slawatch_audit_seconds 1\.\d+e\+09$", re.MULTILINE)
            metrics = eventually(
                lambda: looked.search(text := client.get("/metrics").text) and text, what="the auditor's look"
            )
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=PATIENCE_S)
    found = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    (batch,) = (line for line in found if line["event"] == "batch")
    assert {name: batch[name] for name in LINES["batch"]} == {
        "source": "erp",
        "accepted": 1,
        "duplicates": 0,
        "rejected": 1,
    }
    (request,) = (line for line in found if line["event"] == "request")
    assert (request["method"], request["route"], request["status"]) == ("POST", "/api/v1/events", 202)
    assert request["took_ms"] > 0
    assert "slawatch_ready" in metrics
