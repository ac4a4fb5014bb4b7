"""Configuration: what is right is read with its units, what is wrong is named with its place."""

import os
import re

import pytest

from monitor.configuration import ConfigurationError
from monitor.directory import load_people, load_shops
from monitor.settings import Settings, load_settings, secret_variable


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("SLAWATCH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "slawatch.yaml").write_text(text, "utf-8")
        return load_settings(tmp_path / "slawatch.yaml")

    return load


def problems(load, text):
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    return [re.sub(r"^/.*/slawatch", "slawatch", problem) for problem in caught.value.problems]


def test_without_a_file_the_defaults_are_safe():
    settings = load_settings()
    assert (settings.host, settings.port, settings.is_loopback) == ("127.0.0.1", 8700, True)
    assert (settings.lateness, settings.silent_after, settings.low_water) == (600_000, 900_000, 256 << 20)
    settings.require_safe(tokens=0)


def test_a_file_is_read_with_its_units(load):
    settings = load(
        "listen: '[::1]:0'\nlateness: 5m\nlow_water: 1GB\njournal: {keep: 40d, keep_size: 64mb}\n"
        "sources:\n  erp: {heartbeat: 10s}\n  crm:\n    silent_after: 2h\n"
    )
    assert (settings.host, settings.port, settings.is_loopback) == ("::1", 0, True)
    assert (settings.lateness, settings.low_water) == (300_000, 1 << 30)
    assert (settings.journal.keep, settings.journal.keep_size) == (40 * 86_400_000, 64 << 20)
    assert (settings.sources["erp"].heartbeat, settings.sources["crm"].silent_after) == (10_000, 7_200_000)


def test_every_mistake_is_named_with_its_place_and_what_was_meant(load):
    text = (
        "latenes: 5m\nlow_water: much\nsources:\n  erp:\n    hartbeat: 10s\n    silent_after: 1s\n"
        "log: {level: loud}\n"
    )
    assert problems(load, text) == [
        "slawatch.yaml:2:1: `low_water`: not a size such as 256MB or 20GB, found 'much'",
        "slawatch.yaml:6:5: `sources.erp.silent_after`: must be at least 10s, found '1s'",
        "slawatch.yaml:5:5: unknown key `sources.erp.hartbeat`, did you mean heartbeat?",
        "slawatch.yaml:7:7: `log.level`: Input should be 'debug', 'info', 'warning' or 'error', found 'loud'",
        "slawatch.yaml:1:1: unknown key `latenes`, did you mean lateness?",
    ]


def test_shapes_and_bounds_are_told_in_words(load, tmp_path):
    """What pydantic says of patterns, tuples and instances of classes is for who wrote the program."""
    text = (
        "sources: {ERP: {heartbeat: 10s}, erp: 10s}\n"
        "journal: {keep_size: 20}\n"
        "limits: {requests_per_minute: 0, body: 5KB}\n"
    )
    assert [problem.removeprefix("slawatch.yaml:") for problem in problems(load, text)] == [
        "1:11: `sources.ERP`: not a name: small letters a to z, digits and _ . -, at most 64, found 'ERP'",
        "1:34: `sources.erp`: must be a mapping of keys to values, found '10s'",
        "2:11: `journal.keep_size`: must be at least 64MB, found '20'",
        "3:10: `limits.requests_per_minute`: Input should be greater than or equal to 1, found '0'",
        "3:34: `limits.body`: must be at least 64KB, found '5KB'",
    ]
    (tmp_path / "shops.yaml").write_text("shops:\n  s1: {lines: {a: 92%, b: {at_least: 92}}}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_shops(tmp_path / "shops.yaml")
    assert [problem.partition("shops.yaml:")[2] for problem in caught.value.problems] == [
        "2:3: `shops.s1`: not a shop: platform:shop_id, as pinduoduo:s1, found 's1'",
        "2:16: `shops.s1.lines.a`: must be a mapping of keys to values, found '92%'",
        "2:28: `shops.s1.lines.b.at_least`: not a percentage such as 92% or 0.3%, found '92'",
    ]
    (tmp_path / "people.yaml").write_text("people:\n  lin: {agent_ids: a1}\n")
    with pytest.raises(ConfigurationError, match=r"`people\.lin\.agent_ids`: must be a list, found 'a1'"):
        load_people(tmp_path / "people.yaml")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [", "2:1"),
        ("- a", "1:1"),
        ("listen: x\nlisten: y", "2:1"),
        ("a: !!python/object:os.system x", "1:4"),
    ],
)
def test_what_is_no_mapping_of_keys_is_named_with_its_place(load, text, place):
    assert problems(load, text)[0].startswith(f"slawatch.yaml:{place}: ")


@pytest.mark.parametrize(
    "listen", ["8700", "127.0.0.1", "example.com:80", "127.0.0.1:99999", "127.0.0.1:x", ":80"]
)
def test_an_address_must_be_an_address(load, listen):
    (problem,) = problems(load, f"listen: '{listen}'")
    assert problem.startswith("slawatch.yaml:1:1: `listen`: must ")
    assert problem.endswith(f", found '{listen}'")


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "192.168.1.5:8700"])
def test_another_address_without_a_token_is_refused_with_the_mend(load, listen):
    settings = load(f"listen: '{listen}'")
    with pytest.raises(ConfigurationError, match="slawatch tokens add"):
        settings.require_safe(tokens=0)
    settings.require_safe(tokens=1)


def test_the_environment_wins_over_the_file(load, monkeypatch):
    monkeypatch.setenv("SLAWATCH_LATENESS", "1m")
    monkeypatch.setenv("SLAWATCH_JOURNAL__KEEP", "3d")
    monkeypatch.setenv("SLAWATCH_SOURCES__ERP__HEARTBEAT", "30s")
    settings = load("lateness: 5m\njournal: {keep_size: 64MB}")
    assert (settings.lateness, settings.journal.keep, settings.journal.keep_size) == (
        60_000,
        259_200_000,
        64 << 20,
    )
    assert settings.sources["erp"].heartbeat == 30_000


def test_a_misspelt_or_bad_variable_is_named(load, monkeypatch):
    monkeypatch.setenv("SLAWATCH_LATENES", "1m")
    misspelt = "environment SLAWATCH_LATENES: unknown, did you mean SLAWATCH_LATENESS?"
    assert problems(load, "") == [misspelt]
    assert problems(load, "lsten: x") == [
        misspelt, "slawatch.yaml:1:1: unknown key `lsten`, did you mean listen?",
    ]  # fmt: skip
    monkeypatch.delenv("SLAWATCH_LATENES")
    monkeypatch.setenv("SLAWATCH_LATENESS", "soon")
    monkeypatch.setenv("SLAWATCH_JOURNAL__KEEP", "long")
    for file in ("", "lateness: 5m\njournal: {keep: 35d}"):  # what the file says there is not what is wrong
        lateness, keep = problems(load, file)
        assert lateness.startswith("environment SLAWATCH_LATENESS: `lateness`: not a duration")
        assert keep.startswith("environment SLAWATCH_JOURNAL__KEEP: `journal.keep`: not a duration")


def test_a_webhook_s_secret_comes_from_one_place_and_is_never_shown(load, tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    settings = load(
        "sources: {front: {chatwoot: {secret_file: secret, platform: taobao, shops: {7: flagship}}}}"
    )
    source = settings.chatwoot_sources(tmp_path)["front"]
    assert (source.secret, source.platform, source.shops) == ("s3cret", "taobao", {"7": "flagship"})
    assert "s3cret" not in repr(load("sources: {front: {chatwoot: {secret: s3cret}}}"))
    for text in ("{}", "{secret: s3cret, secret_file: secret}"):
        (problem,) = problems(load, f"sources: {{front: {{chatwoot: {text}}}}}")
        assert "either `secret` or `secret_file`" in problem
        assert "s3cret" not in problem
    with pytest.raises(ConfigurationError, match="gone: No such file"):
        load("sources: {front: {chatwoot: {secret_file: gone}}}").chatwoot_sources(tmp_path)


def test_every_setting_says_what_it_is():
    def undescribed(model):
        for name, field in model.model_fields.items():
            if not field.description:
                yield f"{model.__name__}.{name}"
            for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
                if hasattr(inner, "model_fields"):
                    yield from undescribed(inner)

    assert list(undescribed(Settings)) == []


def test_shops_and_people_are_read(tmp_path):
    (tmp_path / "shops.yaml").write_text(
        "shops:\n  pinduoduo:007: {name: 旗舰店, team: 一组, labels: {tier: A},\n"
        "    lines: {pdd-reply-50: {at_least: 55%}},\n"
        "    conversation_url: 'https://chat.example/{conversation_id}'}\n",
        "utf-8",
    )
    (tmp_path / "people.yaml").write_text("people: {zhang: {phone: '13800138000', teams: [一组]}}", "utf-8")
    shop = load_shops(tmp_path / "shops.yaml")["pinduoduo:007"]
    assert (shop.name, shop.lines["pdd-reply-50"].at_least) == ("旗舰店", "55%")
    person = load_people(tmp_path / "people.yaml")["zhang"]
    assert (person.phone.get_secret_value(), person.teams) == ("13800138000", ("一组",))
    assert "13800138000" not in repr(person)
    assert load_shops(tmp_path / "none.yaml") == load_people(tmp_path / "none.yaml") == {}


def test_mistakes_in_shops_and_people_are_placed_and_no_number_is_shown(tmp_path):
    (tmp_path / "shops.yaml").write_text(
        "shops:\n  taobao:1: {conversation_url: 'https://x/{chat}', temas: x}\n  taobao: {}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_shops(tmp_path / "shops.yaml")
    assert [problem.rpartition("/shops.yaml:")[2][:4] for problem in caught.value.problems] == [
        "2:14",
        "2:52",
        "3:3:",
    ]
    assert "did you mean team?" in str(caught.value)
    for phone in ("1380013800x", "１３８００１３８０００"):  # no provider dials the second
        (tmp_path / "people.yaml").write_text(f"people: {{zhang: {{phone: {phone}}}}}")
        with pytest.raises(ConfigurationError) as caught:
            load_people(tmp_path / "people.yaml")
        assert phone[:10] not in str(caught.value)


def test_a_variable_that_holds_a_secret_is_no_misspelt_setting(load, monkeypatch):
    monkeypatch.setenv("SLAWATCH_SECRET_BOT", "hush")
    load("")
    assert secret_variable("SLAWATCH_SECRET_BOT") == "hush"
