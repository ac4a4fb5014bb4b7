"""Packs and rules as files have them: the design's own, and a small pack to make mistakes in."""

# ruff: noqa: E501 (the design's own lines)

from __future__ import annotations

from pathlib import Path

import pytest

from rules.load import load_pack
from rules.problems import RulesError

PACK = """\
pack: p
version: "1"
timezone: Asia/Shanghai
service_hours: ["08:00-23:00"]
measures:
  rate: {title: 回复率, kind: reply_rate, within: 3m, periods: [30d]}
  time: {title: 时长, kind: response_time}
  step_in: {title: 介入率, kind: order_rate}
lines:
  - {id: ninety, measure: rate, period: day, at_least: 90%}
"""


DESIGN_PACK = """\
pack: pinduoduo
version: "2026.1"
from: 2026-01-01               # two versions meet at midnight; until: optional
verified: 2026-11-22
timezone: Asia/Shanghai
service_hours: ["08:00-23:00"] # half-open; several spans a day; "24:00" allowed; past midnight is an error
exempt_dates: []               # or per measure
measures:
  reply_rate_3m:
    title: {zh: 3分钟人工回复率, en: 3-minute human reply rate}
    kind: reply_rate
    within: 3m
    unit: customer_day         # message | round (default) | session | customer_day
    late_if: any_round         # any_round (default) | first_round (session, customer_day)
    answered_by: [agent]       # any of agent (default), assist, bot
    counts: human_stage        # all (default) | human_stage
    hours_by: ask              # ask (default) | session_start
    on_handover: opens         # opens (default) | waits
    periods: [day, 30d]        # day (always), 7d, 30d, and windows 5m … 24h
    sure: B
    source: "…"
lines:
  - {id: pdd-reply-50, measure: reply_rate_3m, period: day, at_least: 50%, min_count: 101, sure: C, penalty: {zh: "罚 ¥1000，不得报名活动", cny: 1000}}
  - {id: pdd-reply-90, measure: reply_rate_3m, period: 30d, at_least: 90%, sure: C, penalty: {zh: "搜索降权，限流"}}
  - {id: pdd-intervention, measure: intervention_rate, period: 30d, at_most: 0.3%, sure: C, penalty: {zh: "限制活动，扣保证金"}}
"""


DESIGN_RULES = """\
rules:
  - id: pdd-reply-drift
    title: {zh: 3分钟回复率逼近红线}
    line: pdd-reply-50                 # or measure: + period:
    shops: {platform: pinduoduo, labels: {tier: A}}     # optional selector
    warn:  {all: [{budget_left_today: "<= 10"}, {late: ">= 1"}], for: 1m}
    crit:  {all: [{late: ">= 1"}, {any: [{budget_left_today: "<= 3"}, {breach_in: "<= 20m"}]}]}
    clear: {budget_left_today: "> 15", for: 5m}         # hysteresis
    keep_firing_for: 5m
    advice: {zh: "先答最久的 5 个会话；请组长加人"}
    notify: managers                   # a receiver or route label
  - id: about-to-time-out
    each: conversation                 # the subject is the shop, its items are conversations: one message per shop and interval
    measure: reply_rate_3m
    warn: {seconds_left: "<= 80"}
    crit: {seconds_left: "<= 30"}
    only_if: {costs_budget: true}      # skip customers already lost today where the unit is customer_day
  - id: nobody-on-duty
    crit: {agents_online: "== 0", during: service_hours, for: 3m}
  - id: source-silent
    each: source
    no_data: {for: 5m, during: service_hours}
  # later: high-risk conversations (words, amount, tag), drift against own same-hour baseline, burn rate, dependent rules
"""


def problems_of_pack(text: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        load_pack(Path("p.yaml"), text=text)
    return str(caught.value).splitlines()
