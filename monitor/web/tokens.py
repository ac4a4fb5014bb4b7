"""Tokens: who may send, read and act. Hashed at rest, in a file of the data directory.

A token is 256 random bits, so nobody can guess one from its hash, however fast hashes are made: a plain
SHA-256 is right. A slow hash protects passwords, which people choose; here it would only slow every
request down.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

import msgspec

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Role = Literal["source", "viewer", "lead", "admin"]
_RANK: dict[str, int] = {"source": 0, "viewer": 1, "lead": 2, "admin": 3}
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
PREFIX = "slw_"


class Grant(msgspec.Struct, frozen=True):
    """What a token allows; the token itself is not kept.

    A ``source`` may only send, as the source it is named for. A viewer reads, a lead also acknowledges
    and silences, an admin does everything. ``shops`` are patterns of ``platform:shop_id``.
    """

    name: str
    role: Role
    hash: str = ""
    source: str = ""
    shops: tuple[str, ...] = ("*",)
    created_ms: int = 0

    def may(self, role: Role) -> bool:
        """Whether this grant reaches a role; sending alone is open to sources and admins."""
        if role == "source":
            return self.role in ("source", "admin")
        return _RANK[self.role] >= _RANK[role]

    def covers(self, shop: str) -> bool:
        """Whether ``platform:shop_id`` is within the grant."""
        return self.covers_all or any(fnmatchcase(shop, pattern) for pattern in self.shops)

    @property
    def covers_all(self) -> bool:
        """Whether every shop is."""
        return "*" in self.shops


class TokenError(MonitorError):
    """A token that cannot be made or found, or a file of tokens that cannot be read."""


class Tokens:
    """The tokens of a data directory. A change by another process is seen at the next request."""

    def __init__(self, path: Path) -> None:
        """Read the file, where there is one.

        Raises:
            TokenError: It cannot be read.
        """
        self._path = path
        self._grants: dict[str, Grant] = {}
        self._read_at: tuple[int, int, int] | None = None
        self._refresh()

    def __len__(self) -> int:
        self._refresh()
        return len(self._grants)

    def __contains__(self, grant: Grant) -> bool:
        self._refresh()
        return self._grants.get(grant.hash) == grant

    def list(self) -> list[Grant]:
        """All grants, by name."""
        self._refresh()
        return sorted(self._grants.values(), key=lambda grant: grant.name)

    def find(self, token: str) -> Grant | None:
        """The grant of a token, if it is one of ours."""
        self._refresh()
        digest = _digest(token)
        grant = self._grants.get(digest)
        return grant if grant is not None and hmac.compare_digest(grant.hash, digest) else None

    def add(
        self, name: str, *, role: Role, source: str = "", shops: Iterable[str] = ("*",), now_ms: int
    ) -> str:
        """Make a token and return it; this is the only time it is seen.

        Args:
            name: What it is called when it is listed or revoked.
            role: What it may do.
            source: For a source: the name its events carry; the token's name where not given.
            shops: Patterns of ``platform:shop_id`` it is for.
            now_ms: Epoch milliseconds.

        Raises:
            TokenError: The name is taken or not a name, or the file cannot be written.
        """
        source = source or (name if role == "source" else "")
        for one in (name, source) if source else (name,):
            if _NAME.fullmatch(one) is None:
                raise TokenError(f"{one!r} is not a name", mend="use small letters, digits, `_`, `.` and `-`")
        patterns = tuple(shops)
        if not patterns or any(pattern != "*" and ":" not in pattern for pattern in patterns):
            raise TokenError(
                f"shops {', '.join(patterns)!r} are no patterns", mend="name them as pinduoduo:* or taobao:s1"
            )
        token = PREFIX + secrets.token_urlsafe(32)
        with self._changing() as grants:
            if any(grant.name == name for grant in grants.values()):
                raise TokenError(f"there is a token {name!r}", mend="revoke it first, or choose another name")
            grants[_digest(token)] = Grant(name, role, _digest(token), source, patterns, now_ms)
        return token

    def revoke(self, name: str) -> None:
        """Make a token worthless.

        Raises:
            TokenError: There is none of that name.
        """
        with self._changing() as grants:
            found = [digest for digest, grant in grants.items() if grant.name == name]
            if not found:
                raise TokenError(f"there is no token {name!r}", mend="`slawatch tokens list` shows them")
            del grants[found[0]]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Grant]]:
        """The grants, to be changed; written when done. One writer at a time, in any process."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._path.with_suffix(".lock").open("w")
        except OSError as error:
            raise self._unwritable(error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            grants = dict(self._grants)
            yield grants
            try:
                self._write(grants)
            except OSError as error:
                raise self._unwritable(error) from error
            self._refresh()

    def _unwritable(self, error: OSError) -> TokenError:
        return TokenError(
            f"{self._path}: {error.strerror}", mend="make `data` a directory that can be written"
        )

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            # Tokens that were there and are gone must not open the door: they stay as last read.
            return
        except OSError as error:
            raise self._unwritable(error) from error
        mark = (found.st_mtime_ns, found.st_ino, found.st_size)
        if mark == self._read_at:
            return
        try:
            grants = msgspec.json.decode(self._path.read_bytes(), type=list[Grant])
        except (OSError, msgspec.MsgspecError) as error:
            raise TokenError(f"{self._path}: {error}", mend="restore the file, or make new tokens") from error
        self._grants = {grant.hash: grant for grant in grants}
        self._read_at = mark

    def _write(self, grants: dict[str, Grant]) -> None:
        """Replace the file at once and for good, readable by its owner alone."""
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(list(grants.values()))))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
