"""Bytes of a body → the bytes of each event, without parsing any of them."""

from __future__ import annotations

import re
from itertools import islice
from typing import Literal

Framing = Literal["lines", "array", "object"]

# What some programs put before UTF-8; JSON does not know it.
BOM = b"\xef\xbb\xbf"
# 10,000 events of 30 fields are 900,000 tokens: strings, commas and brackets.
TOKENS_MAX = 2_000_000
BACKSLASH = ord("\\")
_LINE_TYPES = ("ndjson", "jsonl", "json-lines")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TOKEN = re.compile(_STRING.pattern + rb"|[\[\]{},]", re.DOTALL)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def framing_of(body: bytes, content_type: str) -> Framing:
    """Say how a body is framed: as its content type says, else by its looks.

    A body that starts with ``{`` is lines when some line is an object by itself (starts with ``{`` and
    ends with ``}``) and there is more than one; else it is one object, which may span lines.
    """
    if any(name in content_type for name in _LINE_TYPES):
        return "lines"
    start = body.lstrip(b" \t\r\n")
    if start.startswith(b"["):
        return "array"
    end = start.rstrip(b" \t\r\n")
    if b"\n" in end and re.search(rb"(?m)^[ \t]*\{.*\}[ \t\r]*$", end):
        return "lines"
    return "object"


def split_array(body: bytes) -> list[bytes] | None:
    """The elements of a JSON array as raw bytes; None where it does not close or is absurd.

    Iterative, so that no depth of nesting can hurt; its work is bounded by ``TOKENS_MAX``.
    """
    depth, start = 0, 0
    elements: list[bytes] = []
    for token in islice(_TOKEN.finditer(body), TOKENS_MAX):
        mark = token.group()
        if mark in (b"[", b"{"):
            depth += 1
            if depth == 1:
                start = token.end()
        elif mark in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                if body[token.end() :].strip():
                    return None
                elements.append(body[start : token.start()].strip())
                return elements if elements != [b""] else []
        elif mark == b"," and depth == 1:
            elements.append(body[start : token.start()].strip())
            start = token.end()
    return None


def has_nul(line: bytes) -> bool:
    """Whether a NUL stands in ``line``, as a byte or escaped."""
    if 0 in line:
        return True
    # A single byte is found some fifty times faster than five, and most bodies have no backslash.
    return BACKSLASH in line and b"\\u0000" in line and _NUL.search(line) is not None
