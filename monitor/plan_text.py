"""A compiled plan as bytes and back, so that a store can keep it as long as the log that names it.

Plain JSON: each frozen value is an object that names its class, with the fields that are not their default.
Only the classes named here are made again, whatever the bytes say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Final

import msgspec

from monitor.errors import MonitorError
from monitor.rulebook import Plan, ShopPlan, SourcePlan
from rules import rule
from rules.pack import Line, Measure, Pack, Share, Span, Text

CLASS: Final = "="  # under which an object names its class; no shop, pack or rule is called so
_KNOWN: Final[dict[str, type[Any]]] = {
    cls.__name__: cls
    for cls in (
        *(Plan, ShopPlan, SourcePlan, Pack, Measure, Line, Share, Span, Text),
        *(rule.RuleSet, rule.Rule, rule.Level, rule.Compare, rule.All, rule.Any, rule.NoData, rule.Selector),
    )
}
_NOT_KEPT: Final = {"place", "file", "path", "warnings"}  # where it was written; nothing is decided by it


def encode_plan(plan: Plan) -> bytes:
    """The plan as bytes: the same for equal plans."""
    return msgspec.json.encode(_plain(plan))


def decode_plan(name: str, body: bytes) -> Plan:
    """The plan of that name.

    Raises:
        MonitorError: The bytes are no plan of this version of slawatch, or not that one.
    """
    try:
        plan = _made(msgspec.json.decode(body))
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise _unreadable(name, str(error)) from error
    if not isinstance(plan, Plan) or plan.name != name:
        raise _unreadable(name, "it reads as another one")
    return plan


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kept = {
            field.name: _plain(found)
            for field in fields(value)
            if field.name not in _NOT_KEPT and (found := getattr(value, field.name)) != _default(field)
        }
        return {CLASS: type(value).__name__, **kept}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _made(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_made(one) for one in value)
    if not isinstance(value, dict):
        return value
    found = {key: _made(one) for key, one in value.items() if key != CLASS}
    return _KNOWN[value[CLASS]](**found) if CLASS in value else found


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _unreadable(name: str, why: str) -> MonitorError:
    return MonitorError(
        f"plan {name} cannot be read: {why}",
        mend="install the slawatch that wrote it on every worker, or apply the rules again with this one",
        code="plan",
    )
