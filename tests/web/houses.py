"""A real server on a free port of 127.0.0.1, and stand-ins for the runtime behind it."""

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn

from alerting.policy.acts import OPINIONS, Act, Standing
from monitor.sinks.dead_letters import DeadLetters
from monitor.sinks.metrics import Metrics
from monitor.web.app import WebPorts
from monitor.web.ports import (
    AlertView,
    Headline,
    LineView,
    Receipt,
    Refused,
    ShopView,
    SourceStatus,
    Status,
    Step,
    UnknownError,
    WaitingView,
)
from monitor.web.tokens import Tokens
from tests.waiting import PATIENCE_S

NOW_MS = 1_794_363_630_123  # 2026-11-11T10:20:30.123+08:00
WELL = Status(ready=True, now_ms=NOW_MS, sources=(SourceStatus("erp", blind=False),))


@dataclass
class StandIn:
    """Entrance, view and desk at once: keeps what it is given, shows what it is told."""

    letters: DeadLetters
    shown_shops: list = field(default_factory=list)
    shown_waiting: list = field(default_factory=list)
    shown_alerts: list = field(default_factory=list)
    shown_status: Status = field(default_factory=lambda: WELL)
    seen: dict = field(default_factory=dict)
    batches: list = field(default_factory=list)
    acknowledged: list = field(default_factory=list)
    done: list = field(default_factory=list)
    ready: bool = True
    holds_ms: int = 0
    silences: list = field(default_factory=list)
    failure: Exception | None = None

    def ports(self, tokens, metrics):
        """Itself for all that a web application answers from."""
        return WebPorts(self, self, self, self, self, tokens, metrics, self.letters, lambda: NOW_MS)

    async def accept(self, source, events, arrival_ms):
        if self.failure:
            raise self.failure
        self.batches.append((source, list(events), arrival_ms))
        duplicates, rejected = 0, []
        for place, event in enumerate(events):
            known = self.seen.setdefault(event.id, event.actor)
            if event.id in [one.id for one in events[:place]] or known != event.actor:
                if known != event.actor:
                    rejected.append(
                        Refused(place, "reused", "id came before with other content; use a new id")
                    )
                else:
                    duplicates += 1
        return Receipt(len(events) - duplicates - len(rejected), duplicates, tuple(rejected))

    async def refuse(self, source, rejected, arrival_ms):
        await asyncio.to_thread(self.letters.add, source, rejected, arrival_ms)

    def shops(self):
        return self.shown_shops

    def shop(self, platform, shop_id):
        return next(
            (one for one in self.shown_shops if (one.platform, one.shop_id) == (platform, shop_id)), None
        )

    def at_risk(self, limit, covers=None):
        found = [w for w in self.shown_waiting if covers is None or covers(f"{w.platform}:{w.shop_id}")]
        return found[:limit], len(found)

    def alerts(self):
        return self.shown_alerts

    def status(self):
        return self.shown_status

    async def acknowledge(self, alert_id, by, comment, incident="", holds_ms=0):
        self.acknowledged.append((alert_id, by, comment))
        self.holds_ms = holds_ms
        return self._do("acknowledge", alert_id, by, comment, incident)

    async def resolve(self, alert_id, by, comment, incident=""):
        return self._do("resolve", alert_id, by, comment, incident)

    async def judge(self, alert_id, opinion, by, comment, incident=""):
        return self._do(opinion, alert_id, by, comment, incident)

    async def mute(self, alert_id, by, incident):
        return self._do("silence", alert_id, by, "", incident)

    def _do(self, what, alert_id, by, comment, incident):
        firing = {one.id: f"{one.id}@{one.since_ms}" for one in self.shown_alerts}.get(alert_id)
        known = firing is not None and incident in ("", firing)
        if known or (what in OPINIONS and incident):
            self.done.append(Act(NOW_MS, by, what, alert_id, incident or firing, comment))
            return True
        return False

    async def acts(self, incident):
        return [act for act in self.done if act.incident == incident]

    async def audit(self, limit):
        return self.done[::-1][:limit]

    async def standings(self):
        said = [(act.rule, act.what) for act in self.done if act.what in OPINIONS]
        return [
            Standing(rule, said.count((rule, "false_alarm")), said.count((rule, "useful")))
            for rule in dict(said)
        ]

    def headline(self, rule, subject):
        shop = subject.get("shop", "")
        return Headline(
            {"zh": "3分钟回复率逼近红线", "en": rule}, {"zh": f"店铺 {shop}", "en": f"Shop {shop}"}, ""
        )

    async def why(self, rule_id, subject):
        if rule_id == "none":
            raise UnknownError("no rule 'none'", mend="did you mean one?", code="not_found")
        return [Step(1, "verdict", "ok", f"{rule_id} on {subject}")]

    async def explain(self, platform, shop_id, measure, day, *, clear):
        if measure == "none":
            raise UnknownError("no measure 'none'", mend="did you mean one?", code="not_found")
        return {"asked": [platform, shop_id, measure, day, clear]}

    async def silence(self, silence):
        self.silences.append(silence)
        return f"s{len(self.silences)}"

    async def unsilence(self, silence_id, by):
        self.silences = [one for one in self.silences if one.id != silence_id]

    def silences_in_force(self):
        return self.silences

    def matching(self, matchers):
        return [one.id for one in self.shown_alerts if one.subject.get("shop") == matchers.get("shop")]

    @property
    def ids(self):
        return [event.id for _, events, _ in self.batches for event in events]


@contextmanager
def served(app):
    """The address of an application served on a free port."""
    config = uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=2, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    started = threading.Event()
    startup = server.startup

    async def tell(sockets=None):
        await startup(sockets)
        started.set()

    server.startup = tell
    thread.start()
    assert started.wait(PATIENCE_S)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.streams.stop()
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@dataclass
class House:
    """The application with what it stands on."""

    app: object
    behind: StandIn
    tokens: Tokens
    metrics: Metrics
    letters: DeadLetters


def shop(number, health="ok", *, blind=False, left=20, tonight=38, breach_in_s=None, at_risk=0, **fields):
    known = not blind
    line = LineView(
        "pdd-reply-50", "reply_rate_3m", "day", "≥ 50%", {"zh": "罚 ¥1000", "en": "¥1000"},
        budget_left=left if known else None, budget_left_today=tonight if known else None,
        breach_in_s=breach_in_s, at_risk=at_risk, asked=412, late=21,
        title={"zh": "3分钟人工回复率", "en": "3-minute human reply rate"},
    )  # fmt: skip
    base = {"name": f"第{number}旗舰店", "waiting": 3, "oldest_wait_ms": 95_000, "lines": (line,)} | fields
    return ShopView("pinduoduo", f"s{number}", health, blind, **base)


def waiting(number, left_ms, **fields):
    base = {
        "agent_id": "客服小王",
        "shop_name": "第1旗舰店",
        "url": f"https://chat.example/{number}",
    } | fields
    ask_ms = NOW_MS + left_ms - 180_000
    return WaitingView(
        "pinduoduo", "s1", f"c{number}", f"u{number}", "reply_rate_3m", ask_ms, ask_ms + 180_000, **base
    )


def alert(number, severity="crit", **fields):
    base = {
        "title": {"zh": "3分钟回复率逼近红线", "en": "Reply rate near its line"},
        "state": "firing",
        "name": {"zh": f"第{number}旗舰店", "en": f"Shop {number}"},
        "reason_ms": NOW_MS - 60_000,
        "timezone": "Asia/Shanghai",
        "incident": f"pdd-reply-drift|shop=pinduoduo:s{number}@{NOW_MS - 300_000}",
    } | fields
    return AlertView(
        f"pdd-reply-drift|shop=pinduoduo:s{number}", "pdd-reply-drift", base.pop("title"),
        {"shop": f"pinduoduo:s{number}"}, base.pop("state"), severity, NOW_MS - 300_000,
        {"zh": "余量 3，约 18 分钟后触线", "en": "3 misses left, line in 18 min"}, **base,
    )  # fmt: skip
