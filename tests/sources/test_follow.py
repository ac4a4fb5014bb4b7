"""Cutting a growing file into lines: whatever the pieces it is read in, the lines are the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.limits import LINE_BYTES
from monitor.sources.follow import TAIL_BYTES, Place, after, candidates, cut, hash_of


def lines_of(pieces, lines_max, *, whole=False):
    """The lines of data that comes in pieces, as a reader would take them."""
    place, data, before, found = Place("f", 1), b"", b"", []
    for number, piece in enumerate(pieces, 1):
        data += piece
        last = whole and number == len(pieces)
        while data and (part := cut(data, lines_max, inside=place.inside, whole=last)).taken:
            before = (before + data[: part.taken])[-TAIL_BYTES:]
            place, data = after(place, part, before), data[part.taken :]
            found += part.lines
    return found, place, data


@given(st.lists(st.binary(max_size=20)), st.integers(1, 5), st.booleans())
def test_lines_do_not_depend_on_the_pieces(pieces, lines_max, whole):
    content = b"".join(pieces)
    *lines, rest = content.split(b"\n")
    if whole and rest:
        lines, rest = [*lines, rest], b""
    found, place, left = lines_of(pieces or [b""], lines_max, whole=whole)
    assert (found, left) == (lines, rest)
    assert (place.offset, place.lines) == (len(content) - len(rest), len(lines))
    assert place.fits(content[: place.offset][-TAIL_BYTES:])


def test_a_line_that_is_too_long_is_given_once_by_its_start_and_dropped_to_its_end():
    pieces = [b"a\n" + b"x" * LINE_BYTES, b"xx", b"x" * 9 + b"\nb", b"\n"]
    found, place, left = lines_of(pieces, 10)
    assert (found[0], found[2:], left) == (b"a", [b"b"], b"")
    assert len(found[1]) > LINE_BYTES
    assert (place.offset, place.lines) == (sum(map(len, pieces)), 3)


def test_the_furthest_place_of_the_same_first_line_comes_first():
    places = [Place("a", 1, 10), Place("b", 1, 20), Place("c", 2, 30)]
    assert [place.name for place in candidates(places, 1)] == ["b", "a"]


def test_a_place_fits_only_what_was_taken():
    content = b"x" * TAIL_BYTES + b"tail"
    place = Place("a", 1, len(content), 1, hash_of(content[-TAIL_BYTES:]))
    assert place.fits(content[-TAIL_BYTES:])
    assert not place.fits(content[-TAIL_BYTES:-1])
    assert not place.fits(content[-TAIL_BYTES - 1 : -1])
    assert Place("new", 1).fits(b"")
