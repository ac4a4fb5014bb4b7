"""The options of commands that make simulated traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


def traffic_options(
    *, shops_max: int, conversations: int, conversations_max: int, hours: float, hours_max: float
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``--shops``, ``--seed``, ``--conversations`` and ``--hours``.

    Args:
        shops_max: The most shops it can play.
        conversations: Mean number a shop has in a day, unless told otherwise.
        conversations_max: The most it can play.
        hours: How long it lasts, unless told otherwise.
        hours_max: The longest it can last.
    """
    options = (
        click.option(
            "--shops",
            type=click.IntRange(1, shops_max),
            default=20,
            show_default=True,
            help="How many shops.",
        ),
        click.option(
            "--seed", type=int, default=1, show_default=True, help="The same seed, the same traffic."
        ),
        click.option(
            "--conversations",
            type=click.IntRange(1, conversations_max),
            default=conversations,
            show_default=True,
            help="Mean number a shop has in a whole day.",
        ),
        click.option(
            "--hours",
            type=click.FloatRange(0, hours_max, min_open=True),
            default=hours,
            show_default=True,
            help="How long it lasts.",
        ),
    )

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return give
