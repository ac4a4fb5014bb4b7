"""How durations and sizes are written in ``slawatch.yaml``, and what becomes of them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from monitor.sources.times import parse_duration_ms

_SIZE = re.compile(r"(\d{1,15})\s*(B|KB|MB|GB|TB)?", re.IGNORECASE)
_SIZE_BYTES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


def _read_duration(value: Any) -> Any:
    if isinstance(value, str):
        parsed = parse_duration_ms(value.strip())
        if parsed is None:
            raise ValueError("not a duration such as 30s, 10m, 2h or 35d")
        return parsed
    return value


def _read_size(value: Any) -> Any:
    if isinstance(value, str):
        parsed = size_bytes(value)
        if parsed is None:
            raise ValueError("not a size such as 256MB or 20GB")
        return parsed
    return value


def size_bytes(text: str) -> int | None:
    """``256MB`` as bytes; None when it is no size."""
    match = _SIZE.fullmatch(text.strip())
    return int(match[1]) * _SIZE_BYTES[(match[2] or "B").upper()] if match else None


def size_text(size: int) -> str:
    """Bytes in the largest unit that goes into them without a rest."""
    unit = next(name for name, one in reversed(_SIZE_BYTES.items()) if size % one == 0)
    return f"{size // _SIZE_BYTES[unit]}{unit}"


Duration = Annotated[int, BeforeValidator(_read_duration)]
"""Integer milliseconds, written ``30s 10m 2h 35d``."""
Size = Annotated[int, BeforeValidator(_read_size)]
"""Integer bytes, written ``256MB 20GB``."""
