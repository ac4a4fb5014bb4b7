"""Apprise addresses of services that call every HTTP 200 a success, and so lose messages: they are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from alerting.config.accounts import DingtalkAccount, FeishuAccount, WecomBotAccount

if TYPE_CHECKING:
    from alerting.config.account import Account

LYING = ("wecombot", "dingtalk", "feishu", "lark")
LARK_URL = "https://open.larksuite.com"


def ours(url: str) -> Account | None:
    """The account of ours that an address means; None: it is Apprise's own.

    ``wecombot://KEY``, ``dingtalk://[SECRET@]TOKEN/MOBILE/…``, ``feishu://TOKEN``, ``lark://TOKEN``; each
    with ``?format=text`` if it is not to be markdown.
    """
    parts = urlsplit(url)
    if parts.scheme not in LYING:
        return None
    user, _, host = parts.netloc.rpartition("@")
    given: dict[str, Any] = {"key": SecretStr(unquote(host))}
    if parse_qs(parts.query).get("format") == ["text"]:
        given["format"] = "text"
    if parts.scheme == "wecombot":
        return WecomBotAccount(type="wecom_bot", **given)
    if parts.scheme == "dingtalk":
        mobiles = tuple(unquote(part).lstrip("@") for part in parts.path.split("/") if part)
        secret = SecretStr(unquote(user)) if user else None
        return DingtalkAccount(type="dingtalk", secret=secret, mention_mobiles=mobiles, **given)
    if parts.scheme == "lark":
        given["base_url"] = LARK_URL
    return FeishuAccount(type="feishu", **given)
