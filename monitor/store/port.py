"""What the runtime needs of a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from alerting.policy.acts import Act, Standing
    from alerting.policy.records import Input
    from rules.transition import Transition


@dataclass(frozen=True, slots=True)
class ShardLease:
    """A shard as its new owner finds it.

    ``position`` is the last record whose transitions are stored (-1: none); ``floor`` the first record
    to fold again, ``floor_clock_ms`` the shard's clock there.
    """

    epoch: int
    position: int
    floor: int
    floor_clock_ms: int


# One part of one shop's state, ``(key, part, applied, data)``, with the last record folded into it;
# no data deletes the row.
StateRow = tuple[str, str, int, bytes | None]


# A part of figures over shops: position of the record it was read at, its second (ms), body.
PartRow = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class ShopState:
    """What is stored of one shop and of the shard it is in, as of one moment.

    ``floor`` and ``floor_clock_ms`` are as in ``ShardLease``; ``rows`` as ``load_state`` gives them.
    """

    shard: int
    floor: int
    floor_clock_ms: int
    rows: list[tuple[str, str, int, bytes]]


@dataclass(frozen=True, slots=True)
class Split:
    """What goes from a shard to a new one: ``own`` rows of its own (part, data), and shops by their keys."""

    parent: int
    child: int
    own: list[tuple[str, bytes]]
    keys: list[str]


class ShardStore(Protocol):
    """Shards: positions, epochs, transitions, state. Sync, called from one thread."""

    def take(self, shard: int) -> ShardLease:
        """Become the shard's owner; writes of the former one then raise ``Fenced``."""

    def owned(self, shard: int, epoch: int) -> bool:
        """Whether ``epoch`` is still the shard's."""

    def commit_step(
        self,
        shard: int,
        epoch: int,
        position: int,
        transitions: Iterable[Transition],
        parts: Iterable[PartRow] = (),
    ) -> int:
        """Write a step's transitions, parts and position in one transaction; how many transitions were new.

        What lies at or before the stored position is dropped, so a step is its own retry.

        Raises:
            Fenced: Another owner took the shard.
            StoreFull: Nothing was written.
        """

    def parts(self, from_ms: int, limit: int) -> list[tuple[int, int, bytes]]:
        """Parts of all shards from a second on, ``(at_ms, shard, body)`` in that order.

        At most ``limit`` or those of one second: the last second is left out where it may not be whole.
        """

    def latest_parts(self) -> list[tuple[int, int, bytes]]:
        """The newest part of each shard, as of ``parts``."""

    def drop_parts(self, before_ms: int) -> int:
        """Delete the parts of earlier seconds; how many."""

    def save_state(
        self, shard: int, epoch: int, rows: Iterable[StateRow], floor: int, floor_clock_ms: int
    ) -> None:
        """Write state rows and the floor in one transaction.

        Raises:
            Fenced: Another owner took the shard.
            StoreFull: Nothing was written.
        """

    def load_state(self, shard: int) -> Iterator[tuple[str, str, int, bytes]]:
        """All state rows of the shard, by key and part."""

    def shards(self) -> list[int]:
        """Every shard that anybody ever took."""

    def split(self, splits: Sequence[Split]) -> None:
        """Make new shards, whose logs begin at 0, and move shops to them, in one transaction."""

    def shard_of(self, key: str) -> int | None:
        """The shard that a shop, ``platform:shop_id``, is in; None: nothing of it is stored."""

    def shop_state(self, key: str) -> ShopState | None:
        """What is stored of one shop, ``platform:shop_id``, and of its shard; None: nothing is."""

    def apply_plan(self, plan_hash: str, body: bytes, *, first: bool = False) -> str:
        """Keep a compiled plan and put it in force, in one transaction; the name of the plan in force.

        The name is the number of the change, six digits, and the hash. The plan that is in force is not
        numbered anew; where ``first``, one that is in force stays.
        """

    def plan_in_force(self) -> str:
        """Its name; empty: none ever was."""

    def plan_named(self, name: str) -> bytes | None:
        """The compiled plan that a record calls so; what is put in force afterwards has a higher name.

        None: the store has it not, being older than the log or made anew. That name is lost for good then,
        also once the same plan is put in force again: a log that is folded again gives what it gave.
        """

    def put_meta(self, key: str, value: bytes | None) -> None:
        """Set a value; None deletes it."""

    def metas(self, prefix: str) -> dict[str, bytes]:
        """Every value whose key begins so."""

    def get_meta(self, key: str) -> bytes | None:
        """Read a value."""

    def prune(self, now_ms: int) -> int:
        """Delete what is past its retention, a bounded number of rows at a time; how many went."""

    def now_ms(self) -> int:
        """The clock of where it lies, epoch milliseconds: processes on several machines tell the same."""

    def backup(self, path: str) -> None:
        """Copy the database while it is in use."""

    def close(self) -> None:
        """Let go of the database."""


class ActStore(Protocol):
    """What people did. Sync, called from one thread; a write is one transaction."""

    def record(self, act: Act, inputs: Sequence[Input] = ()) -> None:
        """Keep what somebody did, together with what the desk is to fold of it, or neither.

        An opinion replaces the same person's former one on the same firing.
        """

    def acts(self, incident: str, limit: int) -> list[Act]:
        """What was done about one firing, oldest first; the last ``limit``."""

    def audit(self, limit: int) -> list[Act]:
        """What was done last, newest first."""

    def standings(self, since_ms: int) -> list[Standing]:
        """What people thought of each rule's alerts since then, the most false alarms first."""

    def secret(self, name: str, fresh: bytes) -> bytes:
        """The secret of that name, which all processes on this store share; ``fresh`` if there was none."""
