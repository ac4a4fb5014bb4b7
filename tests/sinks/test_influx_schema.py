"""What is written to InfluxDB is what docs/influxdb.md says, and can be written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.sinks.influx_schema import LINE, MEASUREMENTS, SHOP, point

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLACE = ["pinduoduo", "s1", "", "pdd-reply-50", "reply_rate_3m", "day"]


@pytest.mark.parametrize(("page", "language"), [("influxdb.md", "en"), ("influxdb.zh.md", "zh")])
def test_the_page_lists_every_tag_and_field_and_no_other(page, language):
    text = (DOCS / page).read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ?(\w*) \| (.+) \|$|^### `(\w+)`$", text, re.MULTILINE)
    expected = []
    for measurement in MEASUREMENTS:
        expected.append(("", "", "", "", measurement.name))
        for tag, meaning in measurement.tags.items():
            expected.append((tag, "tag", "", meaning.in_language(language), ""))
        for field in measurement.fields:
            meaning = field.meaning.in_language(language)
            expected.append((field.name, field.type, field.unit, meaning, ""))
    assert rows == expected


def test_no_name_of_a_tag_or_field_is_a_customers():
    names = {name for one in MEASUREMENTS for name in (*one.tags, *one.types())}
    assert not {name for name in names if "customer" in name or "conversation" in name}


def test_a_field_has_one_type_in_whatever_measurement_it_stands():
    types: dict[str, str] = {}
    for measurement in MEASUREMENTS:
        for name, kind in measurement.types().items():
            assert types.setdefault(name, kind) == kind, name


def test_a_point_is_line_protocol_and_what_is_not_known_is_left_out():
    series = LINE.series(PLACE)
    assert point(series, LINE.types(), {"asked": 412, "value": 1.0, "budget_left": None}, 5) == (
        "sla_line,platform=pinduoduo,shop=s1,line=pdd-reply-50,measure=reply_rate_3m,period=day"
        " asked=412i,value=1.0 5"
    )
    assert point(series, LINE.types(), {"budget_left": None}, 5) == ""
    assert point(series, LINE.types(), {"value": float("nan")}, 5) == ""
    with pytest.raises(KeyError):
        point(series, LINE.types(), {"customer": 1}, 5)


STRANGE = ["a b", "a,b", "a=b", 'a"b', "a\\", "\\", "a\nb 1i 1", "店铺", "'", "#", "a\\,b", "\x00"]
LONG = ["店 ,=" * 50, "店" * 199 + "\\", "\u2028\x85" * 100]  # as long as a name may be


def test_no_id_or_name_however_strange_breaks_out_of_its_point(influx_server):
    """Each of them is one series of one point on the real server, with what can be kept of the text."""
    bucket = influx_server.new_bucket()
    lines = [
        point(SHOP.series(["p", f"{n}-{text}", text]), SHOP.types(), {"waiting": n, "name": text}, 10**18)
        for n, text in enumerate([*STRANGE, *LONG])
    ]
    influx_server.write(bucket, lines)
    found = influx_server.query(
        f'from(bucket: "{bucket.name}") |> range(start: 2001-01-01T00:00:00Z)'
        ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group()'
    )
    kept = [re.sub(r"[\x00-\x1f\\]", "_", text) for text in (*STRANGE, *LONG)]
    assert sorted((int(row["waiting"]), row["shop"], row["name"]) for row in found) == [
        (n, f"{n}-{text}", text) for n, text in enumerate(kept)
    ]
