"""One track of one day: rounds that are told apart in one way, and what is counted of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine.messages import MessageTally
from monitor.engine.responses import Responses
from monitor.engine.rounds import AGENT, ASSIST, BOT
from monitor.engine.tallies import Tally
from monitor.engine.units import FirstTally, UnitTally

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.spec import MeterSpec, ResponseSpec, TrackSpec
    from monitor.engine.windows import StateLog, WaitLog

ANSWERERS: Final = {"agent": AGENT, "assist": ASSIST, "bot": BOT}


class Answers:
    """Answered, counted rounds of one response time: of the day, and in windows."""

    __slots__ = ("day", "measure", "track", "windows")

    def __init__(self, spec: ResponseSpec, track: Track, windows: tuple[WaitLog, ...]) -> None:
        self.measure = spec.measure
        self.track = track
        self.windows = windows
        self.day = Responses()

    def add(self, ask_ms: int, wait_ms: int) -> None:
        """Count an answered round."""
        self.day.add(wait_ms)
        for window in self.windows:
            window.add(ask_ms, wait_ms)

    def remove(self, ask_ms: int, wait_ms: int) -> None:
        """Take one back."""
        self.day.remove(wait_ms)
        for window in self.windows:
            window.remove(ask_ms, wait_ms)


def tally_for(spec: MeterSpec, day: Day, windows: tuple[StateLog, ...]) -> Tally:
    """The tally that counts a meter's unit."""
    if spec.unit == "message":
        return MessageTally(spec, day, windows)
    if spec.unit == "round":
        return Tally(spec, day, windows)
    return FirstTally(spec, day, windows) if spec.first_round else UnitTally(spec, day, windows)


class Track:
    """A ``TrackSpec`` on a day. ``answers`` has a bit for each operation that answers its rounds."""

    __slots__ = (
        "answers",
        "day",
        "handover_opens",
        "human_stage",
        "marked",
        "messages",
        "number",
        "responses",
        "session_start",
        "soonest_ms",
        "spans",
        "tallies",
        "waiting",
    )

    def __init__(self, day: Day, number: int, spec: TrackSpec) -> None:
        shop = day.shop
        self.day = day
        self.number = number
        self.spans = spec.spans
        self.answers = sum(1 << ANSWERERS[actor] for actor in spec.answered_by)
        self.human_stage = spec.human_stage
        self.session_start = spec.session_start
        self.handover_opens = spec.handover_opens
        self.messages = spec.messages
        self.marked = spec.marked
        self.tallies = [tally_for(meter, day, shop.state_logs(meter)) for meter in spec.meters]
        self.responses = [Answers(response, self, shop.wait_logs(response)) for response in spec.responses]
        self.soonest_ms = min((meter.within_ms for meter in spec.meters), default=-1)
        # The tally of the pack's first reply rate, if that is on this track: its rounds are said to wait.
        self.waiting: Tally | None = self.tallies[spec.waiting_meter] if spec.waiting else None

    def in_hours(self, of_day_ms: int) -> bool:
        """Whether a time of day lies in the service hours."""
        for start, end in self.spans:
            if start <= of_day_ms < end:
                return True
        return False
