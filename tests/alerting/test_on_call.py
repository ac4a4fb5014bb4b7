"""What will go wrong some night is said at load, with its place in alerting.yaml."""

from monitor.configured import load_alerting
from monitor.directory import load_people
from monitor.on_call import on_call_notices
from tests.alerting.desk_plays import ms

ALERTING = """accounts:
  app: {type: wecom_app, corp_id: ww1, agent_id: 1, secret: s, users: ["@all"]}
  sms: {type: tencent_sms, access_id: a, secret: s, app_id: "1400006666", phones: ["13800000009"],
        sign_name: x, template: "1", params: [shop]}
receivers:
  managers: {accounts: [app]}
  nights: {accounts: [app, sms], to: [days, laowang]}
default: managers
schedules:
  days:
    rotations: [{people: [xiaoli], starts: 2026-11-02, hours: ["09:00-21:00"], weekdays: [mon-sat]}]
"""
PEOPLE = "people: {xiaoli: {wecom_id: XiaoLi}, laowang: {phone: '13800000001'}}"


def notices(tmp_path, alerting=ALERTING, people=PEOPLE):
    (tmp_path / "alerting.yaml").write_text(alerting, "utf-8")
    (tmp_path / "people.yaml").write_text(people, "utf-8")
    known = load_people(tmp_path / "people.yaml")
    model = load_alerting(tmp_path / "alerting.yaml", "zh", known)
    found = on_call_notices(model, known, tmp_path / "alerting.yaml", ms("12:00"))
    return [notice.removeprefix(f"{tmp_path}/") for notice in found]


def test_gaps_and_people_who_cannot_be_told_are_named_with_their_place(tmp_path):
    assert notices(tmp_path) == [
        (
            "alerting.yaml:10:3: nobody is on call from 2026-11-23 21:00 to 2026-11-24 09:00, and 23 more in "
            "28 days; then all of the receiver's accounts are told: "
            "add a rotation, an override or a `fallback`"
        ),
        "alerting.yaml:7:39: xiaoli cannot be told on sms: give a `phone` in people.yaml",
        "alerting.yaml:7:45: laowang cannot be told on app: give a `wecom_id` in people.yaml",
    ]


def test_nothing_is_said_where_nothing_will_go_wrong(tmp_path):
    whole = ALERTING.replace(', hours: ["09:00-21:00"], weekdays: [mon-sat]', "")
    people = PEOPLE.replace("XiaoLi", "XiaoLi, phone: '13800000002'").replace(
        "laowang: {", "laowang: {wecom_id: w, "
    )
    assert notices(tmp_path, whole, people) == []
    assert notices(tmp_path, ALERTING.replace("rotations", "fallback: xiaoli\n    rotations"), people) == []


TWINS = """accounts:
  group: {type: wecom_bot, key_file: secrets/bot}
  loud: {type: wecom_bot, key_file: secrets/bot, format: text}
  other: {type: wecom_bot, key_file: secrets/other}
  smart: {type: wecom_smart_bot, bot_id: b1, secret: s, chats: [wrA]}
  smarter: {type: wecom_smart_bot, bot_id: b1, secret: s, chats: [wrB]}
receivers: {managers: {accounts: [group, loud, other, smart, smarter]}}
default: managers
"""


def test_accounts_that_are_one_bot_are_named(tmp_path):
    both = "whose limit is counted for each of them: together they may be refused; "
    both += "tell both receivers over one account"
    assert notices(tmp_path, TWINS) == [
        f"alerting.yaml:3:3: loud and group are one bot, {both}",
        f"alerting.yaml:6:3: smarter and smart are one bot, {both}",
    ]
