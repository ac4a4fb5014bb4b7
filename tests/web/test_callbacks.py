"""Taps on a WeCom card's button, over real HTTP: who taps acknowledges, who forges is refused."""

import pytest
from pydantic import SecretStr

from alerting.channels.wecom_callback import Callback
from alerting.fakes.wecom_app import FakeWecomApp
from alerting.fakes.wecom_taps import seal, tap
from monitor.web.app import WebOptions
from tests.web.houses import NOW_MS, alert

KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CARD = {"card_type": "button_interaction", "task_id": "k1"}
PATH = "/api/v1/callbacks/wecom/app"


class Clock:
    ms = NOW_MS

    def now_ms(self):
        return self.ms


@pytest.fixture
def wecom():
    return FakeWecomApp(lambda: NOW_MS, "ww1", "secret", 7, ["xiaoli"])


@pytest.fixture
def callback():
    return Callback(SecretStr("QDG6eK"), SecretStr(KEY), "ww1", Clock())


@pytest.fixture
def options(callback):
    return WebOptions(callbacks={"app": callback})


def tapped(wecom, key):
    return tap(wecom, "xiaoli", CARD | {"button_list": [{"text": "确认，我来处理", "key": key}]})


def said(callback, answer):
    """What the one who tapped sees, as WeCom reads our answer."""
    fields = dict(
        part.removeprefix("<").split(">", 1)
        for part in answer.text.removeprefix("<xml>").removesuffix("</xml>").replace("><", ">\n<").split("\n")
    )
    value = {name: text.partition("<")[0] for name, text in fields.items()}
    query = {"msg_signature": value["MsgSignature"], "timestamp": value["TimeStamp"], "nonce": value["Nonce"]}
    return callback.echo(query | {"echostr": value["Encrypt"]})


def test_who_taps_acknowledges_and_sees_it(client, house, wecom, callback):
    one = alert(1)
    house.behind.shown_alerts = [one]
    query, body = tapped(wecom, f"acknowledge {one.id}@{one.since_ms}")
    answer = client.post(PATH, params=query, content=body)
    assert answer.status_code == 200
    assert house.behind.acknowledged == [(one.id, "wecom:xiaoli", "")]
    assert "<ReplaceName>已确认</ReplaceName>" in said(callback, answer)


def test_a_tap_that_comes_again_counts_once_and_gets_the_same_answer(client, house, wecom, callback):
    """As WeCom repeats it where our answer was slow, or who overheard it plays it again."""
    house.behind.shown_alerts = [alert(1)]
    query, body = tapped(wecom, f"acknowledge {alert(1).id}@{alert(1).since_ms}")
    answers = [client.post(PATH, params=query, content=body) for _ in range(3)]
    assert [said(callback, answer).count("已确认") for answer in answers] == [1, 1, 1]
    assert len(house.behind.acknowledged) == 1


def test_what_is_over_says_so(client, house, wecom, callback):
    query, body = tapped(wecom, "acknowledge gone@1")
    assert "<ReplaceName>已结束</ReplaceName>" in said(
        callback, client.post(PATH, params=query, content=body)
    )


def test_a_button_of_another_making_does_nothing(client, house, wecom):
    query, body = tapped(wecom, "buy 3")
    answer = client.post(PATH, params=query, content=body)
    assert (answer.status_code, answer.content, house.behind.acknowledged) == (200, b"", [])


def test_a_forged_or_old_tap_is_refused_and_does_nothing(client, house, wecom):
    query, body = tapped(wecom, "acknowledge a@1")
    forged = client.post(PATH, params=query | {"nonce": "1"}, content=body)
    wecom.now_ms = lambda: NOW_MS - 301_000
    query, body = tapped(wecom, "acknowledge a@1")
    old = client.post(PATH, params=query, content=body)
    assert [forged.status_code, old.status_code] == [401, 401]
    assert forged.json()["error"]["code"] == "forged"
    assert house.behind.acknowledged == []


def test_wecom_tries_the_address(client, wecom):
    query, sealed = seal(wecom, "1616140317555161061")
    answer = client.get(PATH, params=query | {"echostr": sealed})
    assert (answer.status_code, answer.text) == (200, "1616140317555161061")
    assert client.get(PATH, params={"echostr": sealed}).status_code == 401


def test_an_account_without_a_callback_is_named(client):
    answer = client.get("/api/v1/callbacks/wecom/nobody")
    assert answer.status_code == 404
    assert "callback_token" in answer.json()["error"]["mend"]
