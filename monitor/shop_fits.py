"""Whether what ``shops.yaml`` says of shops fits the packs that count them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from monitor.configuration import ConfigurationError, read_yaml
from rules.problems import Problem, closest
from rules.values import share

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from monitor.configuration import Location
    from monitor.directory import LineOverride, Shop
    from rules.pack import Line, Pack

Misfit = tuple["Location", str, str, "Collection[str]"]  # where, what, found, allowed


def refuse_misfits(path: Path, shops: Mapping[str, Shop], packs: Mapping[str, Sequence[Pack]]) -> None:
    """Compare each shop's pack and lines with those there are.

    Raises:
        ConfigurationError: With every mistake, each at its place in ``path``.
    """
    found = [one for key, shop in shops.items() for one in _misfits(key, shop, packs)]
    if found:
        places = read_yaml(path)[1]
        raise ConfigurationError(
            str(
                Problem(
                    str(path), *places[at], what, f"'{wrong}'", " ".join(allowed), closest(wrong, allowed)
                )
            )
            for at, what, wrong, allowed in found
        )


def packless(shops: Mapping[str, Shop], packs: Mapping[str, Sequence[Pack]]) -> dict[str, int]:
    """Platforms of which shops are named and that no pack counts, with how many."""
    return dict(
        Counter(key.partition(":")[0] for key, shop in shops.items() if not _pack_of(key, shop, packs))
    )


def lines_of(key: str, shop: Shop, packs: Mapping[str, Sequence[Pack]]) -> dict[str, Line]:
    """The lines of the pack that counts a shop, of its newest version that has them."""
    versions = packs.get(_pack_of(key, shop, packs), ())
    return {line.id: line for pack in versions for line in pack.lines.values()}


def _pack_of(key: str, shop: Shop, packs: Mapping[str, Sequence[Pack]]) -> str:
    platforms = {versions[-1].platform or name: name for name, versions in packs.items()}
    return shop.pack or platforms.get(key.partition(":")[0], "")


def _misfits(key: str, shop: Shop, packs: Mapping[str, Sequence[Pack]]) -> Iterator[Misfit]:
    at: Location = ("shops", key)
    if shop.pack and shop.pack not in packs:
        yield (*at, "pack"), "no such pack", shop.pack, list(packs)
        return
    known = lines_of(key, shop, packs)
    for name, own in shop.lines.items():
        if name not in known:
            yield (*at, "lines", name), "its pack has no such line", name, list(known)
        else:
            yield from _of_line((*at, "lines", name), own, known[name])


def _of_line(at: Location, own: LineOverride, line: Line) -> Iterator[Misfit]:
    side, other = ("at_least", "at_most") if line.at_least else ("at_most", "at_least")
    if getattr(own, other) is not None:
        yield (*at, other), "the wrong side of this line", other, [side]
    limit = share(getattr(own, side) or "0%")
    if limit is not None and limit.of > limit.per:
        yield (*at, side), "not a share", getattr(own, side), ["0% to 100%"]
