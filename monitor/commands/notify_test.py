"""``slawatch notify-test``: prove that a receiver can be reached, by the provider's own answer."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import TYPE_CHECKING

import click

from monitor.commands.context import Configuration, load_configuration
from monitor.commands.output import format_option, print_json, print_table
from monitor.errors import MonitorError
from rules.problems import closest

if TYPE_CHECKING:
    from alerting.channels.base import DeliveryResult
    from alerting.config.model import Alerting

FOUND = 1
TEXT = {
    "zh": "slawatch 测试消息：{receiver} 经 {account} 可以收到告警。无需处理。",
    "en": "slawatch test: {receiver} can be reached over {account}. Nothing to do.",
}


@click.command()
@click.argument("receiver")
@format_option
@click.pass_context
def command(ctx: click.Context, receiver: str, form: str) -> None:
    """Send a test message to RECEIVER on each of its accounts, and say what the provider answered.

    RECEIVER is a name of alerting.yaml, a route's included. An HTTP 200 proves nothing: what counts is the
    code in the answer. Exit status 1 when an account did not take it.
    """
    from monitor.configured import load_alerting  # noqa: PLC0415 - the channels and all they need

    configuration = load_configuration(ctx)
    settings = configuration.settings
    alerting = load_alerting(configuration.place(settings.alerting), settings.language)
    sent = asyncio.run(_send(configuration, alerting, _accounts(alerting, receiver)))
    if form == "json":
        print_json([{"receiver": who, "account": account, "result": result} for who, account, result in sent])
    else:
        print_table(
            ("receiver", "account", "result", "code", "detail"),
            [
                (who, account, result.kind, result.provider_code, result.detail)
                for who, account, result in sent
            ],
            empty="nobody to tell",
        )
    if not all(result.accepted for _, _, result in sent):
        raise click.exceptions.Exit(FOUND)


def _accounts(alerting: Alerting, name: str) -> list[tuple[str, str]]:
    """Receivers behind a name, each with one of its accounts."""
    if name not in alerting.names():
        near = closest(name, alerting.names())
        mend = f"did you mean {near}?" if near else f"there are {', '.join(sorted(alerting.names()))}"
        raise MonitorError(f"no receiver {name!r}", mend=mend)
    receivers = alerting.routes.get(name, (name,))
    return [(who, account) for who in receivers for account in alerting.receivers[who].accounts]


async def _send(
    configuration: Configuration, alerting: Alerting, wanted: list[tuple[str, str]]
) -> list[tuple[str, str, DeliveryResult]]:
    import httpx  # noqa: PLC0415

    from alerting.channels.base import Message  # noqa: PLC0415
    from monitor.configured import read_secret  # noqa: PLC0415
    from monitor.runtime.clock import SystemClock  # noqa: PLC0415

    found = []
    async with httpx.AsyncClient() as client:
        read = partial(read_secret, configuration.base)
        channels = alerting.channels(client, SystemClock(), read, lambda text: click.echo(text, err=True))
        for receiver, account in wanted:
            language = alerting.receivers[receiver].language or alerting.language
            body = TEXT[language].format(receiver=receiver, account=account)
            message = Message(key=f"test-{secrets.token_hex(8)}", body=body)
            channel = channels[account]
            found.append((receiver, account, await channel.deliver(channel.payload(message))))
    return found
