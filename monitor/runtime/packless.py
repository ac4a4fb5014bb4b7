"""Platforms that events come of and no pack serves: taken, without measures, and warned of once a run."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import structlog

from monitor.runtime import limits
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.engine.spec import EngineSpec
    from monitor.runtime.health import Health
    from monitor.runtime.ports import Outputs
    from monitor.shard.shard import Shard

log = structlog.get_logger(__name__)


class Packless:
    """Looks at each shop once, when it is new, and at all of them when packs have changed.

    Args:
        shard: The live shard, or None while it is restored.
        health: Where the warning stays to be seen.
        count: Told how many such platforms there are.
    """

    def __init__(
        self, shard: Callable[[], Shard | None], health: Health, count: Callable[[int], object]
    ) -> None:
        self._shard, self._health, self._count = shard, health, count
        self._looked = 0
        self._platforms: set[str] = set()
        self._spec: EngineSpec | None = None  # by which those were looked at

    def look(self, _outputs: Outputs) -> None:
        """Look at the shops that are new since the step before."""
        shard = self._shard()
        if shard is None:
            return
        spec, shops = shard.engine.spec, shard.engine.shops
        if spec is not self._spec:
            self._begin_anew(spec)
        if len(shops) == self._looked:
            return
        for key, shop in islice(shops.items(), self._looked, None):
            if shop.platform not in self._platforms and spec.of(shop.platform, key) is spec.default:
                self._warn(shop.platform, key)
        self._looked = len(shops)

    def _begin_anew(self, spec: EngineSpec) -> None:
        if spec != self._spec:  # another one that says the same comes with a shard that was restored
            for platform in self._platforms:
                self._health.notices.pop(_notice_of(platform), None)
            self._platforms.clear()
            self._count(0)
            self._looked = 0
        self._spec = spec

    def _warn(self, platform: str, shop: str) -> None:
        if len(self._platforms) >= limits.PACKLESS_TOLD:
            return
        self._platforms.add(platform)
        self._count(len(self._platforms))
        mend = "add one to the directory of `packs`, or name one for its shops in shops.yaml"
        self._health.notices[_notice_of(platform)] = Text(
            f"平台 {platform}：没有规则包，其店铺没有指标；请在 `packs` 目录中加一个，或在 shops.yaml 中指定",
            f"platform {platform}: no pack, so its shops have no measures; {mend}",
        )
        log.warning("platform without a pack", platform=platform, shop=shop, mend=mend)


def _notice_of(platform: str) -> str:
    return f"platform {platform}"
