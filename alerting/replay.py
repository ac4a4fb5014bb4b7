"""What a dead sender left in flight, on channels whose provider knows the same bytes again.

Nobody can say whether such a message left. Where the provider shows the same request once only, it is sent
again byte for byte, soon, and its answer is the delivery's: nobody reads it twice and nothing is marked.
Everywhere else, and later, it is written anew and marked as a possible repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits
from alerting.outcome import named, state_of, traces_of
from alerting.policy.compose import Draft, Ready
from alerting.policy.records import Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from alerting.line import Line
    from alerting.policy.records import Flight
    from alerting.ports import SenderStore

    Call = Callable[..., Awaitable[object]]


async def replay(line: Line, store: SenderStore, call: Call, now_ms: int) -> None:
    """Send again what is in flight on an account that was just taken over, and record the answers.

    What has no clear answer stays in flight, for ``SenderStore.recover``.
    """
    if not getattr(line.channel, "knows_repeats", False):
        return
    flights: list[Flight] = await call(store.flights, line.name, now_ms - limits.REPLAY_MS)  # type: ignore[assignment]
    for one in flights:
        draft = Draft(one.receiver, tuple(Ready(intent) for intent in one.intents))
        result = await line.channel.deliver(one.payload)
        if not result.accepted:
            continue
        state, _ = state_of(result, draft)
        outcome = Result(
            now_ms, state, line.name, one.receiver, named(one.intents), result.detail, one.delivery
        )
        await call(
            store.finish,
            one.delivery,
            state,
            outcome,
            code=result.provider_code,
            provider_id=result.provider_id,
            detail=f"sent again after a crash; {result.detail}"[: limits.DETAIL_CHARS],
            traces=traces_of(line.name, draft, "", one.delivery, state, result, now_ms),
        )
