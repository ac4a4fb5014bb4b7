"""The topic of events: made as slawatch needs it, and what of an existing one is wrong, with the mend."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    GroupIdNotFoundError,
    TopicAlreadyExistsError,
)

from monitor.errors import MonitorError
from monitor.runtime.cluster.link import logged, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from monitor.runtime.cluster.link import Link
    from monitor.settings_cluster import KafkaSettings

ANSWER_MS = 15_000  # brokers that do not answer for so long are told of
NO_SUCH_TOPIC, FORBIDDEN_TOPIC = 3, 29  # Kafka's codes
NEEDED = ("DESCRIBE", "READ", "WRITE")  # WRITE: a worker writes ticks
HOUR_MS = 3_600_000
STABLE = "Stable"  # a group in which every member has its partitions


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and the mend; ``fatal``: figures would be wrong or none, so workers do not start."""

    what: str
    mend: str
    fatal: bool = False

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.what}; {self.mend}"


class Seen(NamedTuple):
    """The topic as it is: Kafka's own id of it, which one made anew does not have (empty: there is none).

    ``unassigned`` are the partitions that no member of the group has, while it is settled; ``wrong`` is what
    is wrong with their number, ``unfit`` what of its configuration no worker would start on.
    """

    identity: str
    unassigned: list[int]
    wrong: str = ""
    unfit: str = ""


def create(link: Link, settings: KafkaSettings) -> bool:
    """Make the topic, or set of an existing one what can be set; whether it was made.

    Raises:
        MonitorError: The brokers refuse, or do not answer.
    """
    wanted = wanted_configs(settings)
    with _admin(link) as admin:
        try:
            plan = {"num_partitions": settings.partitions, "replication_factor": settings.replication}
            admin.create_topics({settings.topic: {**plan, "configs": wanted}}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic, wanted)])
            return False
        return True


def wanted_configs(settings: KafkaSettings) -> dict[str, str]:
    """What the topic must be configured to, as Kafka names it."""
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(settings.retention),
        "retention.bytes": "-1",
        "min.insync.replicas": str(max(1, settings.replication - 1)),
        "unclean.leader.election.enable": "false",
    }


def check(link: Link, settings: KafkaSettings, says: Callable[[str], object] | None = None) -> list[Finding]:
    """What is wrong with the topic and our rights on it; nothing: it is as it should be.

    Args:
        link: To Kafka.
        settings: Of the topic.
        says: Told why the answer takes long.

    Raises:
        MonitorError: The brokers refuse us, or do not answer.
    """
    name = settings.topic
    with _admin(link, says) as admin:
        (topic,) = admin.describe_topics([name])
        if topic["error_code"] == NO_SUCH_TOPIC:
            mend = f"make it with `slawatch topics create`, or let us see it: {_grant(settings, 'Describe')}"
            return [Finding(f"topic {name}: there is none that we may see", mend, fatal=True)]
        if hidden := _hidden(topic, settings):
            return [hidden]
        found = [*_of_partitions(topic, settings), *_of_rights(admin, topic, settings)]
        return [*found, *_of_configuration(admin, topic, settings)]


def identity(link: Link, settings: KafkaSettings) -> str:
    """Kafka's own id of the topic; empty: there is none.

    Raises:
        MonitorError: The brokers refuse us, or do not answer.
    """
    with _admin(link) as admin:
        topic = _described(admin, settings)
        return str(topic["topic_id"]) if topic else ""


def see(link: Link, settings: KafkaSettings) -> Seen:
    """Look at topic and group as they are now.

    Raises:
        MonitorError: The brokers refuse us, or do not answer.
    """
    with _admin(link) as admin:
        topic = _described(admin, settings)
        if topic is None:
            return Seen("", [])
        unfit = "; ".join(str(one) for one in _of_configuration(admin, topic, settings) if one.fatal)
        try:
            group = admin.describe_groups([settings.group])[settings.group]
        except (GroupIdNotFoundError, CoordinatorNotAvailableError):  # nobody has joined it yet
            return Seen(str(topic["topic_id"]), [], _of_number(topic, settings), unfit)
    unassigned = {one["partition_index"] for one in topic["partitions"]}
    if group["group_state"] != STABLE:  # whoever joins has no assignment yet
        unassigned.clear()
    for assignment in (member["member_assignment"] for member in group["members"]):
        for given in assignment["assigned_partitions"] if isinstance(assignment, dict) else ():
            if given["topic"] == settings.topic:
                unassigned.difference_update(given["partitions"])
    return Seen(str(topic["topic_id"]), sorted(unassigned), _of_number(topic, settings), unfit)


def _described(admin: KafkaAdminClient, settings: KafkaSettings) -> Mapping[str, Any] | None:
    """The topic as the brokers describe it; None: there is none, which is more than that they do not say."""
    (topic,) = admin.describe_topics([settings.topic])
    if topic["error_code"] == NO_SUCH_TOPIC:
        return None
    if hidden := _hidden(topic, settings):
        raise MonitorError(hidden.what, mend=hidden.mend, code="topic")
    return cast("Mapping[str, Any]", topic)


def _hidden(topic: Mapping[str, Any], settings: KafkaSettings) -> Finding | None:
    """Why a topic is not described, though there may be one."""
    code = topic["error_code"]
    if code == FORBIDDEN_TOPIC:
        return _may_not(settings, "topic", "DESCRIBE")
    what = f"topic {settings.topic}: the broker answers {code}"
    return Finding(what, "see the broker's log", fatal=True) if code else None


def _of_number(topic: Mapping[str, Any], settings: KafkaSettings) -> str:
    """What a worker that runs says of partitions added under it; empty: there are as many as set."""
    found = len(topic["partitions"])
    if found == settings.partitions:
        return ""
    return (
        f"topic {settings.topic}: {found} partitions, the configuration says {settings.partitions}; where"
        " they were added without `slawatch topics split`, figures of shops that moved begin anew"
    )


def require_usable(link: Link, settings: KafkaSettings) -> None:
    """Refuse to start a worker on a topic that would give wrong figures, or none.

    Raises:
        MonitorError: With everything that is wrong, one line each.
    """
    fatal = [finding for finding in check(link, settings, logged) if finding.fatal]
    if fatal:
        raise MonitorError("\n".join(map(str, fatal)), code="topic")


def _of_partitions(topic: Mapping[str, Any], settings: KafkaSettings) -> Iterator[Finding]:
    name, partitions = settings.topic, topic["partitions"]
    if len(partitions) != settings.partitions:
        yield Finding(
            f"topic {name}: {len(partitions)} partitions, the configuration says {settings.partitions}",
            f"set kafka.partitions to {len(partitions)}; a topic in use keeps its number, "
            "or shops would move between shards",
        )
    few = [one["partition_index"] for one in partitions if len(one["replica_nodes"]) < settings.replication]
    if few:
        least = min(len(one["replica_nodes"]) for one in partitions)
        what = f"topic {name}: {len(few)} partitions are on {least} brokers, the configuration says "
        yield Finding(
            f"{what}{settings.replication}",
            "reassign them to more brokers (kafka-reassign-partitions), or set kafka.replication",
        )
    if away := [p["partition_index"] for p in partitions if len(p["isr_nodes"]) < len(p["replica_nodes"])]:
        yield Finding(f"topic {name}: partitions {away} lack replicas in sync", "see which broker is down")


def _of_configuration(
    admin: KafkaAdminClient, topic: Mapping[str, Any], settings: KafkaSettings
) -> Iterator[Finding]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, settings.topic)]
    configs = admin.describe_configs(asked, config_filter="all")["topic"][settings.topic]
    if not configs:  # so the client passes on that the broker refused
        grant = _grant(settings, "DescribeConfigs")
        yield Finding(f"topic {settings.topic}: its configuration is not shown to us", grant)
        return
    least = min(len(one["replica_nodes"]) for one in topic["partitions"])
    yield from _of_configs({key: one["value"] for key, one in configs.items()}, least, settings)


def _of_configs(configs: Mapping[str, str], replicas: int, settings: KafkaSettings) -> Iterator[Finding]:
    name, mend = f"topic {settings.topic}", "`slawatch topics create` sets it"
    if "compact" in configs["cleanup.policy"]:
        what = f"{name}: compacted, which drops all but the last event of each shop"
        yield Finding(what, mend, fatal=True)
    if configs["message.timestamp.type"] != "LogAppendTime":
        what = (
            f"{name}: records carry their senders' time; a shard's clock needs the broker's (LogAppendTime)"
        )
        yield Finding(what, mend, fatal=True)
    kept_ms = int(configs["retention.ms"])
    if 0 <= kept_ms < settings.retention:
        kept, wanted = kept_ms // HOUR_MS, settings.retention // HOUR_MS
        what = f"{name}: kept for {kept} h, the configuration says {wanted} h"
        yield Finding(f"{what}: after a longer outage figures would be lost", mend)
    if int(configs["retention.bytes"]) >= 0:
        what = f"{name}: partitions are cut at {configs['retention.bytes']} bytes, whatever their age"
        yield Finding(what, mend)
    if configs["unclean.leader.election.enable"] == "true":
        what = f"{name}: a broker that lacks records may come to lead (unclean elections), and they are lost"
        yield Finding(what, mend)
    if int(configs["min.insync.replicas"]) > replicas:
        what = f"{name}: takes a record once {configs['min.insync.replicas']} brokers have it"
        yield Finding(f"{what}, and is on {replicas}: so it takes none", mend, fatal=True)
    if int(configs["min.insync.replicas"]) < settings.replication - 1:
        what = f"{name}: {configs['min.insync.replicas']} broker in sync is enough to take a record"
        yield Finding(f"{what}, so a broker that fails may take records with it", mend)


def _of_rights(
    admin: KafkaAdminClient, topic: Mapping[str, Any], settings: KafkaSettings
) -> Iterator[Finding]:
    allowed = topic["authorized_operations"]
    yield from (_may_not(settings, "topic", one) for one in NEEDED if one not in allowed)
    try:
        admin.describe_groups([settings.group])
    except GroupAuthorizationFailedError:
        yield _may_not(settings, "group", "READ")
    except (GroupIdNotFoundError, CoordinatorNotAvailableError):  # nobody has joined a group here yet
        return


def _may_not(settings: KafkaSettings, kind: str, operation: str) -> Finding:
    name = settings.topic if kind == "topic" else settings.group
    who = f"user {settings.user}" if settings.user else "we"
    grant = _grant(settings, operation.title(), kind)
    return Finding(f"{kind} {name}: {who} may not {operation}", grant, fatal=True)


def _grant(settings: KafkaSettings, operation: str, kind: str = "topic") -> str:
    name = settings.topic if kind == "topic" else settings.group
    who = f"User:{settings.user or 'NAME'}"
    return f"kafka-acls --add --allow-principal {who} --operation {operation} --{kind} {name}"


@contextmanager
def _admin(link: Link, says: Callable[[str], object] | None = None) -> Iterator[KafkaAdminClient]:
    """A client for administration; whatever Kafka says is one line with the mend."""
    with told(link, says):
        admin = KafkaAdminClient(
            **link.options(), bootstrap_timeout_ms=ANSWER_MS, request_timeout_ms=ANSWER_MS
        )
        try:
            yield admin
        finally:
            admin.close()
