"""Boards as files: made by the code, of Grafana's own types, and never healthy where nothing is known."""

from __future__ import annotations

import json
import re
import types
import typing
from collections import Counter

import grafana_foundation_sdk.models.dashboard as model
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins

from deploy.grafana.code.__main__ import made
from tests.dashboards.as_grafana import BOARDS, FOLDER, ROOT, questions

PANELS = {f"{uid} {one['id']}": one for uid, board in BOARDS.items() for one in board["panels"]}
UNITS = {"short", "s", "ms", "percentunit", "dateTimeFromNow"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
register_default_plugins()


def test_the_files_are_what_the_code_makes():
    """`make dashboards` makes them; who changes one by hand loses it."""
    assert {path.name: path.read_text("utf-8") for path in (FOLDER / "dashboards").iterdir()} == made()


def wrong_types(value, hint, place):
    """Where a value of the pinned Grafana's types is not what its hint says: a list of places."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any or hint is object:
        return []
    if origin in (typing.Union, types.UnionType):
        found = [wrong_types(value, one, place) for one in inside if one is not type(None) or value is None]
        return (
            [] if [] in found else max(found, key=lambda bad: len(bad[0].partition(":")[0]))
        )  # the one that came furthest
    if hint is type(None):
        return [] if value is None else [place]
    if origin is list:
        if not isinstance(value, list):
            return [place]
        return [bad for n, one in enumerate(value) for bad in wrong_types(one, inside[0], f"{place}[{n}]")]
    if origin is dict:
        if not isinstance(value, dict):
            return [place]
        return [bad for key, one in value.items() for bad in wrong_types(one, inside[1], f"{place}.{key}")]
    if origin is typing.Literal:
        return [] if value in inside else [place]
    if not isinstance(hint, type):
        return []
    if isinstance(value, dict) and hasattr(hint, "from_json"):
        value = hint.from_json(value)  # not every list is read as what it holds
    number = hint is float and isinstance(value, int)
    if hasattr(hint, "__members__"):
        return [] if value in list(hint) else [f"{place}: {value}"]
    if not isinstance(value, hint) and not number:
        return [f"{place}: {value!r} is no {hint.__name__}"]
    if hasattr(value, "to_json"):
        hints = typing.get_type_hints(type(value))
        return [
            bad
            for name, wanted in hints.items()
            if hasattr(value, name)
            for bad in wrong_types(getattr(value, name), wanted, f"{place}.{name}")
        ]
    return []


def lost(before, after, place=""):
    """Keys that were not taken over: the pinned Grafana does not know them."""
    if isinstance(before, dict) and isinstance(after, dict):
        gone = [f"{place}.{key}" for key in before.keys() - after.keys()]
        return gone + [
            bad
            for key in before.keys() & after.keys()
            for bad in lost(before[key], after[key], f"{place}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list):
        return [
            bad
            for n, (one, other) in enumerate(zip(before, after, strict=True))
            for bad in lost(one, other, f"{place}[{n}]")
        ]
    return []


# What only the data source reads: the common types do not have it.
OF_THE_SOURCE = re.compile(
    r"\.targets\[\d+\]\.|\.annotations\.list\[\d+\]\.(query|refId)$|^\.panels\[\d+\]\.targets"
)


@pytest.mark.parametrize("uid", BOARDS)
def test_a_board_is_of_the_types_of_the_pinned_grafana(uid):
    """Each key is one that it has and each value of its type: read by them, nothing is lost or wrong."""
    read = model.Dashboard.from_json(BOARDS[uid])
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    assert [key for key in lost(BOARDS[uid], again) if not OF_THE_SOURCE.search(key)] == []
    assert wrong_types(read, model.Dashboard, uid) == []


def test_what_is_wrong_is_found():
    """The check itself can fail: a misspelt key, a number that is text, a colour scale of another kind."""
    board = json.loads(json.dumps(BOARDS["slawatch-wall"]))
    board["panels"][0]["gridPos"]["w"] = "3"
    board["refrehs"] = "10s"
    board["panels"][0]["fieldConfig"]["defaults"]["thresholds"]["mode"] = "relative"
    read = model.Dashboard.from_json(board)
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    assert ".refrehs" in lost(board, again)
    assert len(wrong_types(read, model.Dashboard, "wall")) == 2


@pytest.mark.parametrize("uid", BOARDS)
def test_panels_lie_side_by_side_in_the_grid(uid):
    taken = Counter(
        (x, y)
        for panel in BOARDS[uid]["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    )
    assert max(taken.values()) == 1, "no panel lies on another"
    assert max(x for x, _ in taken) == 23
    rows = max(y for _, y in taken) + 1
    assert len(taken) == 24 * rows, "no hole"
    assert uid != "slawatch-wall" or rows <= 22, "a wall is not scrolled"


def test_names_and_numbers_are_once_and_stay():
    for uid, board in BOARDS.items():
        assert board["uid"] == uid
        assert "id" not in board or board["id"] is None
        numbers = [panel["id"] for panel in board["panels"]]
        assert numbers == list(range(1, len(numbers) + 1))
    titles = [board["title"] for board in BOARDS.values()]
    assert len(set(titles)) == len(titles) == 5


@pytest.mark.parametrize("name", PANELS)
def test_blank_is_never_healthy(name):
    """Nothing, null and what lies below the scale are red and say so."""
    panel = PANELS[name]
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["noValue"] == "NO DATA"
    if panel["type"] in ("stat", "table", "state-timeline"):
        (special,) = (one for one in defaults["mappings"] if one["type"] == "special")
        assert special["options"]["match"] == "null+nan"
        assert special["options"]["result"]["color"] == "red"
        assert special["options"]["result"]["text"] == "NO DATA"
    if panel["type"] in ("stat", "state-timeline"):
        assert defaults["thresholds"]["steps"][0] == {"value": None, "color": "red"}
    if panel["type"] in ("timeseries", "state-timeline"):
        assert not defaults.get("custom", {}).get("spanNulls"), "no line over a gap"


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_has_both_languages_a_meaning_and_units(name):
    panel = PANELS[name]
    defaults = panel["fieldConfig"]["defaults"]
    assert CHINESE.search(panel["title"])
    assert re.search(r" ?· [A-Z]", panel["title"])
    assert CHINESE.search(panel["description"])
    assert re.search(r"[a-z]{3}", panel["description"])
    if panel["type"] in ("stat", "timeseries"):
        assert defaults["unit"] in UNITS
    overrides = panel["fieldConfig"].get("overrides", [])
    units = [one["value"] for over in overrides for one in over["properties"] if one["id"] == "unit"]
    assert set(units) <= UNITS
    scales = [one["value"] for over in overrides for one in over["properties"] if one["id"] == "thresholds"]
    for one in [defaults["thresholds"], *scales] if "thresholds" in defaults else scales:
        edges = [step["value"] for step in one["steps"]]
        assert edges[0] is None
        assert edges[1:] == sorted(edges[1:])
        assert len(set(edges)) == len(edges)


def test_links_lead_to_boards_that_are_there_with_variables_they_have():
    text = json.dumps(list(BOARDS.values()), ensure_ascii=False)
    addresses = set(re.findall(r'"url": "(/d/[^"]+)"', text))
    assert len(addresses) > 5
    for address in addresses:
        uid = re.match(r"/d/([\w-]+)", address)[1]
        has = {one["name"] for one in BOARDS[uid]["templating"].get("list", [])}
        assert set(re.findall(r"var-(\w+)=", address)) <= has
    for panel in PANELS.values():
        if panel["type"] == "table" and "${__data.fields." in json.dumps(panel):
            named = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
            asked = set(re.findall(r"\$\{__data\.fields\.(\w+)\}", json.dumps(panel)))
            assert asked <= named, "a link is filled from the row's own columns"


def test_every_query_asks_the_source_that_is_provisioned():
    (source,) = yaml.safe_load((FOLDER / "datasources" / "influxdb.yaml").read_text("utf-8"))["datasources"]
    (provider,) = yaml.safe_load((FOLDER / "provider" / "slawatch.yaml").read_text("utf-8"))["providers"]
    asked = {json.dumps(one["datasource"], sort_keys=True) for one in PANELS.values()}
    assert asked == {json.dumps({"type": source["type"], "uid": source["uid"]}, sort_keys=True)}
    assert source["jsonData"]["version"] == "Flux"
    grafana = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))["services"]["grafana"]
    mounts = dict(one.split(":")[:2] for one in grafana["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provider"] == "/etc/grafana/provisioning/dashboards"
    pinned = re.search(
        r"grafana-foundation-sdk==\d+!(\d+\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8")
    )[1]
    assert grafana["image"].split(":")[1].startswith(f"{pinned}."), (
        "boards are made for the Grafana that shows them"
    )
    assert len(questions()) > 50
