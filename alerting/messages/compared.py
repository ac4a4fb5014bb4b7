"""What a rule compared, put into words: ``p90 45s > 30s`` is "90 分位响应时长 45 秒，超过 30 秒"."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from alerting.messages.texts import TEXTS, duration, say
from rules.figures import FIGURES, SHARE, TIME
from rules.values import duration_ms

if TYPE_CHECKING:
    from collections.abc import Iterator


class Compared(NamedTuple):
    """One comparison that decided, as the judge noted it."""

    figure: str
    value: str
    op: str  # < <= > >= == !=; of a flag, nothing
    limit: str

    def words(self, language: str) -> str:
        """The comparison as a person says it; empty where there are no words for the figure."""
        name = f"c_{self.figure}"
        if name not in TEXTS["zh"]:
            return ""
        text = say(language, name, value=self._shown(language, self.value))
        bound = self.bound(language)
        return f"{text}{say(language, 'comma')}{bound}" if bound else text

    def bound(self, language: str, *, line: bool = False) -> str:
        """How the figure stands to its limit: "低于 90%"; ``line`` says that the limit is the line."""
        if self.op in ("", "=="):  # the value says it all
            return ""
        limit = say(language, "the_line" if line else "the_limit", limit=self._shown(language, self.limit))
        return say(language, self.op, limit=limit)

    def _shown(self, language: str, text: str) -> str:
        kind = FIGURES[self.figure].type
        if kind == SHARE:
            return (text[:-1].rstrip("0").rstrip(".") if "." in text else text[:-1].rstrip()) + "%"
        ms = duration_ms(text) if kind == TIME else None
        return text if ms is None else duration(language, ms)


def compared(condition: str) -> Iterator[Compared]:
    """The comparisons in ``Facts.condition``; what else may stand there (an error's words) is passed over."""
    for part in condition.split(", "):
        words = part.split(" ")
        if words[0] in FIGURES and len(words) == 4:
            yield Compared(*words)
        elif words[0] in FIGURES and len(words) == 3:  # a flag: ``breach_if_lost is true``
            yield Compared(words[0], "", "", words[2])
