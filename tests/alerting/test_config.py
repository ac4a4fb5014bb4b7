"""``alerting.yaml``: every mistake named with its place, and secrets that are never shown."""

import httpx
import pytest

from alerting.channels.console import Console
from alerting.channels.dingtalk import DingtalkBot
from alerting.channels.feishu import FeishuBot
from alerting.channels.webhook import Webhook
from alerting.channels.wecom_bot import WecomBot
from alerting.config.model import Alerting
from alerting.config.routing import Match
from alerting.errors import ConfigError
from alerting.policy.match import NAMES
from monitor.configuration import ConfigurationError, load_model

GOOD = """
accounts:
  night-bot: {type: wecom_bot, key_file: night.key}
  phones: {type: wecom_bot, key_env: PHONES, format: text, mention_mobiles: ["@all"]}
  erp: {type: webhook, url_env: ERP_URL, secret_file: erp.secret, allow_private: true}
  ding: {type: dingtalk, key: k, secret: s, mention_mobiles: ["13800000001"]}
  lark: {type: feishu, key: k, base_url: "https://open.larksuite.com"}
  screen: {type: console}
receivers:
  managers: {accounts: [night-bot, screen], group_by: [rule, platform], group_wait: 0s, repeat_interval: 2h}
  leads: {accounts: [phones], language: en}
routes:
  everybody: [managers, leads]
default: managers
self_alerts: leads
digest_after: 8h
"""
SECRETS = {
    ("file", "night.key"): "night-key\n",
    ("env", "PHONES"): "phones-key",
    ("env", "ERP_URL"): "https://erp.example/in?token=t",
    ("file", "erp.secret"): "signing",
}


def read(tmp_path, text):
    """The model, or the lines a person is shown."""
    path = tmp_path / "alerting.yaml"
    path.write_text(text, "utf-8")
    try:
        return load_model(path, Alerting, Alerting.parse)
    except ConfigurationError as error:
        return [line.removeprefix(f"{tmp_path}/") for line in error.problems]


def test_policy(tmp_path):
    made = read(tmp_path, GOOD).policy({"pinduoduo:s1": "erp"})
    managers, leads = made.receivers["managers"], made.receivers["leads"]
    assert (managers.accounts, managers.group_by) == (("night-bot", "screen"), ("rule", "platform"))
    assert (managers.group_wait_ms, managers.group_interval_ms, managers.repeat_interval_ms) == (
        0,
        120_000,
        7_200_000,
    )
    assert (managers.language, leads.language) == ("zh", "en")
    assert (made.default, made.self_receiver, made.digest_after_ms) == ("managers", "leads", 28_800_000)
    assert made.routes == {"everybody": ("managers", "leads")}
    assert made.sources == {"pinduoduo:s1": "erp"}


def test_names_that_a_rule_may_notify(tmp_path):
    assert read(tmp_path, GOOD).names() == {"managers", "leads", "everybody"}


def test_channels(tmp_path):
    made = read(tmp_path, GOOD).channels(httpx.AsyncClient(), None, lambda kind, name: SECRETS[kind, name])
    assert {name: type(channel) for name, channel in made.items()} == {
        "night-bot": WecomBot,
        "phones": WecomBot,
        "erp": Webhook,
        "ding": DingtalkBot,
        "lark": FeishuBot,
        "screen": Console,
    }
    assert (made["night-bot"].limit_bytes, made["phones"].limit_bytes) == (4096, 2048)


def test_secrets_that_cannot_be_read_are_all_named(tmp_path):
    def read_secret(kind, name):
        if kind == "file":
            raise FileNotFoundError(2, "No such file or directory")
        raise KeyError(name)

    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD).channels(httpx.AsyncClient(), None, read_secret)
    assert caught.value.problems == [
        "accounts.night-bot: `key_file` night.key: No such file or directory; name a readable file",
        "accounts.phones: `key_env`: PHONES is not set; set it or use `key_file`",
        "accounts.erp: `url_env`: ERP_URL is not set; set it or use `url_file`",
    ]


def test_an_empty_secret_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"accounts\.night-bot: `key` is empty"):
        read(tmp_path, GOOD).channels(httpx.AsyncClient(), None, lambda kind, name: " \n")


@pytest.mark.parametrize(
    ("kind", "given", "stands"),
    [
        ("wecom_bot", "https://wecom.example/send?key=693a-7b", "behind `key=` in its address"),
        ("wecom_bot", "key=693a-7b", "behind `key=` in its address"),
        ("wecom_bot", "693a-7b\n693a-7c", "behind `key=` in its address"),
        ("dingtalk", "https://ding.example/send?access_token=ab", "behind `access_token=` in its address"),
        ("feishu", "https://feishu.example/hook/ab-12", "last in its address"),
    ],
)
def test_an_address_in_place_of_its_key_is_told_and_not_shown(tmp_path, kind, given, stands):
    """The provider gives the whole address to be copied; taken for a key it failed with the first alert."""
    text = f"accounts: {{group: {{type: {kind}, key_file: k}}}}\n"
    text += "receivers: {managers: {accounts: [group]}}\ndefault: managers\n"
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text).channels(httpx.AsyncClient(), None, lambda *_: given)
    told = f"accounts.group: `key` holds more than the key: give only what stands {stands}"
    assert caught.value.problems == [told]


def test_a_secret_of_another_encoding_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"`key_file` night.key: not UTF-8; save it as UTF-8"):
        read(tmp_path, GOOD).channels(httpx.AsyncClient(), None, lambda kind, name: b"\xff\xfe".decode())


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("default: managers", "default: mangers", "14:1: `default`: no receiver mangers, did you mean"),
        ("[managers, leads]", "[managers, lead]", "everybody.1`: no receiver lead, did you mean leads?"),
        ("accounts: [phones]", "accounts: [phone]", "accounts.0`: no account phone, did you mean phones?"),
        ("key_file:", "kye_file:", "3:32: unknown key `accounts.night-bot.kye_file`, did you mean key_file?"),
        ("{type: console}", "{type: consol}", "found 'consol', did you mean console?"),
        ("{type: console}", "{type: {console: x}}", "8:12: `accounts.screen.type`: Input should be console,"),
        ("{type: console}", "{type: console, key: x}", "8:27: unknown key `accounts.screen.key`"),
        (", key_file: night.key", "", "a wecom_bot needs one of `key_file`, `key_env` or `key`"),
        (", secret_file: erp.secret", "", "a webhook needs one of `secret_file`, `secret_env` or `secret`"),
        ("group_wait: 0s", "group_wait: soon", "`receivers.managers.group_wait`: not a duration such as 30s"),
        ("group_wait: 0s", "group_wait: 11m", "group_wait`: must be at most 10m, found '11m'"),
        ("[rule, platform]", "[rules]", "no group rules, did you mean rule?"),
        ("format: text, ", "", "`mention_mobiles` needs `format: text`"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path, before, after, problem):
    assert before in GOOD
    (line,) = read(tmp_path, GOOD.replace(before, after))
    assert line.startswith("alerting.yaml:")
    assert problem in line


def test_no_mistake_shows_a_secret(tmp_path):
    lines = read(tmp_path, GOOD.replace("key_file: night.key", "key: hush-hush, key_env: X"))
    assert "hush" not in "".join(lines)
    shown = repr(read(tmp_path, GOOD.replace("key_file: night.key", "key: hush-hush")))
    assert "hush" not in shown


TREE = """
accounts: {bot: {type: console}}
receivers:
  managers: {accounts: [bot], to: [xiaoli]}
default: managers
mute_times: {nights: {when: [{hours: ["22:00-08:00"]}]}}
inhibit: [{name: big, when: {rule: x}, mutes: {severity: warn}, equal: [team]}]
escalations: {up: [{after: 3m, receivers: [managers]}, {after: 5m, receivers: [managers]}]}
route:
  routes:
    - match: {tier: A}
    - {match: {severity: crit}, mute: [nights], escalate: up, receivers: [managers], group_by: [labels.x]}
schedules:
  night: {rotations: [{people: [xiaoli], starts: 2026-11-02, hand_over: "09:00"}]}
"""


def read_tree(tmp_path, text):
    path = tmp_path / "alerting.yaml"
    path.write_text(text, "utf-8")
    try:
        return load_model(path, Alerting, lambda values: Alerting.parse(values, {"xiaoli"}))
    except ConfigurationError as error:
        return [line.removeprefix(f"{tmp_path}/") for line in error.problems]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("tier: A", "tire: A", "11:15: unknown key `route.routes.0.match.tire`, did you mean tier?"),
        ("mute: [nights]", "mute: [nigths]", "12:40: `route.routes.1.mute.0`: no mute time nigths, did you"),
        ("escalate: up", "escalate: upp", "`route.routes.1.escalate`: no escalation upp, did you mean up?"),
        ("group_by: [labels.x]", "group_by: [labels]", "group_by.0`: no group labels, did you mean labels."),
        ("equal: [team]", "equal: [teem]", "`inhibit.0.equal.0`: no label teem, did you mean team?"),
        ("after: 5m", "after: 2m", "`escalations.up.1.after`: must be longer than that of the step before"),
        (
            "to: [xiaoli]",
            "to: [nigth]",
            "`receivers.managers.to.0`: no person or schedule nigth, did you mean",
        ),
        (
            "night: {rotations",
            "night: {timezone: Asia/Shanghi, rotations",
            "14:11: `schedules.night.timezone`: no such time zone; one is Asia/Shanghai",
        ),
        ("people: [xiaoli]", "people: [xiaole]", "people.0`: no person xiaole, did you mean xiaoli?"),
        ("22:00-08:00", "22-08", 'hours.0`: not hours such as "08:00-23:00" or, past midnight,'),
        ('"09:00"', '"9"', "hand_over`: not a time such as 09:00, found '9'"),
        (
            "route:",
            "route:\n  match: {rule: x}",
            "9:1: `route`: the first route takes all alerts: put `match`",
        ),
    ],
)
def test_mistakes_in_the_tree_and_in_schedules(tmp_path, before, after, problem):
    """One line each, and nothing that only follows from it."""
    assert before in TREE
    (line,) = read_tree(tmp_path, TREE.replace(before, after))
    assert problem in line


def test_all_mistakes_are_told_in_one_run(tmp_path):
    text = TREE.replace("escalate: up", "escalate: upp").replace("teem", "team").replace("[nights]", "[x]")
    assert len(read_tree(tmp_path, text)) == 2


def test_every_label_can_be_matched():
    assert set(Match.model_fields) == {*NAMES, "labels"}
