"""Words of the pages in Chinese (the default) and English, and figures as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

Language = Literal["zh", "en"]

WORDS: dict[str, tuple[str, str]] = {
    "title": ("客服红线", "Service lines"),
    "shops": ("店铺", "Shops"),
    "shops_hint": ("离红线最近的在前", "nearest to a line first"),
    "waiting": ("即将超时", "About to time out"),
    "waiting_hint": ("最先超时的在前", "soonest first"),
    "alerts": ("未解除告警", "Open alerts"),
    "sums": ("小组 · 平台 · 客服", "Teams, platforms, agents"),
    "sums_hint": ("超时最多的在前；规则看的合计", "most misses first; the sums that rules look at"),
    "no_sums": (
        "还没有合计：没有规则看小组、平台或客服",
        "No sums: no rule is on teams, platforms or agents",
    ),
    "more_sums": ("另有 {n} 项未列出", "{n} more are not listed"),
    "shards_missing": (
        "{n} 个分片 30 秒没有数据，不在合计内",
        "{n} shards are silent for 30 s: not in the sums",
    ),
    "shops_summed": ("{n} 家店铺", "shops: {n}"),
    "shops_dark": ("{n} 家失联，不在合计内", "blind, not summed: {n}"),
    "each_team": ("小组", "Teams"),
    "each_platform": ("平台", "Platforms"),
    "each_agent": ("客服", "Agents"),
    "answered": ("已答", "Answered"),
    "online": ("在线客服", "Online"),
    "nobody_waits": ("没有会话在等待", "No conversation is waiting"),
    "unknown_waits": ("看不见会话：来源失联", "Conversations cannot be seen: a source is blind"),
    "no_alerts": ("没有未解除的告警", "No open alert"),
    "no_alerts_seen": ("可见的店铺没有未解除的告警", "No open alert of what can be seen"),
    "no_shops": ("还没有收到任何店铺的事件", "No event of any shop has come yet"),
    "more_alerts": ("另有 {n} 条告警未列出", "{n} more alerts are not listed"),
    "more_waiting": ("另有 {n} 个会话未列出，时限都更晚", "{n} more are not listed; they have longer"),
    "more_shops": ("另有 {n} 家店铺未列出", "{n} more shops are not listed"),
    "budget_left": ("余量", "Budget left"),
    "tonight": ("今晚预计", "By tonight"),
    "breach_in": ("触线", "Line in"),
    "crossed": ("已越线", "Line crossed"),
    "at_risk": ("在途风险", "At risk"),
    "open": ("等待", "Waiting"),
    "oldest": ("最久", "longest"),
    "late": ("超时", "Late"),
    "orders_hit": ("出事订单", "Orders hit"),
    "figures_since": ("数据自 {at} 起", "figures since {at}"),
    "asked": ("咨询", "Asked"),
    "unknown_figure": ("未知", "unknown"),
    "blind": ("失联，数据未知", "Blind: figures unknown"),
    "no_line": ("没有红线", "No line applies"),
    "overdue": ("已超时", "late"),
    "nobody": ("无人接待", "nobody"),
    "no_cost": ("该客户今日已失分", "already lost today"),
    "acknowledge": ("确认", "Acknowledge"),
    "acknowledged_by": ("已确认：", "Acknowledged: "),
    "silenced": ("静默至", "Silenced until"),
    "since": ("自", "since"),
    "penalty": ("后果：", "Penalty: "),
    "source": ("来源", "Source"),
    "sources_ok": ("{n} 个来源正常", "sources heard: {n}"),
    "sources_blind": ("{n} 个来源失联：", "sources blind ({n}): "),
    "late_dropped": ("{n} 条事件来得太晚，未计入：", "{n} came too late to count: "),
    "no_sources": ("尚无来源", "no source yet"),
    "not_ready": ("未就绪", "Not ready"),
    "ready": ("运行中", "Running"),
    "lagging": ("处理滞后", "Behind by"),
    "stale": ("连接已断，以下数据不是最新", "Connection lost: what you see is not current"),
    "other_language": ("English", "中文"),
    "theme": ("深浅色", "Light or dark"),
    "login": ("登录", "Sign in"),
    "login_hint": ("粘贴 slawatch tokens add 生成的令牌", "Paste a token made by slawatch tokens add"),
    "token": ("令牌", "Token"),
    "login_failed": ("令牌无效", "This token is not valid"),
    "logout": ("退出", "Sign out"),
    "api": ("接口", "API"),
    "health_ok": ("正常", "OK"),
    "health_warn": ("警告", "Warning"),
    "health_crit": ("严重", "Critical"),
    "health_unknown": ("未知", "Unknown"),
    "health_partial": ("不完整", "Partial"),
    "state_pending": ("待定", "pending"),
    "state_firing": ("告警中", "firing"),
    "state_holding": ("恢复中", "recovering"),
    "over": ("已结束", "Over"),
    "take_for": ("确认有效多久", "For how long"),
    "take_for_usual": ("默认时长", "the usual time"),
    "take_for_30m": ("30 分钟", "30 minutes"),
    "take_for_2h": ("2 小时", "2 hours"),
    "take_for_8h": ("8 小时", "8 hours"),
    "acknowledged_until": ("，至", ", until"),
    "take_it": ("确认，我来处理", "I take it"),
    "silence_1h": ("静默 1 小时", "Silence for 1 hour"),
    "false_alarm": ("误报", "False alarm"),
    "close_it": ("关闭这条告警…", "Close this alert…"),
    "close_what": (
        "关闭后不再升级、不再提醒，并告诉收到过的人；再次触发或升级时会重新通知。",
        "No step and no reminder follows, and who was told hears of it. Fired anew or worse, it is told.",
    ),
    "close_yes": ("是，关闭", "Yes, close it"),
    "useful": ("有用", "Useful"),
    "your_name": ("您的称呼", "Your name"),
    "your_name_hint": ("可不填，会显示给同事", "optional; your colleagues see it"),
    "what_was_done": ("处理记录", "What was done"),
    "did_acknowledge": ("确认", "took it"),
    "did_silence": ("静默", "silenced it"),
    "did_unsilence": ("结束静默", "ended the silence"),
    "did_resolve": ("关闭", "closed it"),
    "did_false_alarm": ("标为误报", "called it a false alarm"),
    "did_useful": ("标为有用", "found it useful"),
    "standing": ("本规则近 30 天：", "This rule, 30 days:"),
    "all_alerts": ("全部告警", "All alerts"),
    "link_not_found": (
        "链接无效，请从消息里完整打开",
        "This is no link of ours: open it whole, from the message",
    ),
    "link_expired": (
        "链接已过期，只能查看；请登录处理",
        "This link has expired and only shows: sign in to act",
    ),
    "link_starting": ("正在启动，请稍后再试", "Starting: try again in a moment"),
    "period_day": ("今日", "today"),
    "period_7d": ("7天", "7 days"),
    "period_30d": ("30天", "30 days"),
}


def word(language: Language, key: str) -> str:
    """A word in a language; of a state or verdict that is new to us, its own name."""
    if key not in WORDS:
        return key.partition("_")[2]
    return WORDS[key][0 if language == "zh" else 1]


def person(who: str) -> str:
    """Who did something, as people say it: ``link:managers 小李`` is 小李（managers）."""
    way, _, rest = who.partition(":")
    if way == "link":
        receiver, _, name = rest.partition(" ")
        return f"{name}（{receiver}）" if name else receiver
    return rest if way == "wecom" else who


ZONES = {"Asia/Shanghai": ("北京时间", "Beijing time"), "UTC": ("协调世界时", "UTC")}


def zone_name(language: Language, zone: str) -> str:
    """A time zone as people call it."""
    return ZONES.get(zone, (zone, zone))[0 if language == "zh" else 1]


def moment(
    language: Language, page_zone: str, now_ms: int, at_ms: int, zone: str = "", *, seconds: bool = False
) -> str:
    """A time of day: with its date where that is not today's, with the zone where it is not the page's."""
    there = ZoneInfo(zone or page_zone)
    at, now = (datetime.fromtimestamp(ms // 1000, there) for ms in (at_ms, now_ms))
    text = at.strftime("%H:%M:%S" if seconds else "%H:%M")
    if at.date() != now.date():
        text = f"{at:%m-%d} {text}"
    return text if zone in ("", page_zone) else f"{text} {zone_name(language, zone)}"


def duration(language: Language, length_ms: int | None) -> str:
    """A length of time to two units, as ``2 分 05 秒`` or ``2 min 05 s``."""
    if length_ms is None:
        return "–"
    days, hours, minutes, seconds = ("天", "小时", "分", "秒") if language == "zh" else ("d", "h", "min", "s")
    whole_s = max(0, length_ms) // 1_000
    if whole_s < 60:
        return f"{whole_s} {seconds}"
    if whole_s < 3_600:
        return f"{whole_s // 60} {minutes} {whole_s % 60:02} {seconds}"
    if whole_s < 86_400:
        return f"{whole_s // 3_600} {hours} {whole_s % 3_600 // 60:02} {minutes}"
    return f"{whole_s // 86_400} {days} {whole_s % 86_400 // 3_600} {hours}"
