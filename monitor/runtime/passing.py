"""Time passing on a manual clock: second by second, each one folded and told before the next."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from monitor.configuration import ConfigurationError
from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.sources.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from alerting.config.model import Alerting
    from monitor.runtime.clock import ManualClock

FOLLOW_S = 0.01  # how often the file of a test is looked at
STRIDE_FROM_MS = 3_600_000  # what is further off than an hour is gone to in strides …
STRIDE_MS = 5_000  # … as long as a gap between records may be without being time down


async def pass_time(clock: ManualClock, to_ms: int, settled: Callable[[], Awaitable[None]]) -> None:
    """Move the clock on to ``to_ms`` as if that time had passed.

    Seconds are whole ones, so that each gets its tick; far times are gone to in strides, which judges the
    same: a shard judges every second up to the next record's arrival.
    """
    await settled()
    while (left_ms := to_ms - clock.now_ms()) > 0:
        step_ms = STRIDE_MS if left_ms > STRIDE_FROM_MS else limits.TICK_MS
        next_ms = clock.now_ms() // limits.TICK_MS * limits.TICK_MS + step_ms
        clock.move_to(min(next_ms, to_ms))
        await settled()


async def follow(path: Path, clock: ManualClock, settled: Callable[[], Awaitable[None]]) -> None:
    """Let time pass to whatever the file says, for ever; what it cannot read yet it reads again."""
    while True:
        to_ms = _wanted(path)
        if to_ms is not None and to_ms > clock.now_ms():
            await pass_time(clock, to_ms, settled)
        else:
            await asyncio.sleep(FOLLOW_S)


def first_time(path: Path) -> int:
    """The time at which a test begins, epoch milliseconds.

    Raises:
        MonitorError: The file does not say one.
    """
    wanted = _wanted(path) if path.exists() else None
    if wanted is None:
        raise MonitorError(
            f"--clock {path}: no time in it",
            mend="write one such as 2026-11-11T10:00:00+08:00, or epoch milliseconds",
            code="clock",
        )
    return wanted


def _wanted(path: Path) -> int | None:
    text = path.read_text("utf-8").strip()
    return int(text) if text.isdigit() else parse_time(text)


def refuse_real_channels(alerting: Alerting) -> None:
    """Under a clock that is told, nobody outside this machine may be alerted.

    Raises:
        ConfigurationError: An account reaches further, each named.
    """
    problems = []
    for name, account in alerting.accounts.items():
        if account.type != "console" and not _is_loopback(urlsplit(account.reaches).hostname or ""):
            problems.append(f"accounts.{name}: --clock is for tests; name a fake on 127.0.0.1 instead")
    if problems:
        raise ConfigurationError(problems)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
