"""Shops, rules and people as the messages' tests know them."""

from alerting.ports import Person, RuleInfo, ShopInfo
from rules.pack import Line, Share, Text

LINE = Line(
    "pdd-reply-50",
    "reply_rate_3m",
    "day",
    at_least=Share(1, 2),
    penalty=Text("罚 ¥1000，不得报名活动", "fine of ¥1000, no campaigns"),
)


class People:
    """A directory of two shops and a rule."""

    def __init__(self, pages="https://sla.example", charts="") -> None:
        self.pages, self.charts = pages, charts

    def shop(self, key):
        known = {"pinduoduo:s1": "旗舰店A", "pinduoduo:s2": "<@all>*夜店*[x](y)\n二店"}
        return ShopInfo(known.get(key, key.partition(":")[2]))

    def rule(self, rule, shop):
        if rule == "source-silent":
            return RuleInfo(Text("数据源没有消息", "source is silent"))
        return RuleInfo(
            Text("3分钟回复率逼近红线", "3-minute reply rate nears its line"),
            Text("先答最久的 5 个会话；请组长加人", "answer the 5 oldest first; ask for help"),
            Text("3分钟人工回复率", "3-minute human reply rate"),
            "reply_rate",
            LINE,
        )

    def agent(self, shop, agent_id):
        return Person("小李", "xiaoli") if agent_id == "a1" else Person(agent_id)

    def alert_url(self, intent):
        return f"{self.pages}/alerts/1" if self.pages else ""

    def chart_url(self, intent):
        return f"{self.charts}/d/1" if self.charts else ""

    def alerts_url(self):
        return f"{self.pages}/alerts" if self.pages else ""
