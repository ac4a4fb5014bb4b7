"""Events as shops' systems send them: the simulated day, with texts in Chinese and RFC 3339 times."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, timezone
from multiprocessing import get_context
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from monitor.workbench.simulate import Simulation
from monitor.workbench.world import make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY_MS = 86_400_000
FROM_MS = 1_794_326_400_000  # 2026-11-11T00:00:00+08:00
ZONE = timezone(timedelta(hours=8))

ASKED = (
    "在吗？这个有现货吗，今天拍下什么时候能发货",
    "身高165体重110斤穿什么码合适，怕买小了",
    "亲，我的快递三天没更新了，麻烦帮忙催一下，很急",
    "这款和旁边链接那款有什么区别？面料是纯棉的吗，会不会起球",
    "收到货发现少了一件，怎么处理",
    "可以改一下收货地址吗，刚拍的还没发货",
    "能便宜点吗",
    "退款怎么还没到账？已经寄回去五天了，物流显示你们已经签收了，再不处理我就申请平台介入了",
)
SAID = (
    "亲亲您好，在的呢，有什么可以帮您？",
    "亲，现货的哦，今天下午四点前拍下当天发出，默认发中通，一般两到三天就能收到呢",
    "按您的身高体重建议拍M码，喜欢宽松一点可以拍L码哈，不合适七天无理由退换，有运费险的",
    "非常抱歉给您带来不好的体验，我这边马上帮您联系快递核实，有结果第一时间回复您",
    "好的亲，已经为您备注修改地址，请您核对一下订单信息",
    "已经为您登记补发，预计今晚发出，单号出来后会短信通知到您",
)


def written(at_ms: int) -> str:
    """RFC 3339 with milliseconds, in the shops' zone."""
    return datetime.fromtimestamp(at_ms / 1000, ZONE).isoformat(timespec="milliseconds")


def traffic(events: int, shops: int = 100, seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """``(arrival_ms, line)`` of so many events of Pinduoduo shops, in order of arrival, spread over a day."""
    # Some 11 events a conversation, with the orders beside it; what is too many is left out.
    conversations = max(1, events * 95 // (1_000 * shops))
    world = make_world(
        shops, seed, FROM_MS, FROM_MS + DAY_MS, conversations=conversations, platforms=("pinduoduo",)
    )
    made = 0
    # Without heartbeats: they are cheap, and their number is that of sources and not of events.
    kept = (arrival for arrival in Simulation(world) if arrival[1].type != "heartbeat")
    for arrival_ms, event in itertools.islice(kept, events):
        fields = msgspec.to_builtins(event)
        fields["at"] = written(fields["at"])
        if event.type == "message":
            texts = ASKED if event.actor == "customer" else SAID
            fields["text"] = texts[crc32(event.id.encode()) % len(texts)]  # a repeat says the same again
        made += 1
        yield arrival_ms, msgspec.json.encode(fields)
    assert made == events, f"the day has {made} events only"


def traffic_from_outside(events: int) -> list[tuple[int, bytes]]:
    """As ``traffic``, from a process of its own, as it comes to a daemon.

    A simulator leaves its memory in holes, and what is measured there takes up to a tenth longer.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as outside:
        return outside.submit(_made, events).result()


def _made(events: int) -> list[tuple[int, bytes]]:
    return list(traffic(events))
