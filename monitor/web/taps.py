"""What a tap on a card's button does, wherever it comes in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from alerting.channels.base import Connected
from alerting.channels.buttons import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.channels.base import Channel
    from monitor.web.desk_port import DeskPort

Acting = TypeVar("Acting", bound="DeskPort")

OVER, LATER = "已结束", "请稍后再试"
_DONE = {"acknowledge": "已确认", "silence": "已静默1小时", "false_alarm": "已标为误报"}


def done(said: str) -> bool:
    """Whether an answer says that what a button asks for was done."""
    return said in _DONE.values()


def hear_taps(channels: Mapping[str, Channel], desk: Acting) -> Acting:
    """Let taps that come in over the channels' own connections act on the desk, which is given back."""
    for channel in channels.values():
        if isinstance(channel, Connected):
            channel.on_tap = partial(act_on, desk)
    return desk


async def act_on(desk: DeskPort, user: str, key: str) -> str:
    """Do what a button says in the name of who tapped it.

    Args:
        desk: Where it is done.
        user: Who tapped, as WeCom knows them.
        key: The button's.

    Returns:
        The button's new name; empty: it is a button of another making.
    """
    what, alert, incident = read(key)
    by = f"wecom:{user}"
    if what == "silence" and not desk.ready:
        return LATER
    if what == "acknowledge":
        done = await desk.acknowledge(alert, by, "", incident)
    elif what == "silence":
        done = await desk.mute(alert, by, incident)
    elif what == "false_alarm":
        done = await desk.judge(alert, "false_alarm", by, "", incident)
    else:
        return ""
    return _DONE[what] if done else OVER
