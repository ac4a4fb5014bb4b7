"""A change of the plan in the middle of a log: what a shard counts and judges from one record on.

Days that have begun keep what they count; a rule that means the same keeps its states, whatever becomes of
the others, and one that is gone or means another thing ends its alerts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.aggregate.publisher import publisher_of
from monitor.rulebook import Rulebook
from monitor.shard.watch import SERVED
from rules.machine import Reason, close, transition
from rules.rule import Rule
from rules.transition import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.engine.sources import Source
    from monitor.rulebook import Plan
    from monitor.shard.shard import Shard
    from monitor.shard.source_watch import SourceWatch
    from monitor.shard.watch import ShopWatch
    from rules.transition import RuleState


def turn_to(shard: Shard, name: str, plan: Plan) -> None:
    """Have the shard decide by ``plan``, which the log calls ``name``."""
    for shop in shard.engine.shops.values():  # what it was judged by is asked for once more
        if not shard.is_beyond(shop):
            shop.wake()
            shop.active_ms = shard.now_ms
    before, after = shard.book, Rulebook(plan)
    shard.book, shard.plan_name = after, name
    shard.publisher = publisher_of(after)
    spec = after.engine_spec()
    if spec != shard.engine.spec:
        shard.engine.use(spec)
    for watch in shard.watches.values():
        _sort(watch, before, after, shard.engine.judged_ms)
    for shop in shard.engine.shops.values():  # new rules look at every shop, and what they see is stored
        shop.touched()
        shop.moved()
    for _, source in sorted(shard.sources.items()):
        _turn_source(shard, source, before, after)
    for source_name, promised in sorted(plan.sources.items()):
        if promised.promised_ms and source_name not in shard.sources:
            shard.add_source(source_name, shard.now_ms)


def _sort(watch: ShopWatch, before: Rulebook, after: Rulebook, judged_ms: int) -> None:
    """Keep the states of rules that mean the same; the others' alerts end at the next look.

    A shop that was stored beyond this record may hold states of rules that only come with it.
    """
    known = watch.removed | {rule: (before.meaning_of(rule), state) for rule, state in watch.states.items()}
    sort_states(watch, known, after, judged_ms)
    if watch.day >= 0:
        watch.begin(watch.day)
    watch.complete_from, watch.next_ms = -1, 0  # judge anew, and set timers anew


def sort_states(
    watch: ShopWatch, known: Mapping[str, tuple[int, RuleState]], book: Rulebook, judged_ms: int
) -> None:
    """Give a watch its states, each with the meaning its rule had: those stay whose rules mean the same.

    All up to ``judged_ms`` was judged. A state may come back by the very change of rules that it was made
    under, when a log is folded again: what it waits for is set here and nowhere else.
    """
    watch.states, watch.removed = {}, {}
    for rule, (meaning, state) in known.items():
        if meaning and meaning == book.meaning_of(rule):
            watch.states[rule] = state
        else:
            watch.removed[rule] = (meaning, state)
    for state in watch.states.values():
        if state.due_ms:
            watch.at(max(state.due_ms, judged_ms + 1))
    if watch.states:
        watch.at(max(watch.shop.zone.midnight(watch.day + 1), judged_ms + 1))


def _turn_source(shard: Shard, watch: SourceWatch, before: Rulebook, after: Rulebook) -> None:
    source = watch.source
    now_ms = shard.now_ms // 1000 * 1000
    for rule, state in sorted(watch.states.items()):
        if before.meaning_of(rule) != after.meaning_of(rule):
            del watch.states[rule]
            change = close(state, Reason.RULE_REMOVED)
            subject = {"source": source.name}
            shard.tell(transition(Rule(rule), subject, change, SERVED, Facts(), now_ms))
    watch.rules = after.of_sources()
    _serve_anew(shard, source)
    promised = after.plan.source(source.name)
    if promised != before.plan.source(source.name):
        source.promised_ms, source.silent_after_ms = promised.promised_ms, promised.silent_after_ms
    watch.look_soon(shard.now_ms)


def _serve_anew(shard: Shard, source: Source) -> None:
    """Have a source in service when its shops are by what counts for them now."""
    engine, known = shard.engine, list(source.packs)
    source.packs.clear()
    for platform, key in known:
        source.serves(platform, key, engine.spec.of(platform, key))
    for shop in engine.shops.values():
        if source.name in shop.sources:
            source.serves(shop.platform, shop.key, shop.pack)
