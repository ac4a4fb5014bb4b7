"""Somebody else's text as it may stand in a message: masked, cut to its bytes, without markup of its own."""

from __future__ import annotations


def mask(customer: str) -> str:
    """A customer as people may see it: ``c***42``; a short id shows nothing."""
    return f"{customer[0]}***{customer[-2:]}" if len(customer) > 4 else "***"


def cut(text: str, size: int) -> str:
    """``text`` in at most ``size`` bytes of UTF-8, whole characters, "…" where something is missing."""
    raw = text.encode()
    if len(raw) <= size:
        return text
    if size < 3:
        return ""
    return raw[: size - 3].decode(errors="ignore") + "…"


def cut_middle(text: str, size: int) -> str:
    """The same for a name, without its middle: the shops of a chain differ at the end of theirs."""
    raw = text.encode()
    if len(raw) <= size or size < 3:
        return cut(text, size)
    tail = raw[len(raw) - (size - 3) // 2 :].decode(errors="ignore")
    return raw[: size - 3 - len(tail.encode())].decode(errors="ignore") + "…" + tail


def whole_lines(text: str, size: int) -> str:
    """The first lines that fit in ``size`` bytes; of a first line that does not, what fits."""
    kept: list[str] = []
    for line in text.split("\n"):
        if kept and len("\n".join([*kept, line]).encode()) > size:
            break
        kept.append(line)
    return cut("\n".join(kept), size)


# What a mention or WeCom's markdown could be made of; a shop may be named anything.
_PLAIN = str.maketrans({"<": "＜", ">": "＞"})
_NO_MARKUP = str.maketrans({"<": "＜", ">": "＞", "*": "＊", "`": "'", "[": "［", "]": "］", "#": "＃"})


def clean(text: str, *, markdown: bool) -> str:
    """Somebody else's text on one line, without markup of its own."""
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return line.translate(_NO_MARKUP if markdown else _PLAIN)
