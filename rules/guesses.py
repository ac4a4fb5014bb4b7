"""What was probably meant by a value that cannot be read: for "did you mean", never taken by itself."""

from __future__ import annotations

import re

from rules import values

_UNITS = {
    "s": ("s", "sec", "secs", "second", "seconds", "秒", "秒钟"),
    "m": ("m", "min", "mins", "minute", "minutes", "分", "分钟"),
    "h": ("h", "hr", "hrs", "hour", "hours", "时", "小时"),
    "d": ("d", "day", "days", "天", "日"),
}
_UNIT = {word: unit for unit, words in _UNITS.items() for word in words}
_DURATION = re.compile(r"(\d{1,6})\s*([^\W\d_]+)")
# As typed on a phone, with a Chinese keyboard, or from memory.
_SIGNS = str.maketrans("０１２３４５６７８９：－．％＜＞＝", "0123456789:-.%<>=", "“”‘’")
_OPERATORS = {"=>": ">=", "=<": "<=", "=": "==", "≥": ">=", "≤": "<=", "≠": "!=", "<>": "!="}
_COMPARISON = re.compile(r"(=>|=<|<>|<=|>=|==|!=|<|>|=|≥|≤|≠)\s*(.+)")
_PART_OF_ONE = re.compile(r"0?\.\d{1,4}")
_JOINED = re.compile(r"([A-Za-z_]\w*)\s*[:：]\s*(.+)")  # YAML wants ": "
_WRITTEN_OUT = re.compile(r"(\w+)\s*([=<>!≥≤≠].*)")


def plain(text: str) -> str:
    """Digits and signs of a Chinese keyboard as ours."""
    return text.translate(_SIGNS).strip()


def duration(text: str) -> str:
    """``5 min`` and ``5分钟`` as ``5m``; empty where it is no duration."""
    match = _DURATION.fullmatch(text.strip().lower())
    guess = match[1] + _UNIT.get(match[2], "") if match else ""
    return guess if values.duration_ms(guess) is not None else ""


def comparison(text: str, *, share: bool = False) -> str:
    """``=> 1`` and ``“≥1”`` as ``>= 1``, of a share ``< 90`` and ``< 0.9`` as ``< 90%``; empty: no guess."""
    match = _COMPARISON.fullmatch(plain(text))
    if not match:
        return ""
    value = match[2].strip()
    if share and not value.endswith("%"):
        if _PART_OF_ONE.fullmatch(value):  # 0.9 is 90 %: the point two places on
            digits = value.partition(".")[2].ljust(2, "0")
            value = f"{int(digits[:2])}.{digits[2:]}".rstrip(".")
        value += "%"
    guess = f"{_OPERATORS.get(match[1], match[1])} {duration(value) or value}"
    return guess if guess != text else ""


def joined(text: str) -> str:
    """``late：">= 1"`` as ``late: ">= 1"``: a key that took its value in with it; empty where it is none."""
    match = _JOINED.fullmatch(text.strip())
    return f"{match[1]}: {'…' if match[2][0] in '{[' else match[2]}" if match else ""


def pair(text: str) -> tuple[str, str] | None:
    """``late >= 1`` written out as the key ``late`` and the comparison ``>= 1``."""
    match = _WRITTEN_OUT.fullmatch(plain(text))
    return (match[1], comparison(match[2]) or match[2]) if match else None
