"""Events of one conversation in few words, and replays of them through the real command."""

from __future__ import annotations

import json
from contextlib import chdir

from click.testing import CliRunner

from monitor.cli import slawatch as command_line
from tests.commands.test_cli import slawatch

DAY = "2026-11-11"


def at(clock):
    return f"{DAY}T{clock}+08:00"


def message(clock, actor="customer", *, platform="taobao", conversation="c1", **more):
    """A message at a time of day, as ``10:10:15``; its id is its time and sender."""
    return {
        "type": "message",
        "id": f"{conversation}-{clock}-{actor}",
        "at": at(clock),
        "platform": platform,
        "shop_id": "s1",
        "conversation_id": conversation,
        "actor": actor,
        "source": "erp",
        **more,
    }


def handed_to(clock, agent, *, platform="taobao", conversation="c1"):
    """A human takes the conversation over."""
    event = message(clock, "assigned", platform=platform, conversation=conversation, agent_id=agent)
    del event["actor"]
    return event | {"type": "conversation", "action": "assigned"}


def lines(events):
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


def run(path, *args):
    """A command run in this process; ``slawatch`` of the command line's tests starts one of its own."""
    with chdir(path):
        return CliRunner().invoke(command_line, args, catch_exceptions=False)


def replay(path, events, *options):
    """The JSON of ``slawatch replay`` over these events."""
    (path / "day.ndjson").write_text(lines(events), "utf-8")
    done = run(path, "replay", "day.ndjson", "--format", "json", *options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def replay_process(path, *args, stdin=None):
    """The same as a user starts it: the JSON, and what was said beside it."""
    done = slawatch("replay", *args, "--format", "json", cwd=path, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def rate(report, measure="reply_rate_3m", period="day"):
    """asked, late, open of the only shop."""
    figure = report["shops"][0]["measures"][measure][period]
    return figure["asked"], figure["late"], figure["open"]
