"""That the database takes long to answer is said while it is waited for, and not once it is given up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from monitor.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from monitor.runtime.health import Health

PART: Final = "database call"  # among the parts that may have a problem; well once whoever asks says so
Answer = TypeVar("Answer")


async def answered(question: Awaitable[Answer], health: Health) -> Answer:
    """The answer; where it takes ``limits.ANSWER_S``, that is a problem of ``PART`` from then on."""
    silent = asyncio.get_running_loop().call_later(limits.ANSWER_S, _say_silent, health)
    try:
        return await question
    finally:
        silent.cancel()


def _say_silent(health: Health) -> None:
    if PART in health.problems:  # why nothing comes is known better: nobody listens there
        return
    what = f"the database has not answered for {limits.ANSWER_S:.0f} s; see PostgreSQL and its disk"
    zh = f"数据库 {limits.ANSWER_S:.0f} 秒没有应答；请查看 PostgreSQL 及其磁盘"
    health.failed(PART, what, zh)
