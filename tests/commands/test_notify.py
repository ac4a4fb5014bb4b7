"""Proving a channel: by the code in the provider's answer, over the real wire to an honest fake."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from alerting.fakes.wecom import FakeWecom
from tests.alerting.sides import SIDES
from tests.commands.test_cli import slawatch

ALERTING = """
accounts:
  bot: {{type: wecom_bot, key_file: bot.key, base_url: "{url}"}}
  terminal: {{type: console}}
receivers:
  managers: {{accounts: [bot], language: en}}
  night: {{accounts: [terminal]}}
routes:
  everybody: [managers, night]
default: managers
"""


@pytest.fixture
def notify(tmp_path):
    """Run the command against a fake WeCom that knows the key `right`; gives it and what the group read."""

    def run(key, *args):
        async def against():
            wecom = FakeWecom(lambda: time.time_ns() // 1_000_000, keys=("right",))
            (tmp_path / "alerting.yaml").write_text(ALERTING.format(url=await wecom.start()))
            (tmp_path / "bot.key").write_text(f"{key}\n")
            (tmp_path / "slawatch.yaml").write_text("language: zh\n")
            try:
                return await asyncio.to_thread(slawatch, "notify-test", *args, cwd=tmp_path), wecom.texts()
            finally:
                await wecom.close()

        return asyncio.run(against())

    return run


def test_a_message_that_arrives_is_proof(notify):
    done, inbox = notify("right", "managers", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [(one["account"], one["result"]["kind"]) for one in json.loads(done.stdout)] == [("bot", "ok")]
    assert inbox == ["slawatch test: managers can be reached over bot. Nothing to do."]


def test_a_wrong_key_is_told_by_the_providers_code_and_never_shown(notify):
    done, inbox = notify("wrong-key-of-ours", "managers")
    assert done.returncode == 1
    assert inbox == []
    assert "bad_credential" in done.stdout
    assert "93000" in done.stdout
    assert "wrong-key-of-ours" not in done.stdout + done.stderr


def test_a_route_reaches_all_of_its_receivers(notify):
    done, inbox = notify("right", "everybody")
    assert done.returncode == 0
    assert len(inbox) == 1
    assert "night 经 terminal 可以收到告警" in done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_an_unknown_receiver_is_one_line(notify):
    done, _ = notify("right", "manager")
    assert (done.returncode, done.stderr) == (2, "slawatch: no receiver 'manager'; did you mean managers?\n")


def test_a_key_file_that_is_missing_is_one_line(notify, tmp_path):
    done, _ = notify("", "managers")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "accounts.bot" in done.stderr


async def _prove_every_channel(tmp_path, spoilt):
    """Run the command against every provider at once; what it said, and what each inbox got."""
    fakes = [side.fake(lambda: time.time_ns() // 1_000_000) for side in SIDES]
    urls = [await fake.start() for fake in fakes]
    try:
        accounts = {side.name: side.configured(url) for side, url in zip(SIDES, urls, strict=True)}
        receivers = {"managers": {"accounts": list(accounts)}}
        (tmp_path / "alerting.yaml").write_text(
            json.dumps({"accounts": accounts, "receivers": receivers, "default": "managers"})
        )
        (tmp_path / "slawatch.yaml").write_text("language: zh\n")
        for side, fake in zip(SIDES, fakes, strict=True):
            if spoilt:
                side.spoil(fake)
        arguments = ("notify-test", "managers", "--format", "json")
        done = await asyncio.to_thread(slawatch, *arguments, cwd=tmp_path)
        return done, {side.name: len(fake.inbox) for side, fake in zip(SIDES, fakes, strict=True)}
    finally:
        for fake in fakes:
            await fake.close()


@pytest.mark.parametrize("spoilt", [False, True])
def test_every_channel_is_proven_by_its_providers_answer(tmp_path, spoilt):
    done, inboxes = asyncio.run(_prove_every_channel(tmp_path, spoilt))
    assert done.returncode == spoilt, done.stderr
    kinds = {one["account"]: one["result"]["kind"] for one in json.loads(done.stdout)}
    assert kinds == dict.fromkeys(inboxes, "bad_credential" if spoilt else "ok")
    assert inboxes == {side.name: 0 if spoilt else side.copies for side in SIDES}
    for secret in {secret for side in SIDES for secret in side.secrets}:
        assert secret not in done.stdout + done.stderr
