"""YAML text to nodes that know their place, and nothing else: no types, no tags, no objects.

Whether ``08:00`` is a time or ``on`` a word is for the reader of the node to say, so none of YAML's own
guesses apply. Nodes are built from the parser's events without recursion; depth, aliases and the size
with all aliases written out are bounded (``rules.limits``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from rules.limits import MAX_ALIASES, MAX_DEPTH, MAX_FILE_CHARACTERS, MAX_NODES
from rules.slips import slip

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as it was written; ``plain``: without quotes."""

    line: int
    column: int
    text: str
    plain: bool
    size: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """A YAML sequence."""

    line: int
    column: int
    items: tuple[Node, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """A YAML mapping; keys in the order and number in which they were written."""

    line: int
    column: int
    entries: tuple[tuple[Scalar, Node], ...]
    size: int


Node = Scalar | Listing | Mapping


class YamlMistake(Exception):  # noqa: N818 (it is a mistake of the file's author, told as a Problem)
    """Text that is not YAML, or YAML that we do not take; stops the reading of its file."""

    def __init__(self, line: int, column: int, what: str, found: str = "", hint: str = "") -> None:
        self.line, self.column, self.what, self.found, self.hint = line, column, what, found, hint
        said = (what, f"found {found}" if found else "", f"did you mean {hint}?" if hint else "")
        super().__init__(f"{line}:{column}: " + ", ".join(filter(None, said)))


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been seen."""

    event: Any
    children: list[Node] = field(default_factory=list)

    def close(self) -> Node:
        line, column = _place(self.event)
        size = 1 + sum(child.size for child in self.children)
        if size > MAX_NODES:
            raise YamlMistake(line, column, f"more than {MAX_NODES} values once aliases are written out")
        if isinstance(self.event, yaml.SequenceStartEvent):
            return Listing(line, column, tuple(self.children), size)
        keys, values = self.children[::2], self.children[1::2]
        entries = []
        for key, value in zip(keys, values, strict=True):
            if not isinstance(key, Scalar):
                raise YamlMistake(key.line, key.column, "a key must be a plain word")
            entries.append((key, value))
        return Mapping(line, column, tuple(entries), size)


def parse(text: str) -> Node | None:
    """Read one YAML document; None when it is empty.

    Raises:
        YamlMistake: what cannot be read, with its place; nothing of such a file is used.
    """
    if len(text) > MAX_FILE_CHARACTERS:
        raise YamlMistake(1, 1, f"the file has more than {MAX_FILE_CHARACTERS} characters")
    try:
        return _build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column, found, hint = slip(text, mark.line + 1, mark.column + 1) if mark else (1, 1, "", "")
        what = f"not YAML: {error.problem or error.context}"
        raise YamlMistake(line, column, what, found, hint) from error
    except yaml.YAMLError as error:
        what = str(error).splitlines()[0]
        raise YamlMistake(*_place_of_bad_character(text), f"not YAML: {what}") from error


def _build(events: Iterator[Any]) -> Node | None:
    anchors: dict[str, Node] = {}
    stack: list[_Open] = []
    aliases = 0
    root: Node | None = None
    documents = 0
    for event in events:
        node: Node
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlMistake(*_place(event), "a second document; one file holds one")
            continue
        if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            _refuse_tag(event)
            stack.append(_Open(event))
            if len(stack) > MAX_DEPTH:
                raise YamlMistake(*_place(event), f"nested deeper than {MAX_DEPTH}")
            continue
        if isinstance(event, yaml.ScalarEvent):
            _refuse_tag(event)
            node, anchor = Scalar(*_place(event), event.value, event.style is None), event.anchor
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MAX_ALIASES:
                raise YamlMistake(*_place(event), f"more than {MAX_ALIASES} aliases")
            if event.anchor not in anchors:
                raise YamlMistake(*_place(event), f"no anchor '{event.anchor}' before this alias")
            node, anchor = anchors[event.anchor], None
        elif isinstance(event, yaml.CollectionEndEvent):
            opened = stack.pop()
            node, anchor = opened.close(), opened.event.anchor
        else:
            continue
        if anchor:
            anchors[anchor] = node
        if stack:
            stack[-1].children.append(node)
        else:
            root = node
    return root


def _refuse_tag(event: Any) -> None:
    if event.tag not in (None, "!"):
        hint = '"!= …"' if event.tag == "!=" else ""
        raise YamlMistake(*_place(event), f"tags such as '{event.tag}' are not taken", hint=hint)


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _place_of_bad_character(text: str) -> tuple[int, int]:
    """Line and column of the first control character, which YAML does not allow."""
    for number, row in enumerate(text.split("\n"), start=1):
        for column, character in enumerate(row, start=1):
            if not character.isprintable() and character not in "\t\r\u3000\xa0":
                return number, column
    return 1, 1
