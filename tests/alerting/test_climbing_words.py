"""What a message says that somebody gets because of an escalation or an acknowledgement."""

import msgspec
import pytest

from alerting.messages.render import render
from alerting.messages.style import Style
from alerting.policy.compose import Draft, Ready
from tests.alerting.people import People
from tests.alerting.worlds import MINUTE, T0, Memory, Shard, policy


def second_line(kind, who="", language="zh"):
    desk = Memory(policy())
    desk.fold(Shard()(0, severity="crit", since_ms=T0))
    (intent,) = desk.intents.values()
    intent = msgspec.structs.replace(intent, kind=kind, who=who)
    draft = Draft("managers", (Ready(intent),))
    style = Style(language, "text", 4_096, T0 + 30 * MINUTE)
    return render(draft, People(), style).message.body.splitlines()[1]


@pytest.mark.parametrize(
    ("kind", "who", "said"),
    [
        ("escalate", "", "已 30 分钟无人确认，请你处理（数据截至 10:00）"),
        (
            "remind",
            "link:managers 老王",
            "老王 已确认，仍未恢复，已持续 30 分钟；到时没有再次确认会重新通知（数据截至 10:00）",
        ),
        ("lapsed", "wecom:laowang", "laowang 的确认已到期，仍未恢复，已持续 30 分钟（数据截至 10:00）"),
        ("lapsed", "ops", "ops 的确认已到期，仍未恢复，已持续 30 分钟（数据截至 10:00）"),
    ],
)
def test_in_chinese(kind, who, said):
    assert second_line(kind, who) == said


def test_in_english():
    said = second_line("escalate", language="en")
    assert said == "Nobody before you took it for 30 min: please do (figures as of 10:00)"
