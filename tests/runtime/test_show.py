"""What pages show of figures: nearness to a line, budgets, countdowns."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

from alerting.ports import RuleInfo, ShopInfo
from monitor.directory import Shop
from monitor.runtime import limits, names
from monitor.runtime.ports import SourceHeard, Watched
from monitor.runtime.show import countdowns, share, shop_health, shop_view, waiting_view
from monitor.runtime.view import View
from monitor.web.ports import Status
from rules.pack import Line, Measure, Share, Text
from rules.reading import FixedReading
from rules.rule import RuleSet
from rules.transition import Item

NOW = 1_770_000_000_000
RATE = Measure("reply_rate_3m", Text("3分钟回复率", "3-minute reply rate"), "reply_rate", within_ms=180_000)
TIMES = Measure("response_time", Text("响应时长"), "response_time")
LINE = Line("pdd-90", "reply_rate_3m", "day", at_least=Share(9, 10), penalty=Text("限流"))
TIGHT = Line("pdd-95", "reply_rate_3m", "day", at_least=Share(19, 20), min_count=500)


def reading(**figures):
    return FixedReading(NOW, **figures)


def lines_of(**figures):
    r = reading(**figures)
    return [Watched(RATE, "day", LINE, r), Watched(RATE, "day", TIGHT, r), Watched(RATE, "day", None, r)]


def test_a_line_shows_the_budget_of_the_design_example():
    """N 412, L 21, p 90 %, R 180: 20 misses now, 38 by tonight."""
    view = shop_view(
        "pdd:s1", lines_of(asked=412, late=21, expected=180), ShopInfo("一号店", team="红队"), "ok"
    )
    line = view.lines[0]
    assert (line.limit, line.budget_left, line.budget_left_today) == ("≥ 90%", 20, 38)
    assert (view.name, view.team, view.key, view.as_of_ms) == ("一号店", "红队", "pdd:s1", NOW)
    assert view.lines[1].budget_left is None, "fewer asked than the line counts from"


def test_a_shop_has_the_name_and_team_of_shops_yaml():
    known = names.Names({}, RuleSet(), {"pdd:s1": Shop(name="一号店", team="红队")}, {}).shop("pdd:s1")
    assert (known.name, known.team) == ("一号店", "红队")


def test_of_lines_equally_near_the_dearer_comes_first():
    dear = replace(LINE, id="dear", penalty_cny=1000)
    watched = [Watched(RATE, "day", line, reading(asked=412, late=21)) for line in (LINE, dear)]
    lines = shop_view("pdd:s1", watched, ShopInfo("s"), "ok").lines
    assert [line.line for line in lines] == ["dear", "pdd-90"]


def test_a_blind_shop_never_shows_a_budget_and_is_unknown():
    watched = lines_of(asked=1_000, late=1, blind=True)
    view = shop_view("pdd:s1", watched, ShopInfo("s"), shop_health([], watched))
    assert (view.health, view.blind) == ("unknown", True)
    assert [line.budget_left for line in view.lines] == [None, None]


def test_health_is_the_worst_that_is_known():
    whole, part = lines_of(asked=10), lines_of(asked=10, complete=False)
    assert shop_health([], whole) == "ok"
    assert shop_health([], part) == "partial"
    assert shop_health(["warn", "crit"], part) == "crit"
    assert shop_health(["warn"], lines_of(blind=True)) == "unknown"


def test_figures_are_given_with_four_decimals_half_up():
    assert [share(2, 3), share(1, 3), share(1, 20_000), share(1, 20_001), share(5, 5), share(0, 0)] == [
        "0.6667",
        "0.3333",
        "0.0001",
        "0.0000",
        "1.0000",
        None,
    ]
    watched = [
        Watched(RATE, "day", None, reading(asked=3, late=1, open=1)),
        Watched(TIMES, "day", None, reading(asked=7, mean_ms=4_000, p90_ms=9_000, complete=False)),
    ]
    rate, times = shop_view("pdd:s1", watched, ShopInfo("s"), "ok", figures=True).figures
    assert (rate.value, rate.worst, rate.parts) == ("0.6667", "0.3333", {"asked": 3, "late": 1, "open": 1})
    assert (times.value, times.parts["count"], times.parts["p90_ms"], times.partial) == (None, 7, 9_000, True)


def test_a_conversation_is_listed_once_with_its_first_deadline_and_its_link():
    early, late = Item("c1", "u1", NOW, NOW + 60_000), Item("c1", "u1", NOW, NOW + 180_000)
    watched = [
        Watched(RATE, "day", LINE, reading(items=(late,))),
        Watched(RATE, "day", None, reading(items=(late,))),
        Watched(TIMES, "day", None, reading(items=(early, Item("c2", "u2", NOW, NOW + 90_000)))),
    ]
    info = ShopInfo("s", url="https://chat/{conversation_id}?u={customer_id}")
    shown = [waiting_view("pdd:s1", one, info, "") for one in countdowns(watched)]
    assert [(w.conversation_id, w.deadline_ms - NOW, w.url) for w in shown] == [
        ("c2", 90_000, "https://chat/c2?u=u2"),
        ("c1", 60_000, "https://chat/c1?u=u1"),
    ]


def test_of_one_shop_every_conversation_is_listed_though_others_have_thousands_that_end_sooner():
    def rounds(shop, count, left_ms):
        items = tuple(Item(f"{shop}-{n}", "u", NOW, NOW + left_ms + n) for n in range(count))
        return [Watched(RATE, "day", None, reading(items=items))]

    view = view_of({"pdd:busy": rounds("busy", 1_500, 1_000), "pdd:calm": rounds("calm", 2, 90_000)})
    soonest, total = view.at_risk(100)
    assert ([w.conversation_id for w in soonest], total) == ([f"busy-{n}" for n in range(100)], 1_502)
    calm, of_it = view.at_risk(100, lambda shop: shop == "pdd:calm")
    assert ([w.conversation_id for w in calm], of_it) == (["calm-0", "calm-1"], 2)


def waiting_for(*left_s):
    items = tuple(Item(f"c{n}", "u", NOW, NOW + left * 1_000) for n, left in enumerate(left_s))
    return [Watched(RATE, "day", None, reading(items=items))]


def test_what_was_answered_or_ran_out_since_the_lists_were_made_is_not_shown():
    figures = Figures({f"pdd:s{n}": waiting_for(1, 2, 60 + n) for n in range(limits.VIEW_SHOPS_AT_ONCE + 1)})
    view = view_over(figures)
    asyncio.run(view.refresh())
    figures.now_ms, figures.answered = NOW + 1_500, {"c1"}
    soonest, total = view.at_risk(2)
    assert [(w.shop_id, w.conversation_id) for w in soonest] == [("s0", "c2"), ("s1", "c2")]
    assert total == 101


def test_reading_all_shops_leaves_the_loop_to_others(monkeypatch):
    """A second is judged on the same loop: what pages cost must not make a countdown late."""
    monkeypatch.setattr(limits, "VIEW_SLICE_S", 0.0)
    monkeypatch.setattr(limits, "VIEW_REST", 0)
    figures = Figures({f"pdd:s{n}": waiting_for(60) for n in range(20)})
    view = view_over(figures)

    async def others_run() -> list[int]:
        refresh, read = asyncio.create_task(view.refresh()), [0]
        while not refresh.done():
            await asyncio.sleep(0)
            read.append(figures.read)
        return read

    read = asyncio.run(others_run())
    assert max(after - before for before, after in itertools.pairwise(read)) == 1


def test_a_new_round_is_listed_once_its_shop_is_read_and_not_once_all_are(monkeypatch):
    """One that has 30 s would be late before it was seen."""
    monkeypatch.setattr(limits, "VIEW_SLICE_S", 0.0)
    monkeypatch.setattr(limits, "VIEW_REST", 0)
    figures = Figures({f"pdd:s{n}": waiting_for(60) for n in range(20)})
    view = view_over(figures)

    async def scene() -> int:
        await view.refresh()
        figures.shops["pdd:s0"] = waiting_for(60, 30)
        refresh = asyncio.create_task(view.refresh())
        await asyncio.sleep(0)
        total = view.at_risk(1)[1]
        assert figures.read == 21
        await refresh
        return total

    assert asyncio.run(scene()) == 21


def test_the_first_lists_are_made_without_a_rest(monkeypatch):
    monkeypatch.setattr(limits, "VIEW_SLICE_S", 0.0)
    monkeypatch.setattr(limits, "VIEW_REST", 1e12)
    view = view_over(Figures({f"pdd:s{n}": waiting_for(60) for n in range(20)}))
    asyncio.run(asyncio.wait_for(view.refresh(), 5))
    assert view.at_risk(1)[1] == 20


def test_lists_are_there_before_anybody_asks():
    """A page opened right after a start would say that nobody waits."""
    figures = Figures({"pdd:s1": waiting_for(60)})
    view = view_over(figures)

    async def started() -> int:
        running = asyncio.create_task(view.run())
        await asyncio.sleep(0)
        running.cancel()
        return figures.read

    assert asyncio.run(started()) == 1


def test_shops_that_take_long_to_read_are_not_read_while_somebody_waits(monkeypatch):
    monkeypatch.setattr(limits, "VIEW_SLICE_S", 0.0)
    monkeypatch.setattr(limits, "VIEW_REST", 0)
    figures = Figures({"pdd:busy": waiting_for(60)})
    view = view_over(figures)
    asyncio.run(view.refresh())
    figures.now_ms += 1_000
    assert view.at_risk(100)[1] == 1
    assert figures.read == 1


class Figures:
    now_ms = NOW

    def __init__(self, shops) -> None:
        self.shops = shops
        self.answered = set()
        self.read = 0

    def shop_keys(self):
        return list(self.shops)

    def waits(self, shop, conversation_id, ask_ms):
        return conversation_id not in self.answered

    def watched(self, shop):
        self.read += 1
        return self.shops.get(shop, ())

    def sources(self):
        return [SourceHeard("erp", True, 0)]


class Names:
    def shop(self, key):
        return ShopInfo(key.upper())

    def rule(self, rule, shop):
        return RuleInfo(Text(rule))


def view_of(shops):
    return view_over(Figures(shops))


def view_over(figures):
    return View(
        lambda: figures,
        lambda: None,
        Names(),
        lambda sources, count: Status(True, NOW, shops=count, sources=sources),
    )


def test_the_shop_nearest_to_a_line_comes_first_and_one_without_a_miss_behind():
    shops = {
        "pdd:calm": lines_of(asked=5),
        "pdd:close": lines_of(asked=100, late=9),
        "pdd:crossed": lines_of(asked=100, late=15),
        "pdd:far": lines_of(asked=1_000, late=10),
        "pdd:blind": lines_of(asked=100, late=3, blind=True),
    }
    view = view_of(shops)
    first = view.shops()
    asyncio.run(view.refresh())
    assert first == view.shops()
    assert [s.key for s in view.shops()] == ["pdd:crossed", "pdd:blind", "pdd:close", "pdd:far", "pdd:calm"]
    assert view.shop("pdd", "nobody") is None
    assert view.shop("pdd", "close").name == "PDD:CLOSE"
    assert (view.status().shops, view.status().sources[0].blind) == (5, True)
