"""Every query of the dashboards, in Flux, made of the measurements that slawatch writes.

What they keep to, for speed: a filter straight after the range, a window straight after the filter, and few
series. The server of Grafana fills in ``v.…``, the browser ``${…}``. "Now" is the end of the time that is
looked at, so that a board can be read as of an hour that is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.sinks.influx_schema import Measurement

FRESH = "2m"  # what was not written for so long is not known any more
_NOTES = 100  # annotations of a panel, the newest
_RANGE = "start: v.timeRangeStart, stop: v.timeRangeStop"
ONE_SHOP = 'r.platform == "${platform}" and r.shop == "${shop}"'
ONE_LINE = f'{ONE_SHOP} and r.line == "${{line}}"'
ONE_MEASURE = f'{ONE_SHOP} and r.measure == "${{measure}}" and r.period == "day"'


def _source(measurement: Measurement, fields: tuple[str, ...], where: str, span: str) -> str:
    """Series of a measurement; ``where`` compares tags, and a field that it has not is an error here."""
    unknown = set(fields) - measurement.types().keys()
    if unknown:
        raise ValueError(f"{measurement.name} has no field {', '.join(sorted(unknown))}")
    chosen = " or ".join(f'r._field == "{field}"' for field in fields)
    only = f" and {where}" if where else ""
    named = f'r._measurement == "{measurement.name}"'
    return f"""from(bucket: v.defaultBucket)
  |> range({span})
  |> filter(fn: (r) => {named} and ({chosen}){only})"""


def _as_of(measurement: Measurement, fields: tuple[str, ...], where: str, within: str) -> str:
    span = f"start: date.sub(d: {within}, from: v.timeRangeStop), stop: v.timeRangeStop"
    return f'import "date"\n{_source(measurement, fields, where, span)}\n  |> last()'


def total(measurement: Measurement, field: str, fn: str, only: str = "") -> str:
    """One number over all series as of now: ``fn`` is sum, max, min or count; ``only`` says of which values.

    A sum over series that are there is a number, 0 too; nothing at all is no row, which is shown as NO DATA.
    """
    kept = f'\n  |> filter(fn: (r) => {only}, onEmpty: "keep")' if only else ""  # none of some is a number
    return f"""{_as_of(measurement, (field,), "", FRESH)}
  |> group()
  |> keep(columns: ["_value"]){kept}
  |> {fn}()"""


def age(measurement: Measurement, field: str) -> str:
    """Seconds since the newest point."""
    return f"""{_as_of(measurement, (field,), "", "1d")}
  |> group()
  |> keep(columns: ["_time"])
  |> max(column: "_time")
  |> map(fn: (r) => ({{age_s: (int(v: v.timeRangeStop) - int(v: r._time)) / 1000000000}}))"""


def latest(measurement: Measurement, fields: tuple[str, ...], where: str) -> str:
    """One row: each field as of now, a column each."""
    return f"""{_as_of(measurement, fields, where, FRESH)}
  |> pivot(rowKey: ["_stop"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> keep(columns: {_list(fields)})"""


def rows(
    measurement: Measurement,
    keys: tuple[str, ...],
    fields: tuple[str, ...],
    order: str,
    where: str = "",
    limit: int = 25,
    within: str = FRESH,
) -> str:
    """A row a series as of now, by ``keys`` (tags), sorted by what ``order`` makes of it, the least first."""
    return f"""{_as_of(measurement, fields, where, within)}
  |> pivot(rowKey: {_list(keys)}, columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> map(fn: (r) => ({{r with order: {order}}}))
  |> sort(columns: ["order"])
  |> limit(n: {limit})
  |> keep(columns: {_list((*keys, *fields))})"""


def least(
    measurement: Measurement, keys: tuple[str, ...], by: str, fields: tuple[str, ...], limit: int
) -> str:
    """The series with the least of ``by`` as of now, a row each; all fields are integers.

    Values of one type lie in one table, which is turned at once, and not one table for each series.
    """
    if others := {field for field in (by, *fields) if measurement.types()[field] != "int"}:
        raise ValueError(f"{measurement.name}: {', '.join(sorted(others))} is no integer")
    return f"""{_as_of(measurement, (by, *fields), "", FRESH)}
  |> group()
  |> pivot(rowKey: {_list(keys)}, columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.{by})
  |> sort(columns: ["{by}"])
  |> limit(n: {limit})
  |> keep(columns: {_list((*keys, by, *fields))})"""


def history(
    measurement: Measurement, fields: tuple[str, ...], fn: str, where: str = "", by: str = "_field"
) -> str:
    """Over time, a column for each field; or for each value of the tag ``by``, of one field."""
    return f"""{_source(measurement, fields, where, _RANGE)}
  |> aggregateWindow(every: v.windowPeriod, fn: {fn}, createEmpty: false)
{_columns(by, of_one=by != "_field")}"""


def growth(
    measurement: Measurement, fields: tuple[str, ...], every: str, where: str, by: str = "_field"
) -> str:
    """How much counts that begin anew each day grew, in slots of ``every``, named by their begin."""
    span = f"start: date.sub(d: {every}, from: v.timeRangeStart), stop: v.timeRangeStop"
    return f"""import "date"
{_source(measurement, fields, where, span)}
  |> aggregateWindow(every: {every}, fn: last, createEmpty: false, timeSrc: "_start")
  |> increase()
  |> difference()
{_columns(by, of_one=by != "_field")}"""


def events(measurement: Measurement, field: str, every: str, by: str, where: str = "") -> str:
    """How many points there were in each window, a column for each value of a tag."""
    kept = f"\n  |> filter(fn: (r) => {where})" if where else ""
    return f"""{_source(measurement, (field,), "", _RANGE)}{kept}
  |> group(columns: ["{by}"])
  |> aggregateWindow(every: {every}, fn: count, createEmpty: false)
{_columns(by, of_one=True)}"""


def slowest(measurement: Measurement, field: str, every: str, by: str) -> str:
    """The most of each window, a column for each value of a tag."""
    return f"""{_source(measurement, (field,), "", _RANGE)}
  |> group(columns: ["{by}"])
  |> aggregateWindow(every: {every}, fn: max, createEmpty: false)
{_columns(by, of_one=True)}"""


def over_all(measurement: Measurement, field: str, fn: str, heard: Measurement, where: str = "") -> str:
    """One number over all points of the time that is looked at; ``fn`` is sum or max.

    Where there is no point it is 0 if ``heard`` was written meanwhile, by its field ``ready``; else nothing.
    """
    return f"""heard = {_source(heard, ("ready",), "", _RANGE)}
  |> group()
  |> count()
  |> map(fn: (r) => ({{_value: r._value - r._value}}))
found = {_source(measurement, (field,), where, _RANGE)}
  |> group()
  |> keep(columns: ["_value"])
union(tables: [heard, found])
  |> {fn}()
  |> keep(columns: ["_value"])"""


def _columns(by: str, *, of_one: bool) -> str:
    """Series side by side, as columns of one table in the order of time."""
    together = "  |> group()\n" if of_one else ""
    return f"""{together}  |> pivot(rowKey: ["_time"], columnKey: ["{by}"], valueColumn: "_value")
  |> group()
  |> drop(fn: (column) => column =~ /^(_start|_stop|_measurement|platform|shop|team|line|measure|period)$/)
  |> sort(columns: ["_time"])"""


def log(
    measurement: Measurement, tags: tuple[str, ...], fields: tuple[str, ...], where: str = "", limit: int = 50
) -> str:
    """The newest points, a row each. The first of ``fields`` is an integer, by which they are found."""
    return f"""{_newest(measurement, fields[0], where, limit)}
{_source(measurement, fields, where, "start: since, stop: v.timeRangeStop")}
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> sort(columns: ["_time"], desc: true)
  |> limit(n: {limit})
  |> keep(columns: {_list(("_time", *tags, *fields))})"""


def notes(measurement: Measurement, where: str = "") -> str:
    """Annotations: what began to fire, with its words; ``text``, ``tags`` as Grafana wants them."""
    fields = ("text", "severity", "to_state", "from_state")
    return f"""{_newest(measurement, "severity", where, _NOTES, "r._value > 0")}
{_source(measurement, fields, where, "start: since, stop: v.timeRangeStop")}
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> filter(fn: (r) => r.to_state == "firing" and r.from_state != "firing")
  |> map(fn: (r) => ({{
    _time: r._time,
    text: r.text,
    tags: r.rule + "," + (if r.severity == 2 then "crit" else "warn")
  }}))
  |> sort(columns: ["_time"], desc: true)
  |> limit(n: {_NOTES})"""


def _newest(measurement: Measurement, field: str, where: str, limit: int, only: str = "") -> str:
    """Since when the newest points are: one integer of each is read, and texts of these few alone."""
    kept = f"\n  |> filter(fn: (r) => {only})" if only else ""
    return f"""newest = {_source(measurement, (field,), where, _RANGE)}{kept}
  |> group()
  |> keep(columns: ["_time", "_value"])
  |> sort(columns: ["_time"], desc: true)
  |> limit(n: {limit})
  |> findColumn(fn: (key) => true, column: "_time")
count = length(arr: newest)
since = if count > 0 then newest[count - 1] else v.timeRangeStart"""


def values(measurement: Measurement, tag: str, where: str = "") -> str:
    """Of a variable: the values of a tag."""
    only = f" and {where}" if where else ""
    return f"""import "influxdata/influxdb/schema"
schema.tagValues(
  bucket: v.defaultBucket,
  tag: "{tag}",
  predicate: (r) => r._measurement == "{measurement.name}"{only},
  start: v.timeRangeStart,
  stop: v.timeRangeStop
)"""


def _list(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
