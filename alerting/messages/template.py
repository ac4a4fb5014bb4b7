"""Messages as templates: Jinja in a sandbox, cut down to what can neither run long nor write much.

A template is lines with words in them. There are ``if``, ``for`` over the conversations, comparisons and a
few filters; there is no assignment, macro, inclusion, nested loop, index, multiplication or call but ``drop``
and ``strong``. So what it writes is bounded by its own length and that of the words. It is checked when it is
read, every mistake at its place, and tried on samples.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerting import limits
from rules.problems import closest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jinja2 import Template

_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Const, nodes.If,
    nodes.For, nodes.Filter, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr,
    nodes.Add, nodes.Sub, nodes.Neg, nodes.Concat, nodes.Call,
)  # fmt: skip
FILTERS = ("abs", "default", "int", "length", "lower", "round", "trim", "truncate", "upper")
FUNCTIONS = ("drop", "strong")
FACTS = (
    "asked", "late", "open", "budget_left", "budget_left_today", "breach_in_s", "at_risk", "waiting",
    "oldest_wait_ms", "held",
)  # fmt: skip
ITEM = ("line", "customer", "seconds_left", "deadline", "agent")
_LOOP = ("index", "first", "last", "length")
WORDS = {
    "first": "the first line whole: badge, shop, title, figure",
    "badge": "how bad it is, or how it ended",
    "shop": "the shop's name, or what else it is about",
    "title": "the rule's title",
    "figure": "the one figure that says how bad it is",
    "marks": "that it may be a repeat, was a warning, still fires …; a line each",
    "value": "the figure against its line",
    "budget": "misses left now and by tonight",
    "breach": "when the line is reached",
    "items_line": "how many conversations are about to time out",
    "items": "the conversations, the most urgent first; each with " + ", ".join(f"`{name}`" for name in ITEM),
    "items_more": "how many more there are",
    "penalty": "what crossing the line costs",
    "advice": "the rule's advice",
    "ended": "at the end: why, whether the line was held, how long it lasted; a line each",
    "foot": "links, time and the alert's short id",
    "link": "where it is acknowledged; empty without `public_url`",
    "chart": "where its course is drawn; empty without `grafana_url`, and where there is no markup",
    "clock": "when it was judged",
    "id": "six characters by which one alert is known in two messages",
    "name": "the shop's name cut for a row",
    "rule": "the rule's id",
    "severity": "`warn` or `crit`",
    "kind": "why it is told: `fire`, `rise`, `repeat`, `escalate` … `resolved`, `ended`",
    "over": "whether it is over",
    "language": "`zh` or `en`",
    "facts": "the integers it was judged on, or none: " + ", ".join(f"`{name}`" for name in FACTS),
}
_DEEP = "nested too deeply"
_ATTRIBUTES = {"facts": FACTS, "item": ITEM, "loop": _LOOP}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a template, by line and column of its text, from 1."""

    line: int
    column: int
    text: str


class _Sandbox(ImmutableSandboxedEnvironment):
    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            auto_reload=False,
        )
        self.globals.clear()
        self.filters = {name: self.filters[name] for name in FILTERS}


_SANDBOX = _Sandbox()


class MessageTemplate:
    """One template, checked."""

    def __init__(self, source: str) -> None:
        """``source`` has no mistakes."""
        self._template: Template = _SANDBOX.from_string(source)

    def write(self, words: Mapping[str, Any]) -> str:
        """The text; what is longer than any message may be is cut."""
        return self._template.render(words)[: limits.TEMPLATE_CHARS_OUT]


@dataclass(frozen=True, slots=True)
class Templates:
    """How a receiver's messages are written: one alert, and a row of a digest (None: the short way)."""

    alert: MessageTemplate
    row: MessageTemplate | None = None

    @classmethod
    def of(cls, alert: str | None, row: str | None) -> Templates:
        """Of what a receiver says, else ours."""
        return cls(MessageTemplate(alert) if alert else OURS.alert, MessageTemplate(row) if row else None)


def shipped(name: str) -> str:
    """The text of a template of ours: ``alert`` or ``row``."""
    return (resources.files("alerting.messages") / "templates" / f"{name}.j2").read_text("utf-8")


OURS = Templates(MessageTemplate(shipped("alert")))


def mistakes(source: str) -> list[Mistake]:
    """Everything wrong in a template, by place."""
    if len(source.encode()) > limits.TEMPLATE_BYTES:
        return [Mistake(1, 1, f"longer than {limits.TEMPLATE_BYTES} bytes")]
    try:
        wrong = list(_wrong(_SANDBOX.parse(source), frozenset(WORDS), 0))
    except TemplateSyntaxError as error:
        line = source.splitlines()[error.lineno - 1] if error.lineno <= len(source.splitlines()) else ""
        return [
            Mistake(error.lineno, line.find("{") + 1 or 1, (error.message or "not a template").rstrip("."))
        ]
    except RecursionError:
        return [Mistake(1, 1, _DEEP)]
    found = [Mistake(line, _column(source, line, name), text) for line, name, text in wrong]
    return sorted(dict.fromkeys(found), key=lambda one: (one.line, one.column))


def failure(source: str, samples: Iterable[Mapping[str, Any]]) -> Mistake | None:
    """What goes wrong first when a template without mistakes is written of ``samples``; None: nothing."""
    try:
        template = MessageTemplate(source)
        blank = any(not template.write(words).strip() for words in samples)
    except RecursionError:
        return Mistake(1, 1, _DEEP)
    except (TemplateError, TypeError, ValueError, ArithmeticError, AssertionError) as error:
        line, trace = 1, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<template>":
                line = trace.tb_lineno
            trace = trace.tb_next
        return Mistake(line, 1, f"fails on a sample alert: {error}")
    return Mistake(1, 1, "writes nothing for a sample alert") if blank else None


_Wrong = tuple[int, str, str]


def _wrong(node: nodes.Node, known: frozenset[str], depth: int) -> Iterator[_Wrong]:
    """Line, the name to find in it, and what is wrong."""
    if not isinstance(node, _NODES):
        yield node.lineno, "", f"{type(node).__name__.lower()} is not allowed in a message"
        return
    match node:
        case nodes.Name():
            if node.name not in known and node.name not in FUNCTIONS:
                yield node.lineno, node.name, _unknown("word", node.name, known)
        case nodes.Getattr():
            yield from _wrong_attribute(node, known, depth)
            return
        case nodes.Filter():
            if node.name not in FILTERS:
                yield node.lineno, node.name, _unknown("filter", node.name, FILTERS)
        case nodes.Call():
            name = node.node.name if isinstance(node.node, nodes.Name) else ""
            if name not in FUNCTIONS:
                yield node.lineno, name, f"only {' and '.join(FUNCTIONS)} can be called"
        case nodes.For():
            yield from _wrong_loop(node, known, depth)
            return
        case _:
            pass
    for child in node.iter_child_nodes():
        yield from _wrong(child, known, depth)


def _wrong_attribute(node: nodes.Getattr, known: frozenset[str], depth: int) -> Iterator[_Wrong]:
    of = node.node.name if isinstance(node.node, nodes.Name) else ""
    if of not in _ATTRIBUTES or (of not in known and of != "facts"):
        yield from _wrong(node.node, known, depth)
        yield node.lineno, node.attr, f"`.{node.attr}`: only {', '.join(_ATTRIBUTES)} have parts"
    elif node.attr not in _ATTRIBUTES[of]:
        yield node.lineno, node.attr, _unknown(f"part of `{of}`", node.attr, _ATTRIBUTES[of])


def _wrong_loop(node: nodes.For, known: frozenset[str], depth: int) -> Iterator[_Wrong]:
    over = node.iter.name if isinstance(node.iter, nodes.Name) else ""
    target = node.target.name if isinstance(node.target, nodes.Name) else ""
    if depth or node.recursive or over != "items" or target != "item":
        yield node.lineno, "for", "the one loop there is: `for item in items`, not within another"
        return
    for child in (*node.body, *node.else_, *((node.test,) if node.test else ())):
        yield from _wrong(child, known | {"item", "loop"}, depth + 1)


def _unknown(kind: str, name: str, known: frozenset[str] | tuple[str, ...]) -> str:
    near = closest(name, known)
    return f"no {kind} `{name}`, " + (
        f"did you mean `{near}`?" if near else f"there are {', '.join(sorted(known))}"
    )


def _column(source: str, line: int, name: str) -> int:
    text = source.splitlines()[line - 1] if line <= len(source.splitlines()) else ""
    found = re.search(rf"\b{re.escape(name)}\b", text) if name else re.search(r"\{[{%]", text)
    return found.start() + 1 if found else 1
