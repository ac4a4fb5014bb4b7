"""The starter configuration: complete, accepted, and true about its defaults."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alerting.config.model import Alerting, ReceiverSettings
from monitor.configuration import read_yaml
from monitor.directory import load_people, load_shops
from monitor.settings import Settings, load_settings
from tests.commands.test_cli import slawatch


@pytest.fixture
def conf(tmp_path) -> Path:
    done = slawatch("init", "conf", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / "conf"


def uncommented(path: Path) -> Path:
    """The same file with every commented setting switched on; prose begins with a space after its #."""
    path.write_text(re.sub(r"^#(?! )(?=[ a-z])|^#(?=  )", "", path.read_text(), flags=re.MULTILINE))
    return path


def test_what_init_writes_is_accepted_as_it_is(conf):
    settings = load_settings(conf / "slawatch.yaml")
    assert settings == Settings()
    checked = slawatch("rules", "check", str(conf / "rules"))
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout
    assert load_shops(conf / "shops.yaml") == {}
    assert load_people(conf / "people.yaml") == {}
    assert Alerting.parse(read_yaml(conf / "alerting.yaml")[0]).names() == {"managers"}


def test_init_writes_everything_though_nobody_reads_on(conf):
    """``slawatch init conf | head -1`` left two files, and said that the folder cannot be written to."""
    here, out = os.pipe()
    os.close(here)
    command = [sys.executable, "-m", "monitor", "init", "short"]
    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, cwd=conf, check=False)
    os.close(out)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list((conf / "short").rglob("*.yaml"))) == len(list(conf.glob("*.yaml"))) + 3


def test_every_comment_can_be_switched_on(conf):
    """Without the #, each line is a valid setting, and where it shows a default it is the default."""
    settings = load_settings(uncommented(conf / "slawatch.yaml"))
    of_ones_own = {"sources", "public_url", "grafana_url", "packs", "postgres", "influx"}
    assert settings.model_dump(exclude=of_ones_own) == Settings().model_dump(exclude=of_ones_own)
    influx = settings.influx.model_dump(exclude={"url", "token_file"})
    assert influx == Settings().influx.model_dump(exclude={"url", "token_file"})
    assert set(settings.sources) == {"erp-1", "weekend-shop", "support", "exports"}
    assert set(load_shops(uncommented(conf / "shops.yaml"))) == {"pinduoduo:s1"}
    assert load_people(uncommented(conf / "people.yaml"))["lin"].wecom_id == "LinXiao"
    path = conf / "alerting.yaml"
    path.write_text(
        path.read_text().replace("    accounts: [terminal]\n", "", 1)
    )  # its comment takes its place
    alerting = Alerting.parse(read_yaml(uncommented(path))[0])
    defaults = ReceiverSettings(accounts=("ops-bot", "pager"), language="zh")
    assert alerting.receivers["managers"] == defaults
    assert alerting.names() == {"managers", "everybody"}
    assert alerting.digest_after == Alerting.model_fields["digest_after"].default


def test_every_setting_is_there(conf):
    text = (conf / "slawatch.yaml").read_text()
    assert [name for name in Settings.model_fields if not re.search(rf"^#?{name}:", text, re.MULTILINE)] == []


def test_nothing_that_is_there_is_touched(conf):
    (conf / "slawatch.yaml").write_text("mine")
    done = slawatch("init", "conf", cwd=conf.parent)
    assert done.returncode == 2
    assert "conf already has" in done.stderr
    assert (conf / "slawatch.yaml").read_text() == "mine"
