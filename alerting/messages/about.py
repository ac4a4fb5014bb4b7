"""One transition put into words: its figures, its conversations, what it costs and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerting import limits
from alerting.messages.address import mentionable
from alerting.messages.compared import compared
from alerting.messages.subjects import subject_name
from alerting.messages.texts import clock, duration, line_text, percent
from alerting.messages.trimmed import clean, cut_middle, mask
from alerting.policy.acts import name_of
from alerting.policy.rulings import OWN_RULES, RUNBOOK
from rules.machine import REASON_TEXTS, Reason
from rules.pack import DAY_MS
from rules.values import duration_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerting.messages.style import Style
    from alerting.policy.compose import Ready
    from alerting.ports import Directory, RuleInfo, ShopInfo
    from rules.pack import Text
    from rules.transition import Item, Transition

# Figures about which the rate itself says most, and those that the sentences on the budget tell.
_OF_RATE = {"value", "worst", "late", "budget_left", "budget_left_today", "breach_in", "at_risk"}
_OF_RATE |= {"required_rate", "breach_if_lost"}
_OF_BUDGET = {"budget_left", "budget_left_today", "breach_in"}
_TELLING = (Reason.LATE_REPLY, Reason.RULE_REMOVED)  # ends that are not a plain recovery


class About:
    """One transition, put into lines; each with its rank, 0 what is dropped last."""

    def __init__(self, t: Transition, directory: Directory, style: Style) -> None:
        self.t, self.style, self._directory = t, style, directory
        self._key = t.subject.get("shop", "")
        self.shop: ShopInfo = directory.shop(self._key)
        self.rule: RuleInfo = directory.rule(t.rule, self._key)
        self.name = self._clean(subject_name(t.subject, directory, style.language))
        self._compared = tuple(compared(t.facts.condition))
        own = style.say(t.rule) if t.rule in OWN_RULES else ""
        self.title = own or self._text(self.rule.title) or self._clean(t.rule)

    def _clean(self, text: str) -> str:
        return clean(text, markdown=self.style.markdown)

    def _text(self, text: Text) -> str:
        return self._clean(text.in_language(self.style.language))

    def figure(self) -> str:
        """The one figure that says how bad it is: what the rule compared, else what is known."""
        f, say_ = self.t.facts, self.style.say
        left_s = self._seconds_left(self.t.items[0]) if self.t.items else 0
        n = len(self.t.items)
        known = {
            "seconds_left": (say_("f_items", n=n, seconds=left_s) if left_s else say_("f_items_past", n=n))
            if n
            else "",
            "budget_left_today": self._tonight(),
            "budget_left": "" if f.budget_left is None else self._now(f.budget_left),
            "breach_in": self._breach(),
            "at_risk": say_("f_risk", n=f.at_risk) if f.at_risk else "",
            "oldest_wait": self._long("f_wait", f.oldest_wait_ms),
            "silent": self._long("f_silent", f.silent_ms),
            "value": self._rate() if f.asked else "",
            "late": say_("f_late", n=f.late) if f.late else "",
        }
        names = {part.split(" ", 1)[0] for part in f.condition.split(", ")}
        best = next((text for name, text in known.items() if text and name in names - {"late"}), "")
        telling = next(self._in_words(), "")
        return best or telling or next((text for text in known.values() if text), "") or self.t.verdict

    def reason(self) -> str:
        """Why the alert stands, in one line: the figure against its line, then what else was compared."""
        names = {one.figure for one in self._compared}
        parts: list[str] = []
        if names & _OF_RATE:
            parts += [text for _, text in self.value()]
        if names & _OF_BUDGET:
            parts += [text for _, text in (*self.budget(), *self.breach())]
        parts += self._in_words()
        if names & {"at_risk"} or not parts:
            parts.append(self.figure())
        first, *others = dict.fromkeys(parts)
        return self.style.say("and_then").join([first, *(text[:1].upper() + text[1:] for text in others)])

    def _in_words(self) -> Iterator[str]:
        """What was compared and is told nowhere else; words that are no comparison as they are."""
        for one in self._compared:
            if words := one.words(self.style.language):
                yield words
        condition = self.t.facts.condition
        if condition and not self._compared and not condition.startswith("silent "):
            yield self._clean(condition)

    def _long(self, name: str, ms: int | None) -> str:
        return self.style.say(name, duration=duration(self.style.language, ms)) if ms else ""

    def _rate(self) -> str:
        f = self.t.facts
        return percent(f.late if self.rule.kind == "order_rate" else f.asked - f.late, f.asked)

    def _left(self, n: int) -> str:
        """Misses (of an order rate: orders) still allowed, or how many are past the line."""
        unit = "_orders" if self.rule.kind == "order_rate" else ""
        return self.style.say(f"left{unit}", n=n) if n >= 0 else self.style.say(f"past{unit}", n=-n)

    def _now(self, n: int) -> str:
        return self._left(n) if n >= 0 else self.style.say("crossed", now=self._left(n))

    def _breach(self) -> str:
        """When the line is reached; once it is crossed, by how much."""
        f = self.t.facts
        if f.breach_in_s:
            return self.style.say("f_breach", minutes=-(-f.breach_in_s // 60))
        return self._now(f.budget_left) if f.budget_left is not None and f.budget_left < 0 else ""

    def _tonight(self) -> str:
        n = self.t.facts.budget_left_today
        return "" if n is None else self.style.say("f_today" if n >= 0 else "f_tonight", left=self._left(n))

    def marks(self, ready: Ready) -> list[tuple[int, str]]:
        """What sets this message apart from the first one about the alert."""
        kind, lasted = ready.intent.kind, duration(self.style.language, self.style.now_ms - self.t.since_ms)
        as_of = clock(self.t.at_ms, self.shop.timezone)
        marks = [name for name, on in (("again", ready.again), ("unrecorded", self.style.unrecorded)) if on]
        if self.t.after_the_fact:
            marks.append("after_the_fact")
        found = [(0, self.style.marked(marks))] if marks else []
        if ready.missed:
            found.append((1, self.style.say("missed")))
        elif kind in ("rise", "repeat", "still", "escalate", "remind", "lapsed"):
            who = self._who(ready)
            found.append((1, self.style.say(kind, duration=lasted, clock=as_of, who=who)))
        return found

    def _who(self, ready: Ready) -> str:
        """Who took or closed it, and what they said of it in brackets."""
        name, comment = name_of(ready.intent.who)
        said = self.style.say("marks", marks=self._clean(comment)) if comment else ""
        return self._clean(name) + said

    def value(self) -> list[tuple[int, str]]:
        """The figure against its line."""
        f = self.t.facts
        if not f.asked or self.rule.kind not in ("reply_rate", "order_rate", ""):
            return []
        name = "value_order_rate" if self.rule.kind == "order_rate" else "value"
        measure = self._over(self._text(self.rule.measure) or self._clean(f.measure))
        value = self.style.strong(self._rate())
        text = self.style.say(name, measure=measure, value=value, asked=f.asked, late=f.late)
        line = self.rule.line
        limit = line_text(line.at_least, line.at_most) if line else ""
        against = next((one for one in self._compared if one.figure == "value"), None)
        if against is not None:
            of_line = limit.lstrip("≥≤") == against.limit
            text += self.style.say("comma") + against.bound(self.style.language, line=of_line)
            limit = "" if of_line else limit
        return [(1, text + (self.style.say("line", line=limit) if limit else ""))]

    def _over(self, measure: str) -> str:
        """A measure with its period; today's goes without."""
        period = self.t.facts.period
        ms = duration_ms(period)
        if ms is None:
            return measure
        if period.endswith("d"):  # service days; 24h slides
            return self.style.say("last_days", measure=measure, days=ms // DAY_MS)
        return self.style.say("last", measure=measure, period=duration(self.style.language, ms))

    def budget(self) -> list[tuple[int, str]]:
        """How many misses are left, and when there are none."""
        f, found = self.t.facts, []
        if f.budget_left is not None and f.budget_left_today is not None:
            name = "budget" if f.budget_left >= 0 else "crossed_tonight"
            today = self._left(f.budget_left_today)
            found.append((1, self.style.say(name, now=self._left(f.budget_left), today=today)))
        elif f.budget_left is not None:
            now = self._now(f.budget_left)
            found.append((1, now[:1].upper() + now[1:]))
        return found

    def breach(self) -> list[tuple[int, str]]:
        """When the line is reached at this pace."""
        in_s = self.t.facts.breach_in_s
        if not in_s:
            return []
        at = clock(self.t.at_ms + in_s * 1000, self.shop.timezone)
        return [(2, self.style.say("breach", minutes=-(-in_s // 60), clock=at))]

    def items(self) -> tuple[list[tuple[int, str]], list[dict[str, Any]], list[tuple[int, str]]]:
        """The conversations about to be lost: how many, the most urgent ones, how many more."""
        items = self.t.items
        if not items:
            return [], [], []
        heading = [(1, self.style.say("items", n=len(items)))]
        quote = "> " if self.style.markdown else "· "
        shown = [self._item(item, quote) for item in items[: limits.ITEMS_SHOWN]]
        more = len(items) - len(shown)
        return heading, shown, [(3, quote + self.style.say("items_more", n=more))] if more else []

    def _item(self, item: Item, quote: str) -> dict[str, Any]:
        left_s = self._seconds_left(item)
        values: dict[str, Any] = {
            "customer": mask(self._clean(item.customer_id or item.conversation_id)),
            "clock": clock(item.deadline_ms, self.shop.timezone, seconds=True),
            "agent": self._agent(item),
        }
        line = self.style.say("item" if left_s else "item_past", seconds=left_s, **values).rstrip()
        deadline = values.pop("clock")
        return values | {"line": quote + line, "seconds_left": left_s, "deadline": deadline}

    def _seconds_left(self, item: Item) -> int:
        return max(0, (item.deadline_ms - self.style.now_ms) // 1000)

    def _agent(self, item: Item) -> str:
        if not item.agent_id:
            return self.style.say("nobody")
        person = self._directory.agent(self._key, item.agent_id)
        mention = self.mention(item) if self.style.contact == "wecom_id" else ""
        return f"<@{mention}>" if mention and self.style.markdown else self._clean(person.name)

    def mention(self, item: Item) -> str:
        """What mentions who is on a conversation; empty where there is none that can be written."""
        person = self._directory.agent(self._key, item.agent_id) if item.agent_id else None
        return mentionable(getattr(person, self.style.contact, "")) if self.style.contact else ""

    def penalty(self) -> list[tuple[int, str]]:
        """What crossing the line costs."""
        penalty = self._text(self.rule.line.penalty) if self.rule.line else ""
        return [(4, self.style.say("penalty", penalty=penalty))] if penalty else []

    def advice(self) -> list[tuple[int, str]]:
        """The rule's advice; of slawatch's own, where it is written."""
        if self.t.rule in OWN_RULES:
            return [(2, self._text(RUNBOOK).format(rule=self.t.rule))]
        advice = self._text(self.rule.advice)
        return [(2, self.style.say("advice", advice=advice))] if advice else []

    def over(self, ready: Ready) -> list[tuple[int, str]]:
        """How long it lasted, and at the end of a day whether the line was held."""
        t = self.t
        told = REASON_TEXTS.get(Reason(t.reason)) if t.reason in _TELLING else None
        found = [(1, self._text(told))] if told else []
        if t.to_state == "closed":
            found.append((1, self.style.say("closed_by", who=self._who(ready))))
        if t.verdict == "too_few":
            found.append((1, self.style.say("too_few")))
        if t.facts.held is not None:
            found.append((1, self.style.say("held" if t.facts.held else "lost")))
        elif t.facts.budget_left is not None and t.facts.budget_left >= 0:
            found.append((2, self._left(t.facts.budget_left)))
        zone = self.shop.timezone
        values = {"since": clock(t.since_ms, zone), "until": clock(t.at_ms, zone)}
        length = duration(self.style.language, t.at_ms - t.since_ms)
        return [*found, (1, self.style.say("lasted", duration=length, **values))]

    def row(self, ready: Ready) -> str:
        """The alert in one row of a digest: its name, one figure."""
        if ready.intent.kind == "resolved":
            length = duration(self.style.language, self.t.at_ms - self.t.since_ms)
            figure = self.style.say("f_lasted", duration=length)
        elif ready.intent.kind == "ended":
            held = self.t.facts.held
            figure = "" if held is None else self.style.say("held" if held else "lost")
        else:
            figure = self.figure()
        return f"{cut_middle(self.name, limits.ROW_NAME_BYTES)} {figure}".rstrip()
