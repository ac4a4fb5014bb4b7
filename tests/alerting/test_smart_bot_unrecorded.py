"""A worker that tells without a record connects as the bot, and lets go: the account is somebody else's."""

from alerting.policy.rulings import Receiver
from alerting.sender import Sender
from tests.alerting.people import People
from tests.alerting.sides import Clock
from tests.alerting.test_wecom_smart import play
from tests.alerting.worlds import Shard, policy
from tests.waiting import until


def test_the_bots_connection_is_given_back_to_whoever_holds_its_account():
    async def scene(fake, desk, worker):
        desk.hold(True)
        await until(lambda: desk._link._connection)
        given = policy(receivers={"managers": Receiver("managers", ("bot",))}, default="managers")
        sender = Sender(None, {"bot": worker}, given, People(), Clock())
        assert await sender.tell_unrecorded([Shard()(0, severity="crit")]) == 1
        assert worker._link._task is None
        desk.hold(False)  # it came back after a while
        desk.hold(True)
        await until(lambda: desk._link._connection)

    play(scene, bots=2)
