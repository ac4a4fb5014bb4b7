"""How dashboards of ours look: one way to show a number, a course, a list; what is not known is red.

Titles are in Chinese and English at once: links, messages and annotations lead to one set of boards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DashboardSpecialValueMapOptions,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana.code.asked import SOURCE, Asked, Door, Noted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GREEN, AMBER, RED, GREY, BLUE = "green", "orange", "red", "#6e7077", "blue"
NOTHING = "NO DATA"
SEVERITIES = {
    "0": ("正常 ok", GREEN),
    "1": ("警告 warn", AMBER),
    "2": ("严重 crit", RED),
    "3": ("失联 blind", "purple"),
}
Steps = tuple[tuple[float | None, str], ...]
# Below the least a number can be, nothing was measured: the base of every scale is red.
MORE_IS_WORSE: Steps = ((None, RED), (0, GREEN), (1, RED))
SHOP_URL = "/d/slawatch-shop?var-platform=${__data.fields.platform}&var-shop=${__data.fields.shop}"
TIME = "${__url_time_range}"


def mappings(words: Mapping[str, tuple[str, str]] | None = None) -> list[Any]:
    """What values are called, with their colours; and that nothing is nothing, in red."""
    named = {
        value: ValueMappingResult(text=text, color=color, index=place)
        for place, (value, (text, color)) in enumerate((words or {}).items())
    }
    nothing = ValueMappingResult(text=NOTHING, color=RED, index=len(named))
    special = DashboardSpecialValueMapOptions(match=SpecialValueMatch.NULL_AND_NAN, result=nothing)
    return [*([ValueMap(options=named)] if named else []), SpecialValueMap(options=special)]


def scale(steps: Steps) -> dashboard.ThresholdsConfig:
    """Colours from values upwards; None is minus infinity."""
    return dashboard.ThresholdsConfig().steps([Threshold(value, color) for value, color in steps])


def number(
    title: str,
    about: str,
    query: str,
    steps: Steps = MORE_IS_WORSE,
    unit: str = "short",
    words: Mapping[str, tuple[str, str]] | None = None,
    to: str = "",
) -> stat.Panel:
    """One number on a ground of its colour."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .decimals(0)
        .no_value(NOTHING)
        .mappings(mappings(words))
        .thresholds(scale(steps))
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .with_target(Asked(query))
    )
    return panel.data_links([Door(title, to)]) if to else panel


def course(
    title: str,
    about: str,
    queries: Sequence[str],
    names: Mapping[str, str],
    unit: str = "short",
    *,
    bars: bool = False,
    colors: Mapping[str, str] | None = None,
    steps: Steps = ((None, GREEN),),
    area: bool = False,
) -> timeseries.Panel:
    """Values over time, a line or bar for each column of the queries.

    Args:
        title: In Chinese and English.
        about: What to conclude from it.
        queries: Their columns are fields, or values of a tag.
        names: Column → what it is called.
        unit: As Grafana names it.
        bars: Bars in place of lines: counts of a slot.
        colors: Field → colour; a field called ``limit`` is dashed, in red.
        steps: Where what is drawn changes its meaning.
        area: Whether the ground shows ``steps``.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .no_value(NOTHING)
        .thresholds(scale(steps))
        .draw_style(common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE)
        .fill_opacity(60 if bars else 8)
        .line_width(1 if bars else 2)
        .show_points(common.VisibilityMode.NEVER)
        .legend(VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
        .tooltip(VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .span_nulls(False)
    )
    if area:
        style = common.GraphThresholdsStyleMode.DASHED_AND_AREA
        panel = panel.thresholds_style(GraphThresholdsStyleConfig().mode(style))
    for place, query in enumerate(queries):
        panel = panel.with_target(Asked(query, "ABCDEF"[place]))
    for field, called in names.items():
        panel = panel.override_by_name(field, _drawn(field, called, (colors or {}).get(field)))
    return panel


def _drawn(field: str, called: str, color: str | None) -> list[DynamicConfigValue]:
    found = [DynamicConfigValue("displayName", called)]
    if color := RED if field == "limit" else color:
        found.append(DynamicConfigValue("color", {"mode": FieldColorModeId.FIXED, "fixedColor": color}))
    if field == "limit":
        step, dashed = common.LineInterpolation.STEP_AFTER, {"fill": "dash", "dash": [10, 10]}
        found += [DynamicConfigValue("custom.lineStyle", dashed), DynamicConfigValue("custom.fillOpacity", 0)]
        found.append(DynamicConfigValue("custom.lineInterpolation", step))
    return found


Column = tuple[str, str, str, Steps | None]  # field, what it is called, unit, colours


def rows(
    title: str,
    about: str,
    query: str,
    columns: Sequence[Column],
    words: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
    to: str = "",
) -> table.Panel:
    """A list. ``words``: field → what its values are called; ``to``: where a row leads."""
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .no_value(NOTHING)
        .mappings(mappings())
        .with_target(Asked(query))
    )
    panel = panel.transformations([_in_order([field for field, *_ in columns])])
    for field, called, unit, steps in columns:
        found = [DynamicConfigValue("displayName", called)]
        if unit:
            found.append(DynamicConfigValue("unit", unit))
        named = (words or {}).get(field)
        if named:
            found.append(DynamicConfigValue("mappings", mappings(named)))
        if steps or named:
            found.append(
                DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"})
            )
        if steps:
            found.append(DynamicConfigValue("thresholds", scale(steps).build()))
        if to:
            found.append(DynamicConfigValue("links", [{"title": title, "url": to}]))
        panel = panel.override_by_name(field, found)
    return panel


def _in_order(fields: Sequence[str]) -> DataTransformerConfig:
    order = {field: place for place, field in enumerate(fields)}
    return DataTransformerConfig(id_val="organize", options={"indexByName": order})


def states(
    title: str, about: str, query: str, words: Mapping[str, tuple[str, str]], names: Mapping[str, str]
) -> statetimeline.Panel:
    """States over time: a stretch that is missing is nothing, and never a state."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(about)
        .no_value(NOTHING)
        .mappings(mappings(words))
        .thresholds(scale(((None, RED),)))
        .merge_values(True)
        .show_value(common.VisibilityMode.AUTO)
        .row_height(0.8)
        .legend(VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
        .with_target(Asked(query))
    )
    for field, called in names.items():
        panel = panel.override_by_name(field, [DynamicConfigValue("displayName", called)])
    return panel


def choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A variable whose values a query gives."""
    asked: dict[str, object] = {"query": query, "refId": f"Var-{name}"}
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(asked)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(False)
        .include_all(False)
    )


WIDTH = 24
BOARDS = {
    "slawatch-wall": "墙板 · Wallboard",
    "slawatch-shop": "店铺 · Shop",
    "slawatch-agents": "客服与时段 · Agents and slots",
    "slawatch-alerts": "告警与投递 · Alerts and deliveries",
    "slawatch-self": "slawatch 自身 · slawatch itself",
}


def board(
    uid: str,
    about: str,
    since: str,
    refresh: str,
    lines: Sequence[tuple[int, Sequence[Any]]],
    choices: Sequence[Any] = (),
    note: str = "",
) -> dashboard.Dashboard:
    """A board of lines of panels; those of a line share its width and have its height.

    Args:
        uid: Its own for ever: links lead to it.
        about: What it answers.
        since: How far back it looks at first, ``now-6h``.
        refresh: How often it asks again.
        lines: (height, panels), from the top.
        choices: Its variables.
        note: A query of annotations.
    """
    made = (
        dashboard.Dashboard(BOARDS[uid])
        .uid(uid)
        .description(about)
        .tags(["slawatch"])
        .readonly()
        .timezone("browser")
        .time(since, "now")
        .refresh(refresh)
    )
    for other, title in BOARDS.items():
        if other != uid:
            way = dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url(f"/d/{other}")
            made = made.link(way.keep_time(True).include_vars(other != "slawatch-self"))
    for one in choices:
        made = made.with_variable(one)
    if note:
        made = made.annotation(Noted("告警 · Alerts", note))
    number_of, y = 1, 0
    for height, panels in lines:
        for place, panel in enumerate(panels):
            left, right = (WIDTH * edge // len(panels) for edge in (place, place + 1))
            made = made.with_panel(
                panel.id(number_of)
                .datasource(SOURCE)
                .grid_pos(GridPos(h=height, w=right - left, x=left, y=y))
            )
            number_of += 1
        y += height
    return made
