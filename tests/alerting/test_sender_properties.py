"""Whatever the provider answers and whenever the process dies: nothing lost, nothing recorded sent again."""

import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from alerting.channels.base import DeliveryResult
from alerting.policy.throttle import Allowance
from tests.alerting.worlds import SECOND, Process, policy


class Killed(BaseException):
    """The process died here."""


class Provider:
    """A channel whose answers are scripted; ``inbox``: the shops of each message that arrived, its mark."""

    allowance = Allowance()
    limit_bytes = 4096
    markup = "text"

    def __init__(self) -> None:
        self.script = []
        self.inbox = []

    def payload(self, message):
        shops = [alert["subject"].get("shop") for alert in message.alerts]
        return json.dumps([shops, message.again]).encode()

    async def deliver(self, payload):
        shops, again = json.loads(payload)
        what = self.script.pop(0) if self.script else "ok"
        if what in ("ok", "taken, no answer", "taken, killed"):
            self.inbox.append((tuple(shops), again))
        if "killed" in what:
            raise Killed
        kind = {"no answer": "ambiguous", "taken, no answer": "ambiguous"}.get(what, what)
        return DeliveryResult(kind, detail=what)


answers = st.sampled_from(
    [
        *("ok", "transient", "rate_limited", "bad_credential"),
        *("no answer", "taken, no answer", "killed", "taken, killed"),
    ]
)
moves = st.one_of(
    st.tuples(st.just("alert"), st.integers(1, 12)),
    st.tuples(st.just("answers"), st.lists(answers, min_size=1, max_size=3)),
    st.tuples(st.just("wait"), st.integers(1, 90)),
    st.just(("restart",)),
)


class World(Process):
    def __init__(self, folder) -> None:
        super().__init__(folder / "s.db", policy())
        self.provider = Provider()
        self.open()

    def channels(self):
        return {"bot": self.provider}

    def alert(self, number, at_s):
        fired = [self.shard(0, severity="crit", shop=f"{at_s}-{i}", at_ms=self.now) for i in range(number)]
        self.commit(*fired)
        return [t.subject["shop"] for t in fired]

    async def run_for(self, seconds):
        end = self.now + seconds * SECOND
        while True:
            try:
                until_ms = await self.sender.turn("bot")
                self.fold()
            except Killed:
                self.restart()
                continue
            if until_ms > end:
                break
            self.now = max(self.now, until_ms)
        self.now = end


@settings(max_examples=40, deadline=None)
@given(st.lists(moves, max_size=25))
@example([("alert", 1), ("answers", ["no answer", "taken, killed"]), ("wait", 1)])
def test_every_alert_arrives_and_only_what_was_in_doubt_arrives_marked_again(script):
    async def main(world):
        fired = []
        for step, move in enumerate(script):
            match move:
                case ("alert", number):
                    fired += world.alert(number, step)
                case ("answers", given):
                    world.provider.script += given
                case ("wait", seconds):
                    await world.run_for(seconds)
                case _:
                    world.restart()
        world.provider.script = []
        await world.run_for(1_300)
        world.store.close()
        return fired

    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        fired = asyncio.run(main(world))
    answers = [what for move in script if move[0] == "answers" for what in move[1]]
    plain = Counter(shop for shops, again in world.provider.inbox if not again for shop in shops)
    marked = Counter(shop for shops, again in world.provider.inbox if again for shop in shops)
    for shop in fired:
        assert plain[shop] <= 1
        assert marked[shop] <= 1 + sum(
            "killed" in what for what in answers
        )  # each death repeats one message at most
    # A second try that nobody answered either is not tried a third time; all others have arrived.
    settled = {shop for shop in fired if plain[shop] + marked[shop]}
    assert settled == set(fired) or answers.count("no answer") + answers.count("killed") >= 2
