"""Whether a source is heard, and the rules on it: looked at when a timer is due or it was heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.wheel import Timed
from monitor.shard.watch import SERVED, Host
from rules.machine import step, transition
from rules.reading import Reading

if TYPE_CHECKING:
    from monitor.engine.sources import Source
    from monitor.engine.wheel import Wheel
    from monitor.shard.lookout import Watched
    from rules.transition import RuleState


class SourceReading(Reading):
    """A source at a whole second; its shops' figures are not read through it."""

    __slots__ = ("source",)

    def __init__(self, source: Source, now_ms: int) -> None:
        self.source = source
        self.now_ms = now_ms
        self.blind = False
        self.complete = True

    @property
    def in_service(self) -> bool:
        """Whether any of its shops is in service; a source without shops is asked for at any time."""
        return not self.source.packs or self.source.in_service_since(self.now_ms) is not None

    @property
    def silent_ms(self) -> int:
        """For how long it has been silent: in service hours, or since the heartbeat it promised."""
        source = self.source
        return self.now_ms - source.heard_ms if source.promised_ms else source.silent_ms(self.now_ms)


class SourceWatch(Timed):
    """Whether we are blind to one source, and the rules on it."""

    __slots__ = ("host", "next_ms", "rules", "source", "states", "wheel")

    def __init__(self, source: Source, rules: tuple[Watched, ...], host: Host, wheel: Wheel) -> None:
        self.source = source
        self.rules = rules
        self.host = host
        self.wheel = wheel
        self.states: dict[str, RuleState] = {}
        self.next_ms = 0

    def due(self, now_ms: int) -> None:  # noqa: ARG002 — every timer is told the time
        """Have the source looked at this second, after every timer and in the order of names."""
        self.host.call(self)

    def look(self, now_ms: int) -> None:
        """Look at the source at a whole second, and say when to look again."""
        source = self.source
        source.look(now_ms)
        moments = []
        for watched in self.rules:
            rule, judge = watched.rule, watched.judge
            reading = SourceReading(source, now_ms)
            # A small source may say nothing for a while: silence counts once it is blind (decision 13).
            judgement = judge(reading) if source.blind else SERVED
            state = self.states.get(rule.id)
            if state is not None and source.blind:
                continue  # told already, and nothing heard since: service hours that end mend nothing
            after, change = step(rule, state, judgement, now_ms)
            if change is not None:
                facts = judge.facts(reading, judgement)
                self.host.tell(transition(rule, {"source": source.name}, change, judgement, facts, now_ms))
            if after is None:
                self.states.pop(rule.id, None)
            else:
                self.states[rule.id] = after
                moments.append(after.due_ms)
            moments.append(judge.due_ms(reading))
        if now_ms >= self.next_ms:
            moments += [self._again_ms(now_ms), source.next_edge_ms(now_ms)]
            self.next_ms = min((moment for moment in moments if moment > now_ms), default=0)
            if self.next_ms:
                self.wheel.at(self.next_ms, self)

    def _again_ms(self, now_ms: int) -> int:
        """When the source itself may change by time alone; 0: only by being heard."""
        source = self.source
        if source.backfill_until_ms:
            return source.backfill_until_ms
        if source.blind:
            return 0
        if source.promised_ms:
            return max(now_ms, source.heard_ms + source.promised_ms) + 1
        if not source.silent_after_ms:
            return 0
        # Silence counts from the beginning of service hours: looked at again when it could be long enough.
        return now_ms + max(0, source.silent_after_ms - source.silent_ms(now_ms)) + 1

    def look_soon(self, now_ms: int) -> None:
        """Look at the next whole second: it was heard, or went blind."""
        self.next_ms = 0
        self.wheel.after(now_ms, self)
