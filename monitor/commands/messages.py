"""``slawatch messages``: what people would be sent, byte for byte, before anybody is sent anything."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.context import load_configuration
from monitor.commands.output import Group, format_option, print_json, print_table
from monitor.errors import MonitorError
from rules.problems import closest

if TYPE_CHECKING:
    from alerting.channels.base import Channel
    from alerting.policy.compose import Ready
    from alerting.policy.rulings import Receiver
    from monitor.configured import Configured

KINDS = ("fire", "rise", "repeat", "resolved", "ended", "digest")


@click.group(cls=Group)
def command() -> None:
    """Show what messages look like, and what their templates may say."""


@command.command()
@format_option
def words(form: str) -> None:
    """List the words, filters and functions of templates."""
    from alerting.messages.template import FILTERS, WORDS  # noqa: PLC0415 - jinja

    rows = [*WORDS.items(), ("drop(n)", "the line is left out before those with a smaller n, 0 to 9")]
    rows += [("strong(text)", "emphasised, where there is markup"), ("filters", ", ".join(FILTERS))]
    if form == "json":
        print_json([{"word": word, "means": means} for word, means in rows])
        return
    print_table(("word", "means"), rows, empty="none")


@command.command()
@click.argument("part", type=click.Choice(["alert", "row"]), default="alert")
def template(part: str) -> None:
    """Print our own template, to start from."""
    from alerting.messages.template import shipped  # noqa: PLC0415 - jinja

    click.echo(shipped(part), nl=False)


@command.command()
@click.argument("name", metavar="RULE|RECEIVER")
@click.option("--kind", type=click.Choice(KINDS), default="fire", show_default=True, help="What is told.")
@click.option("--shop", help="On which shop: platform:shop_id.  [default: the first of shops.yaml]")
@click.option("--warn", is_flag=True, help="As a warning; otherwise it is critical.")
@format_option
@click.pass_context
def preview(ctx: click.Context, name: str, kind: str, shop: str | None, warn: bool, form: str) -> None:
    """Show what each channel would send: the text, its bytes, and the request's body.

    RULE shows what its receivers would be sent, RECEIVER what that one would be sent of the first rule.
    Figures and customers are made up; nothing is sent.
    """
    from monitor.configured import configure  # noqa: PLC0415 - the channels and all they need

    configuration = load_configuration(ctx)
    configured = configure(configuration.settings, configuration.base)
    rule, receivers = _meant(configured, name)
    items = _items(configured, kind, rule, shop, "warn" if warn else "crit")
    shown = [
        _shown(configured, receiver, account, channel, items)
        for receiver in receivers
        for account, channel in _channels(configured, receiver).items()
    ]
    if form == "json":
        print_json(shown)
        return
    for one in shown:
        click.echo(
            f"── {one['receiver']} on {one['account']}: text {one['bytes']} of {one['limit']} bytes, "
            f"request {one['request_bytes']} bytes"
        )
        click.echo(one["text"])
        click.echo(f"── request\n{one['request']}\n")


def _meant(configured: Configured, name: str) -> tuple[str, list[Receiver]]:
    """The rule, and who is told of it."""
    policy, rules = configured.alerting.policy(), configured.plan.rules.rules
    if name in rules:
        notify = rules[name].notify
        names = policy.routes.get(notify) or ((notify,) if notify in policy.receivers else (policy.default,))
        return name, [policy.receivers[one] for one in names]
    if name in policy.receivers:
        return next(iter(rules), "sample"), [policy.receivers[name]]
    known = [*rules, *policy.receivers]
    near = closest(name, known)
    mend = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
    raise MonitorError(f"no rule or receiver {name!r}", mend=mend)


def _items(
    configured: Configured, kind: str, rule: str, shop: str | None, severity: str
) -> tuple[Ready, ...]:
    from alerting.messages.samples import sample  # noqa: PLC0415

    now_ms = time.time_ns() // 1_000_000
    of = shop or next(iter(configured.names.shop_keys()), "pinduoduo:s1")
    make = partial(sample, rule=rule, shop=of, severity=severity, agents=configured.names.agent_ids())
    if kind == "digest":
        return tuple(make("fire", now_ms, n=n) for n in range(5))
    return (make(kind, now_ms),)  # type: ignore[arg-type]


def _channels(configured: Configured, receiver: Receiver) -> dict[str, Channel]:
    """The channels of a receiver; a secret that is not there yet does not matter for what is written."""
    from monitor.configured import read_secret  # noqa: PLC0415
    from monitor.runtime.clock import SystemClock  # noqa: PLC0415

    def read(kind: Any, name: str) -> str:
        try:
            return read_secret(configured.base, kind, name)
        except (OSError, KeyError):
            return "https://not-set.example" if "url" in name.lower() else "not-set"

    return configured.alerting.previews(SystemClock(), read, receiver.accounts)


def _shown(
    configured: Configured, receiver: Receiver, account: str, channel: Channel, items: tuple[Ready, ...]
) -> dict[str, Any]:
    from alerting.links import KEY_BYTES, Links  # noqa: PLC0415
    from alerting.messages.render import render  # noqa: PLC0415
    from alerting.messages.style import Style  # noqa: PLC0415
    from alerting.messages.template import OURS  # noqa: PLC0415
    from alerting.policy.compose import Draft  # noqa: PLC0415

    now_ms = items[0].intent.created_ms
    templates = configured.alerting.templates().get(receiver.name, OURS)
    knows = configured.alerting.accounts[account].contact
    style = Style(
        receiver.language,
        channel.markup,
        channel.limit_bytes,
        now_ms,
        templates=templates,
        contact="" if knows == "phone" else knows,  # no phone is printed
    )
    names = configured.names.signing(Links(bytes(KEY_BYTES), configured.settings.public_url))
    message = render(Draft(receiver.name, items), names, style).message
    payload = channel.payload(message)
    return {
        "receiver": receiver.name,
        "account": account,
        "text": message.body,
        "bytes": len(message.body.encode()),
        "limit": channel.limit_bytes,
        "request": payload.decode("utf-8", "replace"),
        "request_bytes": len(payload),
    }
