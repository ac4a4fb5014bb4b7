"""What the broker's own user may do: nothing, until a test gives it a right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from tests.servers.kafka import USER

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

WHO = (f"User:{USER}", "*")


def grant(admin: KafkaAdminClient, kind: ResourceType, name: str, operation: ACLOperation) -> None:
    """Give it a right on a topic or group."""
    pattern = ResourcePattern(kind, name)
    admin.create_acls([ACL(*WHO, operation, ACLPermissionType.ALLOW, pattern)])


def revoke(admin: KafkaAdminClient, kind: ResourceType, name: str, operation: ACLOperation) -> None:
    """Take that right away."""
    pattern = ResourcePatternFilter(kind, name, ACLResourcePatternType.LITERAL)
    admin.delete_acls([ACLFilter(*WHO, operation, ACLPermissionType.ALLOW, pattern)])
