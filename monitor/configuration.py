"""YAML files read into pydantic models, every mistake named ``file:line:column``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.errors import MonitorError
from monitor.quantities import size_bytes, size_text
from monitor.shapes import IN_WORDS, KINDS
from rules.problems import Problem, closest
from rules.values import duration_ms, duration_text
from rules.yaml_marks import Listing, Mapping, Node, Scalar, YamlMistake, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic_core import ErrorDetails

Made = TypeVar("Made", bound=BaseModel)
Location = tuple[str | int, ...]
Places = dict[Location, tuple[int, int]]

_BLOCK = re.compile(r":\s+\|[+-]?\s*(#.*)?$")
_NOTHING = ("", "~", "null", "Null", "NULL")
_MB = 1 << 20  # a bound in whole ones is a size's, also where a size is written without its unit
_NEVER_SHOWN = ("secret", "token", "password", "phone", "key")


class Part(BaseModel):
    """A part of a file: an unknown key is an error, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ConfigurationError(MonitorError):
    """Configuration that cannot be used; ``problems`` names every mistake, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep the problems; the message is all of them."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), code="configuration")


def read_yaml(path: Path) -> tuple[dict[str, Any], Places]:
    """Read a YAML mapping as plain values, with the place of every key and item.

    Scalars stay the text they were written as, so that a shop named ``007`` is not 7; the model
    makes of them what it needs.

    Raises:
        ConfigurationError: The file cannot be read, is not YAML, is not a mapping, or names a key twice.
    """
    values, places, problems = _read(path)
    if problems:
        raise ConfigurationError(problems)
    return values, places


def load_model(
    path: Path | None,
    model: type[Made],
    make: Callable[[dict[str, Any]], Made],
    problems: Iterable[str] = (),
    over: Callable[[Location], str] = lambda _: "",
) -> Made:
    """What ``make`` makes of a file's values; every mistake of it is told, and ``problems`` with them.

    Args:
        path: The file; None: there is none, the values are empty.
        model: Whose fields the file's keys are, for what was meant.
        make: Makes the model, or raises pydantic's ``ValidationError``.
        problems: What else was found wrong.
        over: What says a value in place of the file, such as a variable of the environment; empty: nothing.

    Raises:
        ConfigurationError: With every mistake, each at its place.
    """
    values, places, twice = _read(path) if path is not None else ({}, {}, [])
    found = [*problems, *twice]
    try:
        made = make(values)
    except ValidationError as error:
        found += (_problem(one, model, str(path), places, values, over) for one in _telling(error.errors()))
        raise ConfigurationError(found) from error
    if found:
        raise ConfigurationError(found)
    return made


def file_text(path: Path, what: str) -> str:
    """The text of a file that holds a secret and nothing else; ``what`` names the setting.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return path.read_text("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        detail = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigurationError([f"{what}: {path}: {detail}; name a readable file"]) from error


def as_far_as_right(path: Path | None, make: Callable[[dict[str, Any]], Made]) -> Made | None:
    """The same for who wants to look further: keys with mistakes are left out; None: nothing can be made.

    Raises:
        ConfigurationError: The file is not there, or not to be read.
    """
    try:
        values = _read(path)[0] if path is not None else {}
    except ConfigurationError as error:
        if isinstance(error.__cause__, OSError):
            raise
        values = {}
    while True:
        try:
            return make(values)
        except ValidationError as error:
            wrong = {one["loc"][0] for one in error.errors() if one["loc"]}
            if not wrong & values.keys():
                return None
            values = {key: value for key, value in values.items() if key not in wrong}


def _read(path: Path) -> tuple[dict[str, Any], Places, list[str]]:
    try:
        root = parse(path.read_text("utf-8-sig"))
    except YamlMistake as mistake:
        raise ConfigurationError([f"{path}:{mistake}"]) from mistake
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path}: not UTF-8; save it as UTF-8"]) from error
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}; name a readable file"]) from error
    if root is None:
        return {}, {}, []
    if not isinstance(root, Mapping):
        raise ConfigurationError([f"{path}:{root.line}:{root.column}: must be a mapping of keys to values"])
    places: Places = {}
    problems: list[str] = []
    return _values(root, (), places, problems, str(path)), places, problems


def _values(node: Node, at: Location, places: Places, problems: list[str], file: str) -> Any:
    if isinstance(node, Scalar):
        return None if node.plain and node.text in _NOTHING else node.text
    if isinstance(node, Listing):
        for index, item in enumerate(node.items):
            places[*at, index] = (item.line, item.column)
        return [_values(item, (*at, index), places, problems, file) for index, item in enumerate(node.items)]
    found: dict[str, Any] = {}
    for key, value in node.entries:
        if key.text in found:
            problems.append(f"{file}:{key.line}:{key.column}: `{key.text}` is given twice")
        places[*at, key.text] = (key.line, key.column)
        found[key.text] = _values(value, (*at, key.text), places, problems, file)
    return found


def _telling(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are too short for no other reason than that what is in them is wrong."""
    wrong = [one["loc"] for one in errors]

    def follows(one: ErrorDetails) -> bool:
        at = one["loc"]
        return one["type"] == "too_short" and any(len(o) > len(at) and o[: len(at)] == at for o in wrong)

    return [one for one in errors if not follows(one)]


def _problem(
    one: ErrorDetails,
    model: type[BaseModel],
    file: str,
    places: Places,
    values: dict[str, Any],
    over: Callable[[Location], str],
) -> str:
    at, allowed = _walk(model, one["loc"])
    if at and at[-1] == "[key]":  # pydantic's way to say that the key itself is wrong
        at = at[:-1]
    name = ".".join(map(str, at))
    line, column = 0, 0
    known = at
    while known and known not in places:
        known = known[:-1]
    if known:
        line, column = places[known]
    hint = ""
    if one["type"] == "extra_forbidden":
        what, found = f"unknown key `{name}`", ""
        hint = closest(str(at[-1]), allowed)
        shown = "" if hint else ", ".join(sorted(allowed))
    else:
        what = f"`{name}`: {_message(one)}" if name else one["msg"]
        last = next((part for part in reversed(at) if isinstance(part, str)), "secret")
        hidden = any(word in last.lower() for word in _NEVER_SHOWN)
        plain = isinstance(one["input"], str | int | float)
        found = repr(one["input"])[:80] if plain and not hidden else ""
        shown = ""
        if one["type"] == "literal_error" and found:
            hint = closest(str(one["input"]), re.findall(r"[\w@-]+", one["ctx"]["expected"]))
        elif bound := _bound(one, written := _written(values, at)):
            what, found = f"`{name}`: {bound}", repr(written)
    if known and one["type"] == "template":
        line, column = _inside(Path(file), line, column, one["ctx"]["line"], one["ctx"]["column"])
    elsewhere = over(at)
    if known and not elsewhere:
        return str(Problem(file, line, column, what, found, shown, hint))
    place = elsewhere or "configuration or environment"
    return str(Problem("", 0, 0, what, found, shown, hint)).replace(":0:0", place, 1)


def _message(one: ErrorDetails) -> str:
    """What is wrong, in words for who wrote the file."""
    shape = IN_WORDS.get(one["ctx"]["pattern"]) if one["type"] == "string_pattern_mismatch" else None
    return f"not {shape}" if shape else KINDS.get(one["type"]) or one["msg"].removeprefix("Value error, ")


def _written(values: Any, at: Location) -> Any:
    """What the file has at a place."""
    for part in at:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _bound(one: ErrorDetails, written: Any) -> str:
    """A bound of a duration or size in the words in which it is written, not in milliseconds or bytes."""
    side = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}.get(one["type"])
    if not side or not isinstance(written, str):
        return ""
    bound = one["ctx"][side[0]]
    if duration_ms(written) is not None:
        return f"must be {side[1]} {duration_text(bound)}"
    if size_bytes(written) is not None and (not written.isdigit() or bound % _MB == 0 < bound):
        return f"must be {side[1]} {size_text(bound)}"
    return ""


def _inside(file: Path, line: int, column: int, inner_line: int, inner_column: int) -> tuple[int, int]:
    """The place in the file of a place in a text whose key stands at ``line``, ``column``.

    A text written as a block (``|``) begins on the next line, indented as its first line is; of one that is
    written otherwise only the key's place can be told.
    """
    lines = file.read_text("utf-8-sig").splitlines()
    if not _BLOCK.search(lines[line - 1]):
        return line, column
    indents = (len(text) - len(text.lstrip()) for text in lines[line:] if text.strip())
    return line + inner_line, next(indents, 0) + inner_column


def _walk(model: Any, at: Location) -> tuple[Location, list[str]]:
    """A place as it stands in the file, and the keys allowed beside its last part.

    Of a model that is one of several by its ``type``, pydantic puts the type between.
    """
    found: list[str | int] = []
    allowed: list[str] = []
    for part in at:
        if get_origin(model) is Annotated:
            model = get_args(model)[0]
        tagged = {tag: one for one in _models(model) for tag in get_args(_annotation(one, "type"))}
        if part in tagged and get_origin(model) is not dict:
            model = tagged[part]
            continue
        found.append(part)
        allowed = list(model.model_fields) if _is_model(model) else []
        if part in allowed:
            model = _annotation(model, str(part))
            inner = _models(model)
            model = inner[0] if inner and get_origin(model) not in (dict, list, tuple) else model
        else:
            of, parts = get_origin(model), get_args(model)
            model = (parts[0] if of is tuple else parts[-1]) if of in (dict, list, tuple) else None
    return tuple(found), allowed


def _annotation(model: Any, field: str) -> Any:
    return model.model_fields[field].annotation if field in model.model_fields else None


def _models(annotation: Any) -> list[Any]:
    """The models in an annotation."""
    return [one for one in get_args(annotation) if _is_model(one)]


def _is_model(of: Any) -> bool:
    return isinstance(of, type) and issubclass(of, BaseModel)
