"""Tables on narrow and wide terminals: nothing is cut, and nothing is wider than its words ask for."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from monitor.commands.table import table_lines

TITLES = ("shop", "measure", "parts", "budget")
ROWS = [
    ("pinduoduo:s1", "reply_rate_3m", "1 late, 0 open of 14", "pdd-reply-50: 6, 27 by tonight"),
    ("pinduoduo:s1", "response_time", "p50 35.0 s, p90 74.0 s, max 79.1 s of 27", ""),
    ("pinduoduo:s1", "intervention_rate", "0 of 21", "pdd-intervention: 0"),
    ("taobao:s3", "reply_rate_3m", "9 late, 2 open of 88", "木棉厨具旗舰店的红线还剩四十三个"),
]


def words_of(lines):
    return sorted("".join(lines).replace(" ", ""))


def test_a_table_that_fits_is_a_line_a_row():
    lines = table_lines(TITLES, ROWS, 200)
    assert len(lines) == 5
    assert (
        lines[3]
        == "pinduoduo:s1  intervention_rate  0 of 21                                   pdd-intervention: 0"
    )
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(("room", "shops"), [(90, 4), (60, 4), (1, 2)])
def test_on_a_narrow_terminal_no_letter_is_lost_and_no_name_is_broken(room, shops):
    lines = table_lines(TITLES, ROWS, room)
    rest = [cell for row in ROWS for cell in row[1:]]
    names = ["pinduoduo:s1"] * (shops - 1) + ["taobao:s3"]
    assert words_of(lines) == words_of([*TITLES, *names, *rest])
    for name in ("intervention_rate", "pdd-intervention:", "pinduoduo:s1"):
        assert any(name in line for line in lines)
    if room >= 60:
        assert max(map(cell_len, lines)) <= room


def test_where_each_row_has_its_own_name_it_stays_in_its_row():
    rows = [(f"rule-{n}", "late >= 1 and budget_left_today <= 10 for 1m", "managers") for n in range(3)]
    lines = table_lines(("rule", "warn", "tells"), rows, 40)
    assert [line.split()[0] for line in lines if line[0] != " "] == ["rule", "rule-0", "rule-1", "rule-2"]
    assert max(map(len, lines)) <= 40
    assert table_lines(("a", "b"), [("", "x y"), ("", "z")], 1) == ["a  b", "   x", "   y", "   z"]
