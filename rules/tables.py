"""The tables of the handbook, in Markdown, from what the code itself goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.figures import EXAMPLES, FIGURES
from rules.machine import REASON_TEXTS
from rules.pack import HOUR_MS
from rules.values import duration_text, share_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.pack import Line, Measure, Pack, Span

_HEADS: dict[str, dict[str, tuple[str, ...]]] = {
    "figures": {
        "zh": ("指标值", "比较写法", "含义", "由来", "可用于"),
        "en": ("figure", "compared as", "meaning", "derived", "available for"),
    },
    "reasons": {"zh": ("代码", "含义"), "en": ("code", "meaning")},
    "pack": {
        "zh": ("规则包", "版本", "生效", "考核时段", "时区", "查证"),
        "en": ("pack", "version", "from", "service hours", "time zone", "looked up"),
    },
    "measures": {
        "zh": ("指标", "名称", "怎么数", "周期", "可信度", "来源"),
        "en": ("measure", "title", "how it is counted", "periods", "sure", "source"),
    },
    "lines": {
        "zh": ("红线", "指标", "周期", "限值", "起算数量", "处罚", "可信度", "来源"),
        "en": ("line", "measure", "period", "limit", "from", "penalty", "sure", "source"),
    },
}


def figure_table(language: str) -> str:
    """Every figure that a rule can compare."""
    rows = []
    for figure in FIGURES.values():
        where = [
            f"`{kind}`" if kind else {"zh": "无指标", "en": "no measure"}[language] for kind in figure.kinds
        ]
        where += ["`line`"] if figure.line else []
        where += ["`period: day`"] if figure.day else []
        where += ["`each: conversation`"] if figure.each == ("conversation",) else []
        example = EXAMPLES[figure.type].replace("true or false", "true, false")
        rows.append(
            (
                f"`{figure.name}`",
                f"`{example}`",
                figure.title.in_language(language),
                figure.derived,
                " ".join(where),
            )
        )
    return _table("figures", language, rows)


def reason_table(language: str) -> str:
    """Every reason for which an alert changes its state."""
    rows = [(f"`{reason}`", text.in_language(language)) for reason, text in REASON_TEXTS.items()]
    return _table("reasons", language, rows)


def pack_table(pack: Pack, language: str) -> str:
    """When a pack holds, and its hours."""
    hours = " ".join(map(span_text, pack.service_hours))
    row = (f"`{pack.id}`", pack.version, pack.from_date or "–", hours, pack.timezone, pack.verified or "–")
    return _table("pack", language, [row])


def measure_table(pack: Pack, language: str) -> str:
    """The measures of a pack; sources stay in the language in which they were noted."""
    rows = [
        (
            f"`{measure.id}`",
            measure.title.in_language(language),
            _counted(measure),
            " ".join(measure.periods) if measure.kind != "waiting" else "–",
            measure.sure,
            measure.source,
        )
        for measure in pack.measures.values()
    ]
    return _table("measures", language, rows)


def line_table(pack: Pack, language: str) -> str:
    """The lines of a pack."""
    rows = [
        (
            f"`{line.id}`",
            f"`{line.measure}`",
            line.period,
            limit_text(line),
            str(line.min_count),
            line.penalty.in_language(language),
            line.sure,
            line.source,
        )
        for line in pack.lines.values()
    ]
    return _table("lines", language, rows)


def limit_text(line: Line) -> str:
    """``≥ 90%`` or ``≤ 0.3%``."""
    share, sign = (line.at_least, "≥") if line.at_least else (line.at_most, "≤")
    assert share is not None, line.id
    return f"{sign} {share_text(share.of, share.per).removesuffix('%').rstrip('0').rstrip('.')}%"


def span_text(span: Span) -> str:
    """``08:00-23:00``."""
    ends = (f"{ms // HOUR_MS:02d}:{ms // 60_000 % 60:02d}" for ms in (span.start_ms, span.end_ms))
    return "-".join(ends)


def _counted(measure: Measure) -> str:
    """The keys that decide how a measure counts, as a pack writes them."""
    keys = [f"kind: {measure.kind}"]
    if measure.within_ms:
        keys += [
            f"within: {duration_text(measure.within_ms)}",
            f"unit: {measure.unit}",
            f"late_if: {measure.late_if}",
        ]
    if measure.kind in ("reply_rate", "response_time"):
        keys += [f"answered_by: [{', '.join(measure.answered_by)}]", f"counts: {measure.counts}"]
        keys += [f"hours_by: {measure.hours_by}", f"on_handover: {measure.on_handover}"]
    if measure.event:
        keys += [f"event: {measure.event}"]
    if measure.outcome:
        keys += [f"outcome: [{', '.join(measure.outcome)}]"]
    return " · ".join(f"`{key}`" for key in keys)


def _table(name: str, language: str, rows: Iterable[tuple[str, ...]]) -> str:
    head = _HEADS[name][language]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))
