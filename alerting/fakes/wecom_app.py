"""An honest WeCom server for apps: tokens, its limits, its codes, and what the members see.

A token lives two hours, or until ``revoke``. What is the same request within the half hour is answered with
0 and not shown. A ``task_id`` is good once. Unknown members are named beside a 0; if all are unknown it
is 81013. The 31st message a minute (or 1,001st an hour) to a member is answered with 0 and not shown to
them: ``dropped``. Text is cut at 2048 bytes, other content refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alerting.fakes.http import Answer, Request
from alerting.fakes.provider import Provider, Quota
from alerting.fakes.wecom import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TOKEN_MS = 7_200_000
SAME_MS = 1_800_000
BYTES = 2_048


class FakeWecomApp(Provider):
    """A WeCom server for one app, and the members who may use it."""

    def __init__(
        self, now_ms: Callable[[], int], corp_id: str, secret: str, agent_id: int, members: Iterable[str]
    ) -> None:
        super().__init__(now_ms)
        self.corp_id, self.secret, self.agent_id = corp_id, secret, agent_id
        self.members = set(members)
        self.cards: list[dict[str, Any]] = []  # as they were shown
        self.fetched = 0
        self.dropped: list[str] = []
        self._tokens: dict[str, int] = {}
        self._shown: dict[bytes, int] = {}
        self._tasks: set[str] = set()
        self._quotas = (Quota(30, 60_000), Quota(1_000, 3_600_000))
        self.server.befalls = lambda request: request.path.endswith("/message/send")

    def revoke(self) -> None:
        """Let every token die early."""
        self._tokens.clear()

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path == "/cgi-bin/gettoken" and request.method == "GET":
            code, message, more = self._give_token(request.query)
        elif request.path == "/cgi-bin/message/send" and request.method == "POST":
            code, message, more = self._judge(request)
        else:
            return Answer(b"not found", 404, "text/plain")
        if code:
            self.refused.append((self.now_ms(), str(self.agent_id), code))
        return answer(code, message, **more)

    def _give_token(self, query: dict[str, str]) -> tuple[int, str, dict[str, Any]]:
        if query.get("corpid") != self.corp_id:
            return 40013, "invalid corpid", {}
        if query.get("corpsecret") != self.secret:
            return 40001, "invalid credential", {}
        self.fetched += 1
        token = f"token-{self.fetched}"
        self._tokens[token] = self.now_ms() + TOKEN_MS
        return 0, "ok", {"access_token": token, "expires_in": TOKEN_MS // 1_000}

    def _judge(self, request: Request) -> tuple[int, str, dict[str, Any]]:
        now_ms = self.now_ms()
        if request.busy:
            return 45033, "api concurrent out of limit", {}
        until_ms = self._tokens.get(request.query.get("access_token", ""))
        if until_ms is None:
            return 40014, "invalid access_token", {}
        if now_ms >= until_ms:
            return 42001, "access_token expired", {}
        try:
            body = json.loads(request.body)
            text = _text(body)
        except (ValueError, KeyError, TypeError):
            return 40008, "invalid message type", {}
        if body.get("agentid") != self.agent_id:
            return 40056, "invalid agentid", {}
        if not text.strip():
            return 44004, "empty content", {}
        if body["msgtype"] == "markdown" and len(text.encode()) > BYTES:
            return 40058, f"markdown.content exceed max length {BYTES}. invalid Request Parameter", {}
        wanted = set(filter(None, body.get("touser", "").split("|")))
        unknown = "|".join(sorted(wanted - self.members))
        if not wanted & self.members:
            return 81013, "user & party & tag all invalid", {"invaliduser": unknown}
        return self._take(request.body, body, text, wanted & self.members, unknown)

    def _take(
        self, raw: bytes, body: dict[str, Any], text: str, to: set[str], unknown: str
    ) -> tuple[int, str, dict[str, Any]]:
        now_ms = self.now_ms()
        more = {"msgid": f"msg-{len(self.inbox) + 1}"} | ({"invaliduser": unknown} if unknown else {})
        if body.get("enable_duplicate_check") and now_ms - self._shown.get(raw, -SAME_MS) < SAME_MS:
            return 0, "ok", more
        task = body.get("template_card", {}).get("task_id")
        if task in self._tasks:
            return 42014, "taskid has existed or empty or exceed max len", {}
        if task:
            self._tasks.add(task)
        self._shown[raw] = now_ms
        too_many = {member for member in to if any(q.full(member, now_ms) for q in self._quotas)}
        self.dropped += sorted(too_many)
        for quota in self._quotas:
            for member in to - too_many:
                quota.take(member, now_ms)
        if to - too_many:
            self.cards += [body["template_card"]] if task else []
            cut = text.encode()[:BYTES].decode(errors="ignore")
            self.receive("|".join(sorted(to - too_many)), body["msgtype"], cut)
        return 0, "ok", more


def _text(body: dict[str, Any]) -> str:
    """What a member reads; a card is its title and its text, and must lead somewhere."""
    if body["msgtype"] != "template_card":
        return str(body[{"text": "text", "markdown": "markdown"}[body["msgtype"]]]["content"])
    card = body["template_card"]
    if card["card_type"] == "button_interaction":
        if not all(button["text"] and button["key"] for button in card["button_list"]):
            raise KeyError("button_list")
    elif card["card_type"] != "text_notice" or not card["card_action"]["url"]:
        raise KeyError("card_action")
    return f"{card['main_title']['title']}\n{card['sub_title_text']}"
