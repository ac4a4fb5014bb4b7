"""A tick: the record that moves a shard's clock while nothing comes in."""

from __future__ import annotations

import msgspec

TICK_HEADER = "slawatch-tick"  # tells a tick from events, whatever its value says


class Tick(msgspec.Struct, frozen=True, omit_defaults=True):
    """A second of a shard's owner, when each source was last heard anywhere (epoch ms), a change of plan."""

    worker: str
    epoch: int
    heard: dict[str, int] = {}
    plan: str = ""


_encode = msgspec.json.Encoder().encode
decode_tick = msgspec.json.Decoder(Tick).decode


def tick_of(tick: Tick) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Value and headers of a tick's record."""
    return _encode(tick), [(TICK_HEADER, b"1")]
