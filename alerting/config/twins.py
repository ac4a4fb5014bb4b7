"""Accounts of ``alerting.yaml`` that are one bot by two names: a provider counts their messages together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.config.account import WithKey
from alerting.config.accounts import WecomSmartBotAccount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerting.config.account import Account, Place
    from alerting.config.model import Alerting


def twin_notices(alerting: Alerting) -> Iterator[tuple[Place, str]]:
    """Accounts that are the bot of an earlier one, with their places."""
    first: dict[tuple[object, ...], str] = {}
    for name, account in alerting.accounts.items():
        mark = _mark(account)
        other = first.setdefault(mark, name) if mark else name
        if other != name:
            text = (
                f"{name} and {other} are one bot, whose limit is counted for each of them: "
                "together they may be refused; tell both receivers over one account"
            )
            yield ("accounts", name), text


def _mark(account: Account) -> tuple[object, ...]:
    """What makes a bot the same; of a key that lies elsewhere, where it lies."""
    if isinstance(account, WithKey):
        return type(account), account.key, account.key_file, account.key_env
    return (account.bot_id,) if isinstance(account, WecomSmartBotAccount) else ()
