"""What the commands that stay share: saying that they have started, and ending."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Coroutine


def announce(url: str) -> None:
    """Print the address, for people, and tell the service manager."""
    from monitor.runtime.supervisor import Supervisor  # noqa: PLC0415 - settings are slow to import

    click.echo(url)
    Supervisor().ready()


def announce_watched(url: str) -> None:
    """The same for a process that has nothing of its own that watches its event loop."""
    from monitor.runtime.watchdog import watch_loop  # noqa: PLC0415 - the same

    watch_loop()
    announce(url)


def run_to_the_end(daemon: Coroutine[None, None, None]) -> None:
    """Run until it is told to end, and end at once: Python would look through all state for garbage first."""
    asyncio.run(daemon)
    gc.freeze()
