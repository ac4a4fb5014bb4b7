"""What a tap on a card's button does, wherever it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.channels.buttons import read

if TYPE_CHECKING:
    from monitor.web.desk_port import DeskPort

OVER = "已结束"
_DONE = {"acknowledge": "已认领", "silence": "已静默1小时", "false_alarm": "已标为误报"}


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
    if what == "acknowledge":
        done = await desk.acknowledge(alert, by, "", incident)
    elif what == "silence":
        done = await desk.mute(alert, by, incident)
    elif what == "false_alarm":
        done = await desk.judge(alert, "false_alarm", by, "", incident)
    else:
        return ""
    return _DONE[what] if done else OVER
