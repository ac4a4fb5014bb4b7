"""What the commands of a cluster share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def needs(*extras: str) -> Iterator[None]:
    """Say which extra is missing where an import inside fails: the base install is of one machine."""
    try:
        yield
    except ModuleNotFoundError as error:
        wanted = ",".join(extras)
        raise MonitorError(
            f"{error.name} is not installed", mend=f"install slawatch[{wanted}]", code="extra"
        ) from error
