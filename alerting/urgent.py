"""What is critical leaves though nothing can be recorded: the store is full."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from alerting import limits
from alerting.policy.compose import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alerting.line import Line
    from alerting.messages.writer import Writer
    from alerting.policy.compose import Ready
    from alerting.ports import Clock, Metrics

log = logging.getLogger(__name__)


async def tell_urgent(
    line: Line,
    items: Sequence[Ready],
    writer: Writer,
    clock: Clock,
    metrics: Metrics,
    on_error: Callable[[str, Exception], object] | None,
) -> int:
    """Send what is critical without a record, saying so; how many alerts were accepted.

    Nothing else may leave while the store is full; what was told so is remembered, to be marked later.
    """
    accepted, now_ms = 0, clock.now_ms()
    due = [r for r in items if r.intent.urgent and r.intent.not_before_ms <= now_ms]
    left = [r for r in due if r.intent.id not in line.unrecorded]
    while left:
        now_ms = clock.now_ms()
        draft = compose(left, (), crowded=True)
        if draft is None or now_ms < line.rests_until_ms(now_ms) or not line.window.free(now_ms, urgent=True):
            break
        rendered, _ = writer.write(line, draft, now_ms, unrecorded=True)
        line.window.add(now_ms, urgent=True)
        result, fault = await line.deliver(line.channel.payload(rendered.message))
        if fault and on_error:
            on_error(line.name, fault)
        elif fault:
            log.error("account %s: %s", line.name, type(fault).__name__)
        line.rest(result, 0, clock.now_ms())
        metrics.count("deliveries_unrecorded", account=line.name, kind=result.kind)
        if not result.accepted:
            break
        told = {ready.intent.id for ready in rendered.taken}
        if len(line.unrecorded) < limits.UNRECORDED_MAX:
            line.unrecorded |= told
        left = [r for r in left if r.intent.id not in told]
        accepted += len(told)
    line.lease(line.held, line.renew_ms)  # a connection that was made for this alone is somebody else's
    return accepted
