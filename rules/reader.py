"""From nodes to values: one reader a file, which notes every mistake and goes on.

A reading function takes a node and returns the value, or None after it has noted why not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self, TypeVar

from rules import guesses, values
from rules.limits import MAX_ID_CHARACTERS
from rules.pack import Text
from rules.problems import Place, Problem, closest
from rules.yaml_marks import Listing, Mapping, Node, Scalar, YamlMistake, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    from rules.pack import Share, Span

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)


def show(node: Node) -> str:
    """What stands at a node, short enough for one line."""
    if isinstance(node, Scalar):
        return f"'{node.text[:60]}'" if node.text else "nothing"
    kind = "list" if isinstance(node, Listing) else "mapping"
    return f"a {kind}" if node.size > 1 else f"an empty {kind}"


class Reader:
    """Reads the nodes of one file and gathers what is wrong with them in ``problems``."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def parse(self, text: str) -> Node | None:
        """The root node of the file, or None after noting why there is none."""
        try:
            root = parse(text)
        except YamlMistake as mistake:
            place = (self.file, mistake.line, mistake.column)
            self.problems.append(Problem(*place, mistake.what, mistake.found, hint=mistake.hint))
            return None
        if root is None:
            self.problems.append(Problem(self.file, 1, 1, "the file is empty"))
        return root

    def note(
        self,
        node: Node | Place,
        what: str,
        *,
        found: str = "",
        allowed: str | Collection[str] = "",
        hint: str = "",
    ) -> None:
        """Note a problem at a node; a collection of allowed words brings its own "did you mean"."""
        if not isinstance(allowed, str):
            hint = closest(found.strip("'"), allowed)
            allowed = " ".join(allowed)
        place = (self.file, node.line, node.column)
        self.problems.append(Problem(*place, what, found, allowed, hint))

    def fields(self, node: Node, what: str) -> Fields:
        """The keys of a mapping; use as a context, at whose end unknown keys are noted."""
        return Fields(self, node, what)

    # single values

    def scalar(self, node: Node, what: str = "a single value") -> str | None:
        """The text of a single value that is not empty."""
        if isinstance(node, Scalar) and node.text.strip():
            return node.text.strip()
        self.note(node, "wrong kind of value", found=show(node), allowed=what)
        return None

    def text(self, node: Node) -> Text | None:
        """Words for people: a text (Chinese) or a mapping of ``zh`` and ``en``."""
        if not isinstance(node, Mapping):
            words = self.scalar(node, "a text, or {zh: …, en: …}")
            return Text(words) if words else None
        with self.fields(node, "a text") as f:
            zh, en = f.get("zh", self.scalar), f.get("en", self.scalar)
        return Text(zh or "", en or "")

    def name(self, node: Node) -> str | None:
        """An id: a letter, then letters, digits, ``_ . -``."""
        text = self.scalar(node, "a name")
        if text is None or (_ID.fullmatch(text) and len(text) <= MAX_ID_CHARACTERS):
            return text
        allowed = f"a letter, then letters, digits and _ . -, at most {MAX_ID_CHARACTERS}"
        self.note(node, "not a name", found=show(node), allowed=allowed)
        return None

    def count(self, node: Node) -> int | None:
        """A whole number, not negative."""
        return self._read(
            node,
            lambda text: int(text) if _INTEGER.fullmatch(text) and int(text) >= 0 else None,
            "a whole number",
        )

    def flag(self, node: Node) -> bool | None:
        """``true`` or ``false``."""
        return self._read(node, {"true": True, "false": False}.get, "true or false")

    def duration_ms(self, node: Node) -> int | None:
        """A duration in milliseconds."""
        return self._read(node, values.duration_ms, values.DURATION, guesses.duration)

    def lasting_ms(self, node: Node) -> int | None:
        """A duration in milliseconds that is not nothing."""
        found = self.duration_ms(node)
        if found == 0:
            self.note(node, "a duration of nothing", found=show(node), allowed="1s or more")
        return found or None

    def share(self, node: Node) -> Share | None:
        """A percentage from 0 to 100, exactly."""
        found = self._read(node, values.share, values.SHARE)
        if found is not None and not 0 <= found.of <= found.per:
            self.note(node, "not a share", found=show(node), allowed="0% to 100%")
            return None
        return found

    def span(self, node: Node) -> Span | None:
        """Hours of a day."""
        return self._read(node, values.span, values.SPAN)

    def date(self, node: Node) -> str | None:
        """A calendar date."""
        return self._read(node, values.date, values.DATE)

    def period(self, node: Node) -> str | None:
        """A period by its one name."""
        return self._read(node, values.period, values.PERIOD)

    def _read(
        self,
        node: Node,
        understand: Callable[[str], T | None],
        allowed: str,
        guess: Callable[[str], str] = lambda _: "",
    ) -> T | None:
        text = self.scalar(node, allowed)
        if text is None:
            return None
        value = understand(text)
        if value is None:
            plain = guesses.plain(text)
            hint = guess(plain) or (plain if understand(plain) is not None else "")
            self.note(node, "cannot be read", found=show(node), allowed=allowed, hint=hint)
        return value

    # readers made of readers

    def one_of(
        self, allowed: Collection[str], what: str, later: Collection[str] = ()
    ) -> Callable[[Node], str | None]:
        """A reader of one of some words; ``later`` are words that a later release will know."""

        def read(node: Node) -> str | None:
            text = self.scalar(node, " ".join(allowed))
            if text is None or text in allowed:
                return text
            if text in later:
                self.note(
                    node, f"this {what} is not supported yet", found=show(node), allowed=" ".join(allowed)
                )
            else:
                self.note(node, f"unknown {what}", found=show(node), allowed=allowed)
            return None

        return read

    def list_of(self, read: Callable[[Node], T | None]) -> Callable[[Node], tuple[T, ...] | None]:
        """A reader of a list; a single value stands for a list of one."""

        def read_all(node: Node) -> tuple[T, ...] | None:
            items = node.items if isinstance(node, Listing) else (node,)
            values = [read(item) for item in items]
            return tuple(value for value in values if value is not None)

        return read_all


class Fields:
    """The keys of one mapping. What nobody asked for when the context ends is an unknown key."""

    def __init__(self, reader: Reader, node: Node, what: str) -> None:
        self.reader, self.node, self.what = reader, node, what
        self.asked: list[str] = []
        self.nodes: dict[str, Node] = {}
        self.keys: dict[str, Scalar] = {}
        if not isinstance(node, Mapping):
            reader.note(node, f"{what} must be a mapping", found=show(node))
            return
        for key, value in node.entries:
            if key.text in self.nodes:
                first = self.keys[key.text]
                what_twice = f"key given twice in {what}, first on line {first.line}"
                reader.note(key, what_twice, found=show(key))
                continue
            self.keys[key.text], self.nodes[key.text] = key, value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for text, key in self.keys.items():
            if text not in self.asked:
                self.unknown(key, f"unknown key of {self.what}", self.asked)

    def unknown(self, key: Scalar, what: str, allowed: Collection[str]) -> None:
        """Note a key that nobody knows; one that took its value in with it is told apart."""
        pair = guesses.joined(key.text)
        if pair:
            self.reader.note(key, what, found=show(key), allowed=" ".join(allowed), hint=pair)
        else:
            self.reader.note(key, what, found=show(key), allowed=allowed)

    def get(self, key: str, read: Callable[[Node], T | None]) -> T | None:
        """The value of a key; None where it is absent or wrong."""
        self.asked.append(key)
        return read(self.nodes[key]) if key in self.nodes else None

    def need(self, key: str, read: Callable[[Node], T | None]) -> T | None:
        """The value of a key that must be there."""
        if key not in self.nodes and isinstance(self.node, Mapping):
            self.reader.note(self.node, f"{self.what} needs the key '{key}'")
        return self.get(key, read)

    def later(self, key: str, today: str = "") -> None:
        """A key of a later release: refused, unless its value is what the engine does today."""
        self.asked.append(key)
        node = self.nodes.get(key)
        if node is None or (today and isinstance(node, Scalar) and node.text == today):
            return
        what = f"'{key}' is not supported yet" + (f" except as '{today}'" if today else "")
        self.reader.note(node, what, found=show(node), allowed=today)

    def refuse(self, key: str, why: str) -> None:
        """Note a key that is known but has no place here."""
        self.asked.append(key)
        if key in self.keys:
            self.reader.note(self.keys[key], why, found=f"'{key}'")
