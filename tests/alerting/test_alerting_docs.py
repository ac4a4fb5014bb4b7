"""What the page on alerting says is what the code does."""

import hashlib
import hmac
import re
from pathlib import Path

import pytest
import yaml

from alerting.channels.dingtalk import DingtalkBot
from alerting.channels.feishu import FeishuBot
from alerting.channels.webhook import sign
from alerting.channels.wecom_app import WecomApp
from alerting.channels.wecom_bot import WecomBot
from alerting.channels.wecom_smart_bot import WecomSmartBot
from alerting.config.accounts import TYPES
from alerting.config.model import Alerting
from alerting.policy.rulings import Receiver
from alerting.policy.throttle import Allowance
from tests.alerting.worlds import T0

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [(DOCS / name).read_text("utf-8") for name in ("alerting.md", "alerting.zh.md")]


@pytest.mark.parametrize("page", PAGES)
def test_its_example_is_accepted(page):
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    given = yaml.load(example, Loader=yaml.BaseLoader)  # every scalar stays text, as our reader has it
    managers = Alerting.parse(given).policy().receivers["managers"]
    assert managers == Receiver("managers", ("shift-bot",))  # the values shown are the defaults


@pytest.mark.parametrize("page", PAGES)
def test_its_accounts_are_accepted(page):
    example = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    given = yaml.load(example, Loader=yaml.BaseLoader)
    all_of_them = {"receivers": {"m": {"accounts": list(given["accounts"])}}, "default": "m"}
    Alerting.parse(given | all_of_them)


@pytest.mark.parametrize("page", PAGES)
def test_it_names_every_key_of_every_account_and_no_other(page):
    rows = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    documented = {kind: set(re.findall(r"`([a-z_]+)`", keys)) for kind, keys in rows if kind in TYPES}
    for kind, model in TYPES.items():
        keys = {name for name in model.model_fields if not name.endswith(("_file", "_env"))}
        assert documented[kind] == keys - {"type", "base_url"}, kind


def test_every_key_of_an_account_has_a_description():
    wrong = [
        f"{kind}.{name}"
        for kind, model in TYPES.items()
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        ("wecom_bot", WecomBot),
        ("wecom_app", WecomApp),
        ("wecom_smart_bot", WecomSmartBot),
        ("dingtalk", DingtalkBot),
        ("feishu", FeishuBot),
    ],
)
def test_the_allowances_shown_are_the_channels(page, kind, channel):
    row = next(line for line in page.splitlines() if line.startswith(f"| `{kind}` |") and "61" in line)
    allowance = channel.allowance
    numbers = re.findall(r"\d+", row.split("|")[3])
    assert sorted(map(int, numbers)) == sorted((allowance.messages, allowance.window_ms // 1_000))


@pytest.mark.parametrize("page", PAGES)
def test_its_limits_are_the_bots(page):
    allowance = Allowance()
    for number in (allowance.messages, allowance.window_ms // 1000, allowance.messages - allowance.reserve):
        assert re.search(rf"\b{number}\b", page)
    assert allowance.burst == 3


def test_the_signature_is_as_described():
    mac = hmac.new(b"secret", b"12.body", hashlib.sha256).hexdigest()
    headers = {"X-Slawatch-Timestamp": "12", "X-Slawatch-Signature": f"sha256={mac}"}
    assert sign(b"body", b"secret", 12_999) == headers
    assert all(name in page for name in headers for page in PAGES)


@pytest.mark.parametrize("name", ["routing.md", "routing.zh.md"])
def test_the_examples_of_routing_are_one_file_that_is_accepted(name):
    page = (DOCS / name).read_text("utf-8")
    values = {
        "accounts": {"bot": {"type": "console"}, "sms": {"type": "console"}},
        "receivers": {who: {"accounts": ["bot"]} for who in ("managers", "leads")},
        "default": "managers",
    }
    values["accounts"]["app"] = {"type": "console"}
    found = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    examples = [yaml.load(example, Loader=yaml.BaseLoader) for example in found]
    for example in examples:
        values |= {**example, "route": {}}
    people = {"xiaoli", "laowang", "xiaozhang", "xiaozhao", "boss"}
    routes = [example["route"] for example in examples if "route" in example]
    policies = [Alerting.parse(values | {"route": route}, people).policy(now_ms=T0) for route in routes]
    assert {"promotion/team=!east", "severity=crit"} <= {name for policy in policies for name in policy.nodes}
    (policy, *_) = policies
    assert policy.people(policy.receivers["phones"], T0) == ("laowang", "boss")
