"""A loop whose time is told to jump: what takes its time-outs from it is given up without anybody waiting.

So a test keeps the real limits, which a busy machine does not meet, and yet takes milliseconds.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from alerting import limits


class JumpingLoop(asyncio.SelectorEventLoop):
    """The machine's time, and what it was told to be ahead of it."""

    ahead_s = 0.0

    def time(self):
        return super().time() + self.ahead_s


def run(main):
    """As ``asyncio.run``, on such a loop."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)


@asynccontextmanager
async def given_up(fake):
    """Let no more time pass for an answer once the provider has met its fault, and so will not give one."""
    faults = getattr(fake, "server", fake).faults
    loop = asyncio.get_running_loop()

    async def jump():
        while faults:  # noqa: ASYNC110 - the provider tells nobody
            await asyncio.sleep(0.001)
        loop.ahead_s += limits.ANSWER_S + limits.CONNECT_S + 1

    jumping = asyncio.create_task(jump())
    try:
        yield
    finally:
        jumping.cancel()
