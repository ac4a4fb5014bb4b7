"""An alert's state, and a change of it: what rules keep, and what they give to the desk."""

from __future__ import annotations

import msgspec


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A conversation that is about to time out, or that just did."""

    conversation_id: str
    customer_id: str
    ask_ms: int
    deadline_ms: int
    agent_id: str = ""  # who holds it now; empty: nobody
    costs_budget: bool = True  # False: its unit is already late today, another miss changes nothing


class RuleState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One rule on one subject while it is not ok; ``due_ms``: judge it again then at the latest."""

    state: str  # pending | firing | holding
    severity: str = ""  # "" while pending, else warn | crit
    due_ms: int = 0
    bad_since_ms: int = 0  # a level holds without a break since; moved on by time that does not count
    crit_since_ms: int = 0  # crit holds since; 0: it does not
    fired_ms: int = 0  # when it began to fire
    quiet_since_ms: int = 0  # no level holds since
    clear_since_ms: int = 0  # may end since; 0: may not
    paused_ms: int = 0  # unknown since; 0: known
    told_ms: int = 0  # when items were last told
    told_items: int = 0  # hash of the items last told
    retracted: bool = False  # what eased it was a miss taken back


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The figures behind a transition, as integers; what a message renders. None: not of this rule."""

    measure: str = ""
    period: str = ""
    line: str = ""
    asked: int = 0
    late: int = 0
    open: int = 0
    budget_left: int | None = None
    budget_left_today: int | None = None
    breach_in_s: int | None = None
    at_risk: int = 0
    waiting: int = 0
    oldest_wait_ms: int | None = None
    silent_ms: int = 0
    held: bool | None = None  # at the end of a day: was the line held
    condition: str = ""  # the comparison that decided, as text: "budget_left_today 3 <= 3"


class Transition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule on one subject went from a state to another at a whole second.

    Key: (shard, position, n). ``subject`` is ``{"shop": "pinduoduo:s1"}`` or ``{"source": "erp"}``.
    States: ok pending firing holding ended. ``from_state == to_state == "firing"`` is a change of
    severity, or with ``reason == "update"`` only of the items.
    """

    at_ms: int
    rule: str
    subject: dict[str, str]
    from_state: str
    to_state: str
    severity: str  # warn | crit; of a resolved or ended alert: the one it had
    verdict: str  # ok warn crit no_data unknown partial too_few
    reason: str  # a code of rules.machine.Reason
    since_ms: int = 0  # when this alert began to fire; 0: not yet
    facts: Facts = Facts()
    items: tuple[Item, ...] = ()
    notify: str = ""
    shadow: bool = False
    after_the_fact: bool = False
    shard: int = 0
    position: int = 0
    n: int = 0
