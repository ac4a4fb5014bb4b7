"""Links in messages: nobody can make one, they end, and the same message has the same one."""

import msgspec
import pytest

from alerting.links import BadLink, Link, Links, _text
from alerting.policy.records import Intent
from tests.alerting.worlds import HOUR, T0, Shard

KEY = b"k" * 32


def intent(**changes):
    t = Shard()(0)
    given = {
        "id": "0.1.0-0",
        "alert": "drift|shop=pinduoduo:s1",
        "incident": f"drift|shop=pinduoduo:s1@{T0}",
        "receiver": "managers",
        "account": "bot",
        "group": "g",
        "kind": "fire",
        "severity": "crit",
        "created_ms": T0,
        "not_before_ms": T0,
        "transition": t,
    }
    return Intent(**(given | changes))


def token(url):
    return url.removeprefix("https://sla.example/a/")


def test_a_link_says_which_firing_it_is_for_and_until_when():
    links = Links(KEY, "https://sla.example/")
    link = links.read(token(links.url(intent())))
    assert (link.alert, link.incident, link.receiver) == (
        "drift|shop=pinduoduo:s1",
        f"drift|shop=pinduoduo:s1@{T0}",
        "managers",
    )
    assert [link.expired(T0 + 24 * HOUR - 1), link.expired(T0 + 24 * HOUR)] == [False, True]


def test_a_repeat_that_waited_for_hours_has_a_day_of_its_own():
    links = Links(KEY, "https://sla.example")
    later = links.read(token(links.url(intent(not_before_ms=T0 + 4 * HOUR))))
    assert later.expires_s * 1_000 == T0 + 28 * HOUR


def test_a_message_that_is_written_again_has_the_same_link():
    assert Links(KEY, "https://a.b").url(intent()) == Links(KEY, "https://a.b").url(intent())


def test_without_an_address_there_is_no_link():
    assert Links(KEY, "").url(intent()) == ""


def test_a_link_fits_a_message_of_wecom():
    assert len(Links(KEY, "https://sla.example").url(intent()).encode()) < 200


def test_what_is_changed_cut_short_or_signed_by_another_is_refused():
    links = Links(KEY, "https://sla.example")
    good = token(links.url(intent()))
    body, _, signature = good.partition(".")
    other = Link("drift", {"shop": "pinduoduo:s2"}, f"@{T0}", "managers", 1 << 40)
    forged = Links(b"x" * 32, "").token(other)
    bad = [
        good[:-1], good[1:], body, f"{body}.", f".{signature}", "", "é.ü", f"{good}=", f"{good}\n",
        f"{forged.partition('.')[0]}.{signature}", forged,
    ]  # fmt: skip
    for one in bad:
        with pytest.raises(BadLink):
            links.read(one)


@pytest.mark.parametrize("place", range(0, 150, 7))
def test_no_single_character_may_differ(place):
    links = Links(KEY, "https://sla.example")
    good = token(links.url(intent()))
    place %= len(good)
    changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
    with pytest.raises(BadLink):
        links.read(changed)


def test_a_signed_body_of_another_shape_is_refused():
    links = Links(KEY, "")
    raw = msgspec.msgpack.encode(["drift", 7])
    token = f"{_text(raw)}.{_text(links._sign(raw))}"
    with pytest.raises(BadLink):
        links.read(token)
