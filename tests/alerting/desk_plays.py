"""A small language for what a desk tells over a day: who did what when, and indented what inboxes show.

    10:00:00 s1 crit                     s1's alert fires; also warn, holding, ok, ended
      10:00:00 bot: fire crit s1         one message on the account, with its intents
    10:05:00 ack s1 laowang [30m]
    10:05:00 close s1 laowang            by hand
    10:06:00 silence quiet shop=*:s2 30m    or "resolved"; "unsilence quiet" ends it
    10:07:00 down sms | up sms           takes nothing | again
    10:07:00 refuse sms                  fails for good from here on
    10:08:00 receipt sms failed          of the last message there
    10:09:00 source erp crit             the source's own alert
    d2 08:00:00 tick                     on the second day

The desk is restored from its rows before every fold; the sender is pretended by its own pure parts. A play
must show exactly the indented lines, in their order.
"""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import yaml

from alerting.config.model import Alerting
from alerting.policy.compose import Ready, compose
from alerting.policy.records import Ack, Queued, Resolve, Result, Sibling, Silence, Tick, Unsilence, alert_key
from alerting.policy.settle import settle
from rules.values import duration_ms
from tests.alerting.worlds import Memory, Shard

DAY = datetime(2026, 11, 23, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Monday
HOUSE = """
accounts:
  bot: {type: wecom_bot, key: k}
  lead: {type: wecom_bot, key: k2}
  app: {type: wecom_app, corp_id: ww1, agent_id: 1, secret: s, users: ["@all"]}
  sms: {type: tencent_sms, access_id: a, secret: s, app_id: "1400006666", phones: ["13800000001"],
        sign_name: x, template: "1", params: [shop, severity]}
receivers:
  managers: {accounts: [bot]}
  leads: {accounts: [lead]}
  duty: {accounts: [app], to: [nights]}
  phones: {accounts: [sms], to: [laowang]}
default: managers
schedules:
  nights:
    rotations: [{people: [xiaoli, laowang], starts: 2026-11-23, every: 1d, hand_over: "09:00"}]
"""
SHOPS = {
    "pinduoduo:a1": {"tier": "A", "team": "east", "labels.region": "north"},
    "pinduoduo:b1": {"tier": "B", "team": "west"},
}
SOURCES = {f"pinduoduo:s{n}": "erp" for n in range(9)}


def ms(text):
    """``10:00:00``, ``d2 08:00``: a time of the play as epoch ms."""
    *day, clock = text.split()
    hour, minute, second = (*map(int, clock.split(":")), 0)[:3]
    days = int(day[0][1:]) - 1 if day else 0
    at = DAY + timedelta(days=days, hours=hour, minutes=minute, seconds=second)
    return round(at.timestamp()) * 1_000


def shown(at_ms):
    at = datetime.fromtimestamp(at_ms / 1_000, DAY.tzinfo)
    days = (at.date() - DAY.date()).days
    return (f"d{days + 1} " if days else "") + f"{at:%H:%M:%S}"


def made(changes):
    """The house with what a scene changes of its ``alerting.yaml``, as a policy."""
    return parsed(changes).policy(SOURCES, SHOPS, ms("00:00"))


def parsed(changes):
    values = yaml.load(HOUSE, yaml.BaseLoader) | yaml.load(textwrap.dedent(changes), yaml.BaseLoader)
    return Alerting.parse(values)


class Play:
    """One desk, its accounts, and what they were told."""

    def __init__(self, changes="{}"):
        self.desk = Memory(made(changes))
        self.shard = Shard()
        self.seen = []
        self.down, self.refused = set(), set()
        self.done = []  # (intent, state, done_ms)
        self.last = {}  # account → its last result
        self.now = ms("00:00")

    def run(self, script):
        """Play the script; what it shows, as it is to be compared with its indented lines."""
        lines = textwrap.dedent(script).strip("\n").splitlines()
        for line in lines:
            if not line.startswith(" "):
                day, _, rest = line.partition(" ") if line.startswith("d") else ("", "", line)
                clock, _, action = rest.partition(" ")
                self.pass_to(ms(f"{day} {clock}".strip()))
                self.do(*action.split())
                self.send()
        expected = [line.strip() for line in lines if line.startswith(" ")]
        if expected:
            *_, last = expected
            self.pass_to(ms(last.split(" ")[0] if not last.startswith("d") else " ".join(last.split()[:2])))
        return self.seen, expected

    def pass_to(self, at_ms):
        """Let time pass, and what becomes due be sent when it is."""
        while True:
            nexts = [i.not_before_ms for i in self.waiting() if i.not_before_ms > self.now]
            if not nexts or min(nexts) > at_ms:
                break
            self.now = min(nexts)
            self.send()
        self.now = at_ms
        self.send()

    def use(self, changes):
        """Another alerting.yaml takes force."""
        self.desk.use(made(changes), self.now)
        self.send()

    def waiting(self):
        return [i for i in self.desk.intents.values() if i.account not in self.down]

    def send(self):
        while True:
            due = [i for i in self.waiting() if i.not_before_ms <= self.now]
            if not due:
                return
            account = min(i.account for i in due)
            ready = [r for i in due if i.account == account if (r := self.worth(i))]
            draft = compose(ready, (), crowded=False)
            if draft:
                self.tell(account, draft)

    def worth(self, intent):
        siblings = [
            s
            for other, s in self.done
            if (other.incident, other.account) == (intent.incident, intent.account)
        ]
        verdict = settle(Queued(intent), siblings, self.now)
        if verdict.what == "send":
            return Ready(intent, missed=verdict.missed)
        self.hear(Result(self.now, "expired", intent.account, intent.receiver, [_named(intent)]), intent)
        return None

    def tell(self, account, draft):
        intents = [r.intent for r in draft.items]
        state = "failed" if account in self.refused else "accepted"
        result = Result(self.now, state, account, draft.receiver, [_named(i) for i in intents])
        if state == "accepted":
            policy = self.desk.policy
            people = policy.people(policy.receivers[draft.receiver], self.now)
            said = ", ".join(_line(r) for r in draft.items)
            self.seen.append(
                f"{shown(self.now)} {account}: {said}" + (f" → {' '.join(people)}" if people else "")
            )
        self.last[account] = result
        self.hear(result, *intents)

    def hear(self, result, *intents):
        for intent in intents:
            self.desk.intents.pop(intent.id, None)
            over = intent.kind in ("resolved", "ended")
            self.done.append((intent, Sibling(result.state, intent.not_before_ms, self.now, over)))
        self.desk.hear(result)

    def do(self, what, *given):
        key = f"drift|shop=pinduoduo:{given[0]}" if given else ""
        match what:
            case "ack":
                self.desk.hear(Ack(self.now, key, given[1], duration_ms(given[2]) if given[2:] else 0))
            case "close":
                self.desk.hear(Resolve(self.now, key, given[1]))
            case "silence":
                matcher = dict(pair.split("=") for pair in given[1:-1])
                resolved = given[-1] == "resolved"
                until_ms = 10**15 if resolved else self.now + duration_ms(given[-1])
                self.desk.hear(Silence(self.now, given[0], matcher, until_ms, "li", "", resolved))
            case "unsilence":
                self.desk.hear(Unsilence(self.now, given[0], "li"))
            case "down" | "up":
                (self.down.add if what == "down" else self.down.discard)(given[0])
            case "refuse":
                self.refused.add(given[0])
            case "receipt":
                self.desk.hear(Result(self.now, given[1], *_rest(self.last[given[0]])))
            case "tick":
                self.desk.hear(Tick(self.now))
            case "source" | "platform":
                self.fire({what: given[0]}, f"{what}-silent", given[1], "no_data")
            case _:
                self.fire({"shop": f"pinduoduo:{what}"}, "drift", given[0])

    def fire(self, subject, rule, to, verdict=""):
        known = self.desk.desk().books.alerts.get(alert_key(rule, subject))
        had = known.transition.severity if known else "crit"
        severity = to if to in ("warn", "crit") else had
        state = "firing" if to in ("warn", "crit") else to
        at_s = (self.now - 1_795_399_200_000) / 1_000
        more = {"rule": rule, "subject": subject, "notify": "", "verdict": verdict or severity}
        self.desk.fold(self.shard(at_s, state, severity, **more))

    def why(self, shop):
        steps = self.desk.desk().explain("drift", {"shop": f"pinduoduo:{shop}"}, self.now)
        return [f"{s.step} {s.verdict}: {s.reason}" for s in steps]


def _named(intent):
    return intent.id, intent.alert, intent.kind


def _rest(result):
    return result.account, result.receiver, result.intents, "by the carrier", 1


def _line(ready):
    intent = ready.intent
    subject = intent.transition.subject
    name = subject.get("shop", "").partition(":")[2] or " ".join(f"{k} {v}" for k, v in subject.items())
    marks = " (missed)" if ready.missed else ""
    return f"{intent.kind} {intent.severity} {name}{marks}"


def plays(script, changes="{}"):
    """Assert that a script plays as its indented lines say; the play, to look further."""
    play = Play(changes)
    seen, expected = play.run(script)
    assert seen == expected, "\n".join(["seen:", *seen, "expected:", *expected])
    return play
