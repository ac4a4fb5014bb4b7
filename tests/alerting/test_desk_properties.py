"""However a log is divided into folds, and wherever the desk dies in between, it tells the same."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.policy.records import Ack, Health, Result, Silence, Tick, Unsilence
from alerting.policy.rulings import Node, Receiver, Step
from alerting.policy.spans import Spans
from tests.alerting.worlds import SECOND, T0, Memory, Shard, policy

shops = st.sampled_from(["s1", "s2", "s3"])
moves = st.one_of(
    st.tuples(st.just("shard"), shops, st.sampled_from(["firing", "ok", "ended", "holding", "pending"]),
              st.sampled_from(["warn", "crit"]), st.sampled_from(["rose", "update"]), st.booleans()),
    st.tuples(st.just("source"), st.sampled_from(["firing", "ok"])),
    st.tuples(st.just("ack"), shops),
    st.tuples(st.just("silence"), shops, st.integers(1, 200)),
    st.tuples(st.just("unsilence"), shops),
    st.tuples(st.just("health"), st.booleans()),
    st.tuples(st.just("tick")),
    st.tuples(st.just("told"), st.sampled_from(["accepted", "failed", "ambiguous", "expired"])),
)  # fmt: skip


def climbing():
    """Every alert climbs, warnings are muted for half of the time, an acknowledgement holds for a minute."""
    steps = tuple(Step(n * 40 * SECOND, (name,), 20 * SECOND) for n, name in enumerate(("both", "boss"), 1))
    tree = Node(escalate="up", routes=(Node("w", {"severity": ("warn",)}, mute=("m",), escalate="up"),))
    quiet = Spans(
        tuple(T0 + n * 60 * SECOND for n in range(9)), tuple(T0 + n * 60_000 + 30_000 for n in range(9))
    )
    given = policy(tree=tree, mutes={"m": quiet}, escalations={"up": steps}, ack_holds_ms=60 * SECOND)
    receivers = {**given.receivers, "boss": Receiver("boss", ("phone",))}
    return replace(given, receivers=receivers, ack_remind_ms=10 * SECOND)


POLICIES = st.sampled_from([policy(), climbing()])


def items(script, policy):
    """Turn a script into transitions and inputs; "told" answers for all that was due so far."""
    shard, found, seq = Shard(), [], 0
    guide = Memory(policy)
    for at_s, move in enumerate(script):
        at_ms = T0 + at_s * 7 * SECOND
        match move:
            case ("shard", shop, to, severity, reason, late):
                made = [
                    shard(at_s * 7, to, severity, shop, reason=reason, after_the_fact=late, notify="both")
                ]
            case ("source", to):
                made = [shard(at_s * 7, to, "crit", rule="silent", subject={"source": "erp"})]
            case ("ack", shop):
                made = [Ack(at_ms, f"drift|shop=pinduoduo:{shop}", "李")]
            case ("silence", shop, length_s):
                made = [Silence(at_ms, shop, {"shop": f"*:{shop}"}, at_ms + length_s * SECOND, "李")]
            case ("unsilence", shop):
                made = [Unsilence(at_ms, shop, "李")]
            case ("health", ok):
                made = [Health(at_ms, "bot", ok)]
            case ("told", state):
                due = [i for i in guide.intents.values() if i.not_before_ms <= at_ms]
                made = [Result(at_ms, state, i.account, i.receiver, [(i.id, i.alert, i.kind)]) for i in due]
                for intent in due:
                    del guide.intents[intent.id]
            case _:
                made = [Tick(at_ms)]
        for thing in made:
            seq += not hasattr(thing, "rule")
            found.append(thing if hasattr(thing, "rule") else (seq, thing))
            guide.fold(found[-1])
    return found


@settings(max_examples=100, deadline=None)
@given(POLICIES, st.lists(moves, max_size=40), st.lists(st.integers(1, 8), max_size=40))
def test_any_division_and_any_restart_gives_the_same_intents(policy, script, sizes):
    log = items(script, policy)
    whole = Memory(policy)
    whole.fold(*log)
    parts, rest = Memory(policy), list(log)
    for size in [*sizes, len(log)]:
        before = rest[:size]
        parts.fold(*before)
        parts.fold(*before)  # as after a crash between commit and answer: all of it is dropped
        rest = rest[size:]
    assert parts.intents == whole.intents
    assert parts.rows == whole.rows
    assert parts.cursor == whole.cursor
    assert parts.traces == whole.traces


@settings(max_examples=100, deadline=None)
@given(POLICIES, st.lists(moves, max_size=40))
def test_a_firing_alert_always_has_something_told_queued_or_somebody_on_it(policy, script):
    desk = Memory(policy)
    desk.fold(*items(script, policy))
    for alert in desk.desk().books.alerts.values():
        for way in alert.ways:
            once = alert.transition.after_the_fact
            failed = way.stage and way.failed_ms
            assert alert.over or way.told_ms or way.queued or alert.acked_by or once or failed
