"""Files that are no YAML, YAML that means harm, and what it leaves to the keys."""

from __future__ import annotations

import pytest

from rules.load import load_pack, load_rules
from rules.problems import RulesError
from rules.yaml_marks import YamlMistake, parse
from tests.rules.files import PACK, problems_of_pack


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pack: [a", "p.yaml:2:1: not YAML: did not find expected ',' or ']'"),
        ("pack: a\n\tversion: 1", "p.yaml:2:1: not YAML: found a tab character that violates indentation"),
        ("pack: a\x00", "p.yaml:1:8: not YAML: "),
        ("", "p.yaml:1:1: the file is empty"),
        ("pack: a\n---\npack: b", "p.yaml:2:1: a second document; one file holds one"),
        ("pack: !!python/object/apply:os.system [ls]", "p.yaml:1:7: tags such as"),
        ("[" * 1000, "p.yaml:1:25: nested deeper than 24"),
        ("a: &a [*a]", "p.yaml:1:8: no anchor 'a' before this alias"),
        ("a: *b", "p.yaml:1:4: no anchor 'b' before this alias"),
        ("a: &a x\nb: [" + "*a, " * 201 + "]", "p.yaml:2:805: more than 200 aliases"),
        ("[a]: b", "p.yaml:1:1: a key must be a plain word"),
        ("x: " + "a" * 2_000_001, "p.yaml:1:1: the file has more than 2000000 characters"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text, told):
    (problem,) = problems_of_pack(text)
    assert problem.startswith(told)


def test_a_billion_laughs_are_counted_before_they_are_read():
    rows = ["a0: &a0 [" + "x," * 50 + "]"]
    rows += [f"a{n}: &a{n} [" + f"*a{n - 1}," * 50 + "]" for n in range(1, 4)]
    with pytest.raises(YamlMistake, match="more than 200000 values once aliases are written out"):
        parse("\n".join(rows))


def test_what_is_not_utf8_is_told_with_its_place(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes("pack: 店\nversion: ".encode() + b"\xff")
    with pytest.raises(RulesError, match=r"p\.yaml:2:10: not UTF-8; save it as UTF-8, found byte 0xff"):
        load_pack(path)


def test_a_byte_order_mark_from_windows_is_no_mistake(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + PACK.encode())
    assert load_pack(path).id == "p"


def test_a_missing_file_is_a_problem_like_any_other(tmp_path):
    with pytest.raises(RulesError, match=r"nowhere\.yaml:1:1: no such file or directory"):
        load_rules([tmp_path / "nowhere.yaml"], {})
    with pytest.raises(RulesError, match=r"nowhere\.yaml:1:1: cannot be read: No such file"):
        load_pack(tmp_path / "nowhere.yaml")


def test_yaml_guesses_nothing():
    """``on``, ``08:00`` and ``0x10`` are words until a key says what it wants."""
    told = problems_of_pack(PACK.replace('version: "1"', "version: on").replace('["08:00-23:00"]', "08:00"))
    assert told == [
        """p.yaml:4:16: cannot be read, found '08:00', allowed hours such as "08:00-23:00", up to "24:00\""""
    ]
