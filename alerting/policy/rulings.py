"""All that the desk and the sender decide by, as values: made of ``alerting.yaml`` outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alerting.policy.inhibit import Inhibition
    from alerting.policy.spans import Roster, Spans

# The desk's own alert on an account that stopped working; its subject is {"account": name}.
CHANNEL_RULE = "slawatch-channel"
# The daemon's own alert that nothing is judged, since its log takes no tick; told without a record.
JOURNAL_RULE = "slawatch-journal"
# The auditor's own alert that what is due on an account does not leave; its subject is {"account": name}.
OVERDUE_RULE = "slawatch-overdue"
ACCOUNT_RULES = frozenset({CHANNEL_RULE, OVERDUE_RULE})
# A worker's own alerts that it can write nothing, and that it can again; told without a record.
STORE_RULE, STORE_BACK_RULE = "slawatch-store", "slawatch-store-back"
# The leading desk's own alert that nobody judges some shards; its subject is {"daemon": "workers"}.
SHARDS_RULE = "slawatch-shards"
# A process's own warning that InfluxDB refuses its figures, or that some are lost.
CHARTS_RULE = "slawatch-charts"
SELF_RULES = frozenset({JOURNAL_RULE, STORE_RULE, STORE_BACK_RULE, SHARDS_RULE, CHARTS_RULE})
OWN_RULES = ACCOUNT_RULES | SELF_RULES
# Where a person who is told of one of these reads what to do.
RUNBOOK = Text("处理：见 docs/runbook.zh.md 的 {rule}", "What to do: {rule} in docs/runbook.md")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody to tell, and how often. Durations in milliseconds.

    Alerts whose ``group_by`` values are equal share a message: a warning waits ``group_wait_ms`` for
    company, and the next message of its group comes ``group_interval_ms`` later at the earliest.
    ``group_by`` names labels of alerts. ``to`` are people and schedules where not all of an account are
    meant. ``scope`` tells groups apart that a route groups in its own way.
    """

    name: str
    accounts: tuple[str, ...]
    group_by: tuple[str, ...] = ("rule",)
    group_wait_ms: int = 30_000
    group_interval_ms: int = 120_000
    repeat_interval_ms: int = 14_400_000
    language: str = "zh"
    to: tuple[str, ...] = ()
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an escalation: ``receivers`` are told ``after_ms`` the alert was due, if nobody has it.

    Where nobody before them could be told, already ``unaccepted_ms`` after that was due (0: never early).
    """

    after_ms: int
    receivers: tuple[str, ...]
    unaccepted_ms: int = 0


@dataclass(frozen=True, slots=True)
class Knows:
    """By what an account knows one person.

    ``contact`` is a contact of people.yaml, empty where it knows nobody; one that ``mentions`` reaches all of
    a group and mentions the one.
    """

    contact: str = ""
    mentions: bool = False


NOBODY = Knows()


@dataclass(frozen=True, slots=True)
class Node:
    """A route: what alerts it takes, and in what manner they are told. ``name`` is its path, "" the root's.

    ``manner`` has the fields of ``Receiver`` that are otherwise here; it, ``receivers``, ``mute`` and
    ``escalate`` are those of the nodes above where it says nothing.
    """

    name: str = ""
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    receivers: tuple[str, ...] = ()  # none: the rule's own `notify`
    manner: Mapping[str, Any] = field(default_factory=dict)
    mute: tuple[str, ...] = ()
    escalate: str = ""
    goes_on: bool = False
    routes: tuple[Node, ...] = ()

    def all(self) -> Iterator[Node]:
        """It and all below it."""
        yield self
        for node in self.routes:
            yield from node.all()


@dataclass(frozen=True, slots=True)
class Policy:
    """All the desk decides by. ``routes`` give a ``notify`` label several receivers."""

    receivers: Mapping[str, Receiver]
    default: str
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    self_receiver: str = ""  # of alerts about slawatch itself; empty: the default receiver
    sources: Mapping[str, str] = field(default_factory=dict)  # shop → the source its events come from
    digest_after_ms: int = 32_400_000  # ended days are named 9 h after midnight, or in a digest before
    tree: Node = Node()
    shops: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # shop → team, tier, labels.NAME
    mutes: Mapping[str, Spans] = field(default_factory=dict)
    inhibitions: tuple[Inhibition, ...] = ()
    escalations: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    schedules: Mapping[str, Roster] = field(default_factory=dict)
    knows: Mapping[str, Knows] = field(default_factory=dict)  # account → by what it knows one person
    no_ends: frozenset[str] = frozenset()  # accounts whose messages cannot say that an alert is over
    ack_holds_ms: int = 0  # an acknowledgement ends so long after it was given; 0: with the alert
    ack_remind_ms: int = 0  # so long before that it is reminded of; 0: not at all
    nodes: Mapping[str, Node] = field(init=False)

    def __post_init__(self) -> None:
        """Find the nodes by name."""
        object.__setattr__(self, "nodes", {node.name: node for node in self.tree.all()})

    @property
    def operator(self) -> Receiver:
        """Who is told about slawatch itself."""
        return self.receivers[self.self_receiver or self.default]

    def people(self, receiver: Receiver, at_ms: int) -> tuple[str, ...]:
        """Whom of the people a receiver means at ``at_ms``; nobody named: all of its accounts."""
        named = (self.schedules[n].at(at_ms) if n in self.schedules else (n,) for n in receiver.to)
        return tuple(dict.fromkeys(person for some in named for person in some))

    def muted_until(self, node: str, at_ms: int) -> tuple[int, str]:
        """Until when a node's mute times hold what is due at ``at_ms``, and which; 0: none does."""
        at = self.nodes.get(node)
        ends = [(self.mutes[name].until(at_ms), name) for name in (at.mute if at else ())]
        return max(ends, default=(0, ""))
