"""``slawatch messages``: what would be sent, seen before anybody is sent anything."""

import json

import pytest

from tests.commands.test_cli import slawatch

ALERTING = """
accounts:
  group: {type: wecom_bot, key_file: not-there.key}
  phones:
    type: aliyun_sms
    access_id: LTAI
    secret_env: NOT_SET
    phones: ["13800138001"]
    sign_name: 晨光
    template: SMS_1
    params: {shop: shop, n: count}
receivers:
  managers: {accounts: [group], messages: {alert: "{{ shop }} · {{ figure }}"}}
  night: {accounts: [group, phones], language: en}
default: managers
"""


@pytest.fixture
def folder(tmp_path):
    assert slawatch("init", ".", cwd=tmp_path).returncode == 0
    (tmp_path / "alerting.yaml").write_text(ALERTING, "utf-8")
    return tmp_path


def test_a_receiver_sees_each_channels_request_with_its_bytes(folder):
    done = slawatch("messages", "preview", "night", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    group, phones = json.loads(done.stdout)
    assert (group["account"], group["limit"]) == ("group", 4096)
    assert group["bytes"] == len(group["text"].encode())
    assert json.loads(group["request"])["markdown"]["content"] == group["text"]
    assert group["request_bytes"] == len(group["request"].encode())
    assert "[Critical]" in group["text"]
    assert "customer-1042" not in done.stdout
    assert "phone" not in phones["request"]


def test_a_rule_shows_what_its_receivers_would_be_sent_in_their_own_words(folder):
    done = slawatch("messages", "preview", "pdd-reply-drift", cwd=folder)
    assert done.stdout.startswith("── managers on group: text ")
    assert "pinduoduo:s1 · 今日还可漏 38 个\n" in done.stdout


def test_the_end_of_an_alert_and_a_digest(folder):
    over = slawatch("messages", "preview", "night", "--kind", "resolved", cwd=folder).stdout
    assert "Recovered" in over
    digest = slawatch("messages", "preview", "night", "--kind", "digest", cwd=folder).stdout
    assert "5 alerts" in digest


def test_a_name_that_is_neither(folder):
    done = slawatch("messages", "preview", "nigt", cwd=folder)
    assert (done.returncode, done.stderr) == (
        2,
        "slawatch: no rule or receiver 'nigt'; did you mean night?\n",
    )


def test_a_mistake_in_a_template_is_named_where_it_is(folder):
    text = ALERTING.replace("{{ shop }}", "{{ shap }}")
    (folder / "alerting.yaml").write_text(text, "utf-8")
    done = slawatch("messages", "preview", "night", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("slawatch: alerting.yaml:13:44: `receivers.managers.messages.alert`: ")
    assert "no word `shap`, did you mean `shop`?" in done.stderr


def test_words_and_our_own_templates_to_start_from(folder):
    assert "misses left now and by tonight" in slawatch("messages", "words", cwd=folder).stdout
    assert slawatch("messages", "template", cwd=folder).stdout.startswith("{{ first }}\n")
    assert slawatch("messages", "template", "row", cwd=folder).stdout == "{{ name }} {{ figure }}\n"
