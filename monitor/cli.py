"""The command line: one thin module a command, imported only when it is asked for."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any, NoReturn

import click

# command → (module of monitor.commands that has it as ``command``, what it does in one line)
COMMANDS = {
    "demo": ("demo", "Watch a simulated day of shops; nothing to configure."),
    "run": ("run", "The daemon: events in, alerts out, on one machine."),
    "worker": ("worker", "One of many: shards of a topic of Kafka, for more than one machine."),
    "desk": ("desk", "Tells people what the workers of a cluster found."),
    "topics": ("topics", "Make and check the topic that workers share."),
    "migrate": ("migrate", "Bring the database of a cluster up to date."),
    "init": ("init", "Write a commented starter configuration."),
    "doctor": ("doctor", "Check configuration and dependencies, and say what to do."),
    "rules": ("rules", "Check rules and show what they mean."),
    "routes": ("routes", "Try who would be told of an alert, and when."),
    "notify-test": ("notify_test", "Prove that a receiver can be reached."),
    "messages": ("messages", "Show what messages look like, byte for byte."),
    "replay": ("replay", "Figures and alerts of events from files, offline."),
    "explain": ("explain", "List what a figure is made of."),
    "why": ("why", "Say why somebody was told of an alert, or was not."),
    "alerts": ("alerts", "List open alerts, acknowledge them, say what they were worth."),
    "silence": ("silence", "Mute alerts for a while."),
    "simulate": ("simulate", "Make realistic traffic with known truth."),
    "dead-letters": ("dead_letters", "List, show and send again what was refused."),
    "refused-points": ("refused_points", "List, send again or drop points that InfluxDB refused for good."),
    "backup": ("backup", "Copy everything that is kept, while the daemon runs."),
    "tokens": ("tokens", "Give sources and scripts access, and take it back."),
}
USED_WRONGLY = 2
INTERRUPTED = 130  # as shells say it: 128 + SIGINT


class Named(click.Group):
    """Commands of which a misspelt one is answered with the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name."""
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - only for a mistake

            near = difflib.get_close_matches(args[0], names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"`{ctx.command_path} --help` lists them"
            ctx.fail(f"no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


class Commands(Named):
    """The commands above; the list of them is shown without importing one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"monitor.commands.{COMMANDS[cmd_name][0]}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whoever reads its output may stop when they have seen enough."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush to
            raise click.exceptions.Exit(0) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Every command with its line."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="slawatch", message="slawatch %(version)s")
@click.option(
    "--config",
    "-c",
    metavar="FILE",
    envvar="SLAWATCH_CONFIG",
    show_envvar=True,
    help="The configuration; without it slawatch.yaml here, if there is one.",
)
@click.pass_context
def slawatch(ctx: click.Context, config: str | None) -> None:
    """Keep shops from being fined for slow or bad customer service.

    Exit status: 0 fine, 1 found something, 2 used wrongly.
    """
    ctx.obj = config


def main(args: list[str] | None = None) -> NoReturn:
    """Run a command and leave with its status; a user's mistake is one line, never a traceback."""
    try:
        sys.exit(slawatch.main(args, "slawatch", standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(USED_WRONGLY)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "slawatch"
        _fail(f"{_one_line(error.format_message())} (see {path} --help)")
    except Exception as error:  # noqa: BLE001 - sorted here into ours and a defect
        _fail(_message(error))


def _message(error: Exception) -> str:
    """The lines for the user; a defect, which is not of a known kind, is raised again."""
    known: list[type[Exception]] = []
    for module, name in (
        ("monitor.errors", "MonitorError"),
        ("rules.problems", "RulesError"),
        ("alerting.errors", "AlertingError"),
    ):
        known.append(getattr(import_module(module), name))
    if not isinstance(error, tuple(known)):
        raise error
    return str(error)


def _one_line(text: str) -> str:
    words = " ".join(text.split()).rstrip(".")
    return words.replace("a valid integer range", "a whole number").replace("a valid float range", "a number")


def _fail(message: str) -> NoReturn:
    click.echo(f"slawatch: {message}", err=True)
    sys.exit(USED_WRONGLY)


def described() -> dict[str, Any]:
    """Every command with its options, for the reference and its test: ``click``'s own description."""
    context = click.Context(slawatch, info_name="slawatch")
    return {"version": version("slawatch"), **slawatch.to_info_dict(context)}
