"""Logging: one structured line per event, for people or for machines, and no secret in any of them."""

from __future__ import annotations

import logging
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

Format = Literal["auto", "console", "json"]

_MASK = "***"
_SECRET_NAMES = re.compile(
    r"secret|password|authorization|cookie|signature|(^|_)(token|tokens|key|api_key|phone|mobile)$",
    re.IGNORECASE,
)
_QUERY_FIELDS = "key|access_token|token|secret|sign|signature|password|sig"
_SECRET_TEXTS = (
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), rf"\1 {_MASK}"),
    (re.compile(r"\bslw_[A-Za-z0-9_-]+"), f"slw_{_MASK}"),  # our own tokens
    (re.compile(r"(https?://)[^\s/@]*@"), rf"\1{_MASK}@"),
    (re.compile(rf"([?&;\s\"'](?:{_QUERY_FIELDS})=)[^&\s\"']+", re.IGNORECASE), rf"\1{_MASK}"),
    # The address of a webhook is its secret.
    (
        re.compile(r"(https?://[^\s\"']*?/(?:robot|hooks?|webhook|services)/)(?!send\b)[^\s\"']+"),
        rf"\1{_MASK}",
    ),
    # Chinese mobile numbers, with or without the country code; 13 digits of milliseconds are none.
    (re.compile(r"(?<![\d.])((?:\+?86[- ]?)?1[3-9]\d)\d{6}(\d{2})(?!\d)"), rf"\1{_MASK}\2"),
)


# What one of them would need: most values of a line are plain words, and are let through at once.
_SUSPECT = re.compile(r"bearer|basic|slw_|=|://|\d{9}", re.IGNORECASE)


def redact_text(text: str) -> str:
    """The text without keys, tokens, phone numbers and webhook addresses."""
    if not _SUSPECT.search(text):
        return text
    for pattern, mask in _SECRET_TEXTS:
        text = pattern.sub(mask, text)
    return text


@lru_cache(1_000)
def _is_secret(name: str) -> bool:
    """By what it is called: names are few, and every line has ten of them."""
    return _SECRET_NAMES.search(name) is not None


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact every value of a log line, whatever its depth; a structlog processor."""
    for name, value in event.items():
        event[name] = _MASK if value and _is_secret(name) else _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {
            name: _MASK if inner and _is_secret(str(name)) else _redacted(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact_text(str(value))


def configure_logging(style: Format = "auto", level: str = "info") -> None:
    """Set up logging of this process, ours and the libraries', to standard error; once, at its start."""
    as_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared[:-2],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared[:-1],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Access lines would tell of every request; ours are counted in /metrics and told by batch.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # the server's own coming and going
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every address it posts to
