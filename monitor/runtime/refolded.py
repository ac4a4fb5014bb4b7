"""A shard whose state is its log: it stores none, and every start folds the whole journal again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.runtime.ports import Slice


class Refolded(Shard):
    """Meets ``ShardPort`` without state at rest: the floor stays at the first record."""

    def checkpoint(self, shops_max: int) -> Slice | None:  # noqa: ARG002 - nothing is kept
        """Nothing to store."""
        return None

    def checkpoint_failed(self, slice_: Slice) -> None:
        """Nothing was taken."""
        raise AssertionError(slice_)

    def restore(self, rows: Iterable[tuple[str, str, int, bytes]], floor: int, floor_clock_ms: int) -> None:
        """Begin anew at the first record."""
        assert not list(rows), (floor, floor_clock_ms)
