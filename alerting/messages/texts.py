"""The words of messages in Chinese and English, and figures put into words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from rules.pack import Share


_ZH = {
    "warn": "警告",
    "crit": "严重",
    "resolved": "已恢复",
    "ended": "考核日结束",
    "first": "【{badge}】{shop}：{title}，{figure}",
    "first_over": "【{badge}】{shop}：{title}",
    "rise": "由警告升级为严重",
    "repeat": "仍未恢复，已持续 {duration}（数据截至 {clock}）",
    "still": "静默结束，仍未恢复（数据截至 {clock}）",
    "escalate": "已 {duration}无人确认，请你处理（数据截至 {clock}）",
    "remind": "{who} 已确认，仍未恢复，已持续 {duration}；到时没有再次确认会重新通知（数据截至 {clock}）",
    "lapsed": "{who} 的确认已到期，仍未恢复，已持续 {duration}（数据截至 {clock}）",
    "unjudged": "不再判断",
    "closed": "已关闭",
    "closed_by": "{who}手动关闭；再次触发或升级前不再通知",
    "too_few": "样本不足，暂不判断，并非已恢复",
    "section": "【{badge}】{title}",
    "missed": "告警期间未能送达，现已恢复",
    "again": "可能重复",
    "after_the_fact": "事后补报",
    "unrecorded": "存储写不进，本条未记录",
    "last": "近 {period}的{measure}",
    "last_days": "近{days}天的{measure}",
    "value": "{measure} {value}（{asked} 个，漏 {late} 个）",
    "value_order_rate": "{measure} {value}（{asked} 单，{late} 单）",
    "line": "，红线 {line}",
    "budget": "现在停{now}，按预测到今晚{today}",
    "crossed": "已{now}",
    "crossed_tonight": "已{now}，按预测到今晚{today}",
    "left": "还可漏 {n} 个",
    "left_orders": "还可出 {n} 单",
    "past": "超红线 {n} 个",
    "past_orders": "超红线 {n} 单",
    "breach": "照此下去约 {minutes} 分钟后（{clock}）触线",
    "items": "{n} 个会话快超时：",
    "item": "{customer} 剩 {seconds} 秒（{clock} 前）{agent}",
    "item_past": "{customer} 已超时 {agent}",
    "nobody": "无人接待",
    "items_more": "另有 {n} 个",
    "penalty": "触线后果：{penalty}",
    "advice": "建议：{advice}",
    "open": "详情",
    "chart": "曲线",
    "lasted": "持续 {duration}（{since}–{until}）",
    "held": "红线守住",
    "lost": "未守住红线",
    "comma": "，",
    "marks": "（{marks}）",
    "digest": "告警汇总 {n} 条：{parts}",
    "part": "{what} {n}",
    "rest": "其余 {n} 条随后",
    "rest_link": "其余 {n} 条随后，见[全部告警]({url})",
    "rest_plain": "其余 {n} 条随后，见 {url}",
    "all_link": "[全部告警]({url})",
    "all_plain": "全部告警 {url}",
    "f_items": "{n} 个会话将超时，最快 {seconds} 秒",
    "f_items_past": "{n} 个会话已到时限",
    "f_today": "今日{left}",
    "f_tonight": "按预测今晚{left}",
    "f_breach": "约 {minutes} 分钟后触线",
    "f_risk": "{n} 个会话有风险",
    "f_wait": "最长等待 {duration}",
    "f_silent": "已 {duration}无消息",
    "f_late": "{n} 个漏回",
    "f_lasted": "持续 {duration}",
    "<": "低于{limit}",
    "<=": "不高于{limit}",
    ">": "超过{limit}",
    ">=": "已达{limit}",
    "!=": "不是{limit}",
    "the_line": "红线 {limit}",
    "the_limit": " {limit}",
    "c_worst": "未回的若都漏掉只剩 {value}",
    "c_open": "{value} 个在等，仍可能超时",
    "c_asked": "咨询 {value} 个",
    "c_required_rate": "今天剩下的要达到 {value}",
    "c_breach_if_lost": "等待中的全丢就会越线",
    "c_wait": "已等 {value}",
    "c_oldest_wait": "最长等待 {value}",
    "c_waiting": "{value} 个会话无人回复",
    "c_mean": "平均响应时长 {value}",
    "c_p50": "响应时长中位数 {value}",
    "c_p90": "90 分位响应时长 {value}",
    "c_p95": "95 分位响应时长 {value}",
    "c_max": "最长响应时长 {value}",
    "c_agents_online": "在线客服 {value} 人",
    "and_then": "；",
    "source": "数据源 {of}",
    "account": "通知通道 {of}",
    "daemon": "监控程序 {of}",
    "slawatch-channel": "通知通道不可用",
    "slawatch-journal": "磁盘已满，暂停一切判断",
    "slawatch-overdue": "通知没有按时发出",
    "slawatch-store": "数据库不接受写入，告警暂停",
    "slawatch-store-back": "数据库已恢复，告警继续",
    "slawatch-shards": "有店铺没有 worker 在判断",
    "slawatch-charts": "图表数据写不进 InfluxDB，告警不受影响",
    "audit": "【严重】slawatch：{title}，{what}",
    "audit_waits": "{account} 上 {n} 条待发，最久 {duration}",
    "audit_desk": "告警台 {duration}没有处理新的告警",
}
_EN = {
    "warn": "Warning",
    "crit": "Critical",
    "resolved": "Recovered",
    "ended": "Day over",
    "first": "[{badge}] {shop}: {title}, {figure}",
    "first_over": "[{badge}] {shop}: {title}",
    "rise": "Was a warning, now critical",
    "repeat": "Still firing, for {duration} (figures as of {clock})",
    "still": "The silence is over and it still fires (figures as of {clock})",
    "escalate": "Nobody before you took it for {duration}: please do (figures as of {clock})",
    "remind": "{who} has it, and it still fires, for {duration}; not taken again, it is told anew soon"
    " (figures as of {clock})",
    "lapsed": "{who} had it, whose time is over; it still fires, for {duration} (figures as of {clock})",
    "unjudged": "No longer judged",
    "closed": "Closed",
    "closed_by": "closed by {who}; nothing more until it fires anew or rises",
    "too_few": "Too few to judge by, not recovered",
    "section": "[{badge}] {title}",
    "missed": "Could not be told while it fired; recovered since",
    "again": "may be a repeat",
    "after_the_fact": "after the fact",
    "unrecorded": "the store takes nothing, not recorded",
    "last": "{measure} of the last {period}",
    "last_days": "{measure} of the last {days:day|days}",
    "value": "{measure} {value} ({asked} asked, {late} missed)",
    "value_order_rate": "{measure} {value} ({late} of {asked:order|orders})",
    "line": ", line {line}",
    "budget": "{now} if traffic stopped now, {today} by tonight's forecast",
    "crossed": "already {now}",
    "crossed_tonight": "Already {now}, {today} by tonight's forecast",
    "left": "{n:miss|misses} left",
    "left_orders": "{n:more order|more orders} allowed",
    "past": "{n} past the line",
    "past_orders": "{n:order|orders} past the line",
    "breach": "At this pace the line is reached in about {minutes} min ({clock})",
    "items": "{n:conversation|conversations} about to time out:",
    "item": "{customer} {seconds} s left (by {clock}) {agent}",
    "item_past": "{customer} timed out {agent}",
    "nobody": "nobody on it",
    "items_more": "and {n} more",
    "penalty": "If it is crossed: {penalty}",
    "advice": "Advice: {advice}",
    "open": "Details",
    "chart": "Chart",
    "lasted": "Lasted {duration} ({since}–{until})",
    "held": "line held",
    "lost": "line not held",
    "comma": ", ",
    "marks": " ({marks})",
    "digest": "{n:alert|alerts}: {parts}",
    "part": "{n} {what}",
    "rest": "{n} more to follow",
    "rest_link": "{n} more to follow, see [all alerts]({url})",
    "rest_plain": "{n} more to follow, see {url}",
    "all_link": "[All alerts]({url})",
    "all_plain": "All alerts: {url}",
    "f_items": "{n:conversation times|conversations time} out, the first in {seconds} s",
    "f_items_past": "{n:conversation at its limit|conversations at their limit}",
    "f_today": "{left} today",
    "f_tonight": "{left} by tonight's forecast",
    "f_breach": "line in about {minutes} min",
    "f_risk": "{n:conversation|conversations} at risk",
    "f_wait": "longest wait {duration}",
    "f_silent": "silent for {duration}",
    "f_late": "{n} missed",
    "f_lasted": "lasted {duration}",
    "<": "below {limit}",
    "<=": "not above {limit}",
    ">": "above {limit}",
    ">=": "at or above {limit}",
    "!=": "not {limit}",
    "the_line": "the line of {limit}",
    "the_limit": "{limit}",
    "c_worst": "{value} if all who wait are lost",
    "c_open": "still waiting: {value}",
    "c_asked": "asked: {value}",
    "c_required_rate": "the rest of the day must reach {value}",
    "c_breach_if_lost": "losing all who wait would cross the line",
    "c_wait": "waits for {value}",
    "c_oldest_wait": "longest wait {value}",
    "c_waiting": "unanswered now: {value}",
    "c_mean": "mean response time {value}",
    "c_p50": "median response time {value}",
    "c_p90": "90th percentile of response time {value}",
    "c_p95": "95th percentile of response time {value}",
    "c_max": "longest response time {value}",
    "c_agents_online": "agents online: {value}",
    "and_then": ". ",
    "source": "source {of}",
    "account": "channel {of}",
    "daemon": "daemon {of}",
    "slawatch-channel": "channel out of order",
    "slawatch-journal": "the disk is full and nothing is judged",
    "slawatch-overdue": "alerts do not leave in time",
    "slawatch-store": "the database takes nothing and alerts stand still",
    "slawatch-store-back": "the database is back and alerts go on",
    "slawatch-shards": "no worker judges some of the shops",
    "slawatch-charts": "InfluxDB takes no figures for charts; alerts are not affected",
    "audit": "[Critical] slawatch: {title}, {what}",
    "audit_waits": "{account}: {n:alert waits|alerts wait}, the longest for {duration}",
    "audit_desk": "the desk has folded nothing for {duration}",
}
TEXTS = {"zh": _ZH, "en": _EN}


class _Count(int):
    """A number that knows its noun: ``{n:alert|alerts}`` is "1 alert" or "2 alerts"."""

    def __format__(self, nouns: str) -> str:
        one, _, many = nouns.partition("|")
        return f"{int(self)} {one if self == 1 else many}".rstrip()


def say(language: str, name: str, **values: object) -> str:
    """The text ``name`` in ``language`` (Chinese where we do not speak it), with its values."""
    shown = {key: _Count(value) if type(value) is int else value for key, value in values.items()}
    return TEXTS.get(language, _ZH)[name].format(**shown)


def duration(language: str, ms: int) -> str:
    """A length of time in its two largest units: 90 s, 12 min, 1 h 5 min, 2 d 3 h."""
    seconds = max(0, ms) // 1000
    zh = language != "en"
    if seconds < 120:
        return f"{seconds} 秒" if zh else f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} 分钟" if zh else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        more = (f" {minutes} 分" if zh else f" {minutes} min") if minutes else ""
        return (f"{hours} 小时" if zh else f"{hours} h") + more
    days, hours = divmod(hours, 24)
    more = (f" {hours} 小时" if zh else f" {hours} h") if hours else ""
    return (f"{days} 天" if zh else f"{days} d") + more


def clock(at_ms: int, timezone: str, *, seconds: bool = False) -> str:
    """The time of day in a zone."""
    at = datetime.fromtimestamp(at_ms // 1000, ZoneInfo(timezone))
    return at.strftime("%H:%M:%S" if seconds else "%H:%M")


def percent(of: int, per: int) -> str:
    """A share in percent, half up from the integers: 391 of 412 is 94.9 %, 3 of 1000 is 0.3 %."""
    hundredths = (of * 20_000 + per) // (2 * per)
    whole, rest = divmod(hundredths, 100)
    if whole >= 10:  # tenths are enough; rounded anew from the integers
        tenths = (of * 2_000 + per) // (2 * per)
        whole, rest = tenths // 10, tenths % 10 * 10
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + "%"


def line_text(at_least: Share | None, at_most: Share | None) -> str:
    """A line as a comparison."""
    share = at_least or at_most
    return f"{'≥' if at_least else '≤'}{percent(share.of, share.per)}" if share else ""
