"""What packs a shard's state: compression, and the specs of days, each known once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import zstandard

from monitor.engine.spec import DaySpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LEVEL: Final = 3  # 128 conversations in 49 µs; zlib at its fastest: four times as long, and no smaller
FAST: Final = 1  # of what is written anew with every event
FASTEST: Final = -1  # half as long, a tenth larger
SPECS_KNOWN: Final = 256  # packs and versions in force are few; a change of rules makes others
NAMES_KNOWN: Final = 10_000  # sets of sources that shops have

_encode: Final = msgspec.msgpack.Encoder().encode
_spec: Final[Callable[[bytes], DaySpec]] = msgspec.msgpack.Decoder(DaySpec).decode


class Packer:
    """One for each engine: compressing gives up the interpreter's lock, so no two threads may share it."""

    __slots__ = ("_fast", "_fastest", "_names", "_rows", "_small", "_specs", "_unzip")

    def __init__(self) -> None:
        self._small = zstandard.ZstdCompressor(level=LEVEL)
        self._fast = zstandard.ZstdCompressor(level=FAST)
        self._fastest = zstandard.ZstdCompressor(level=FASTEST)
        self._unzip = zstandard.ZstdDecompressor()
        self._names: dict[tuple[str, ...], dict[str, int]] = {}
        self._specs: dict[bytes, DaySpec] = {}
        self._rows: dict[int, tuple[DaySpec, bytes]] = {}  # by identity

    def small(self, data: bytes) -> bytes:
        """Data that rests, compressed."""
        return cut(self._small.compress(data))

    def fast(self, data: bytes) -> bytes:
        """Data that changes with every event, compressed."""
        return cut(self._fast.compress(data))

    def fastest(self, data: bytes) -> bytes:
        """Data that is soon packed again with more of its kind, compressed."""
        return cut(self._fastest.compress(data))

    def unzip(self, data: bytes) -> bytes:
        """Any of them as it was."""
        return self._unzip.decompress(data)

    def spec_row(self, spec: DaySpec) -> bytes:
        """A spec as bytes."""
        found = self._rows.get(id(spec))
        if found is None:
            if len(self._rows) >= SPECS_KNOWN:
                self._rows.clear()
            found = self._rows[id(spec)] = (spec, _encode(spec))
        return found[1]

    def spec(self, row: bytes) -> DaySpec:
        """The spec that bytes say, the same object for all shops: 3 kB a day and 30 µs."""
        found = self._specs.get(row)
        if found is None:
            if len(self._specs) >= SPECS_KNOWN:
                self._specs.clear()
            found = self._specs[row] = _spec(row)
        return found

    def names(self, sources: Iterable[str]) -> dict[str, int]:
        """Sources by name, the same object for all shops that have them: never written to."""
        key = tuple(sources)
        found = self._names.get(key)
        if found is None:
            if len(self._names) >= NAMES_KNOWN:
                self._names.clear()
            found = self._names[key] = dict.fromkeys(key, 0)
        return found


def cut(data: bytes) -> bytes:
    """A copy: what compressor and encoder give is a larger buffer cut in place, up to half as long again."""
    return bytes(memoryview(data))
