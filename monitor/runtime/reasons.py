"""Why somebody was told of an alert, or was not: implements ``monitor.web.ports.ReasonsPort``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy.records import alert_key
from monitor.runtime.verdicts import Verdict, verdict_on, verdict_over
from monitor.web.ports import Step, UnknownError
from rules.problems import closest
from rules.rule import OVER_SHOPS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from alerting.desk import Desk
    from alerting.policy.records import Trace
    from alerting.ports import DeskStore
    from monitor.aggregate.shard import AggregateShard
    from monitor.runtime.clock import Clock
    from monitor.runtime.worker_thread import WorkerThread
    from monitor.shard.shard import Shard
    from rules.rule import Rule

    Judged = Callable[[Rule, dict[str, str]], Awaitable[Verdict | None]]


class Reasons:
    """Puts together what the desk noted, what the rule says now, and what the desk does with it.

    Args:
        rules: Gives all rules by id.
        verdict: What a rule says of a subject now; None while that is not known yet.
        desk: The desk, or None while it is read.
        store: Of traces; called only in ``thread``.
        thread: Where reads wait for the disk.
        clock: For what the desk says of now.
    """

    def __init__(
        self,
        rules: Callable[[], Mapping[str, Rule]],
        verdict: Judged,
        desk: Callable[[], Desk | None],
        store: DeskStore,
        thread: WorkerThread,
        clock: Clock,
    ) -> None:
        self._rules, self._verdict, self._desk = rules, verdict, desk
        self._store, self._thread, self._clock = store, thread, clock

    async def why(self, rule_id: str, subject: dict[str, str]) -> list[Step]:
        """The steps, oldest first; see ``ReasonsPort``."""
        noted = await self._thread.run(self._store.traces, alert_key(rule_id, subject))
        rules = self._rules()
        rule = rules.get(rule_id)
        if rule is not None:
            verdict = await self._verdict(rule, subject)
        elif noted:
            verdict = Verdict(self._clock.now_ms(), "removed", "no rule of this name is in force")
        else:
            near = closest(rule_id, rules)
            mend = f"did you mean {near}?" if near else "`slawatch rules show` lists the rules"
            raise UnknownError(f"no rule {rule_id!r}", mend=mend, code="not_found")
        desk = self._desk()
        if verdict is None or desk is None:
            raise UnknownError("the daemon reads its state", mend="ask again in a moment", code="starting")
        if not verdict.verdict:
            mend = "GET /api/v1/shops lists the shops, /readyz what is wrong"
            raise UnknownError(verdict.reason, mend=mend, code="not_found")
        stands = desk.explain(rule_id, subject, self._clock.now_ms(), rule.notify if rule else "")
        return [
            *_steps(noted),
            Step(verdict.at_ms, "verdict", verdict.verdict, verdict.reason),
            *_steps(stands),
        ]


def _steps(traces: Iterable[Trace]) -> list[Step]:
    return [Step(trace.at_ms, trace.step, trace.verdict, trace.reason) for trace in traces]


def live(shard: Callable[[], Shard | None], aggregate: Callable[[], AggregateShard | None]) -> Judged:
    """What rules say where everything is judged in this process.

    Args:
        shard: The shard, or None while it is restored.
        aggregate: What judges sums over shops, likewise.
    """

    async def verdict(rule: Rule, subject: dict[str, str]) -> Verdict | None:
        if OVER_SHOPS.keys() & subject and (over := aggregate()) is not None:
            return verdict_over(over, rule, subject)
        found = shard()
        return verdict_on(found, rule, subject) if found is not None else None

    return verdict
