"""The platforms' own worked examples, through the real command with the packs that ship."""

from __future__ import annotations

import pytest

from tests.workbench.events import DAY, at, handed_to, message, rate, replay

MIDNIGHT = ("--at", f"{DAY}T23:59:59+08:00")


def pdd(clock, actor="customer", **more):
    return message(clock, actor, platform="pinduoduo", **more)


class TestTaobao:
    """Rounds: 首问首答, from the first ask to the first answer; asks inside a round do not add."""

    FIRST = (message("10:10:15"), message("10:15:20"), message("10:18:10", "agent"))

    def test_a_round_is_judged_from_its_first_ask(self, tmp_path):
        """Asked 10:10:15 and again 10:15:20, answered 10:18:10: 0 of 1 in time."""
        assert rate(replay(tmp_path, self.FIRST, *MIDNIGHT)) == (1, 1, 0)

    def test_the_next_ask_opens_the_next_round(self, tmp_path):
        """The same, then asked 10:18:30 and answered 10:19:00: 1 of 2."""
        again = [*self.FIRST, message("10:18:30"), message("10:19:00", "agent")]
        report = replay(tmp_path, again, *MIDNIGHT)
        assert rate(report) == (2, 1, 0)
        day = report["shops"][0]["measures"]["reply_rate_3m"]["day"]
        assert (day["value"], day["worst"]) == (0.5, 0.5)

    def test_ten_asks_that_nobody_answers_are_one_miss(self, tmp_path):
        """Ten asks within 3 minutes, never answered that day: 0 of 1."""
        asks = [message(f"14:0{second // 60}:{second % 60:02}") for second in range(0, 180, 18)]
        assert rate(replay(tmp_path, asks, *MIDNIGHT)) == (1, 1, 0)

    def test_a_robot_beside_a_human_answers(self, tmp_path):
        """Assist mode counts as an answer for the rate, and is no human answer for the mean."""
        report = replay(tmp_path, [message("10:00:00"), message("10:00:01", "assist")], *MIDNIGHT)
        assert rate(report) == (1, 0, 0)
        assert report["shops"][0]["measures"]["response_time"]["day"]["count"] == 0


class TestPinduoduo:
    """Customers: one late message makes a customer late, once for the day."""

    @pytest.mark.parametrize(("answered", "late"), [("10:02:55", 0), ("10:03:05", 1)])
    def test_a_burst_is_judged_from_its_first_message(self, tmp_path, answered, late):
        """Asked at 0 s and 10 s: answered at 175 s is fine, at 185 s is late."""
        burst = [pdd("10:00:00"), pdd("10:00:10"), pdd(answered, "agent")]
        assert rate(replay(tmp_path, burst, *MIDNIGHT)) == (1, late, 0)

    @pytest.mark.parametrize(
        ("answered", "late"), [("23:02:00", 0), ("23:02:30", 0), ("23:02:30.001", 1), ("23:03:00", 1)]
    )
    def test_an_ask_before_the_end_of_the_hours_runs_on_past_it(self, tmp_path, answered, late):
        """22:59:30 answered at 150 s is fine, exactly at the limit too; at 210 s it is late."""
        asked = [pdd("22:59:30"), pdd(answered, "agent")]
        assert rate(replay(tmp_path, asked, *MIDNIGHT)) == (1, late, 0)

    @pytest.mark.parametrize("asked", ["23:00:00", "23:10:00", "07:59:59"])
    def test_an_ask_out_of_hours_never_counts(self, tmp_path, asked):
        assert rate(replay(tmp_path, [pdd(asked)], *MIDNIGHT)) == (0, 0, 0)

    def test_the_robot_and_the_platform_do_not_stop_the_clock(self, tmp_path):
        """In the human stage only a human answers; welcome lines neither open nor stop anything."""
        talk = [
            handed_to("10:00:00", "a1", platform="pinduoduo"),
            pdd("10:00:01", "system"),
            pdd("10:00:02"),
            pdd("10:00:03", "bot"),
            pdd("10:00:04", "assist"),
            pdd("10:00:05", "system"),
        ]
        assert rate(replay(tmp_path, talk, "--at", at("10:01:00"))) == (1, 0, 1)
        assert rate(replay(tmp_path, talk, "--at", at("10:03:02"))) == (1, 0, 1)
        assert rate(replay(tmp_path, talk, "--at", at("10:03:03"))) == (1, 1, 0)

    def test_a_customer_whom_the_robot_alone_served_is_not_asked_about(self, tmp_path):
        assert rate(replay(tmp_path, [pdd("10:00:00"), pdd("10:00:02", "bot")], *MIDNIGHT)) == (0, 0, 0)

    def test_a_second_miss_of_a_customer_costs_nothing_more(self, tmp_path):
        """Two conversations and three misses of one customer: 1 late of 1; by message it is 3 of 3."""
        misses = [
            pdd("10:00:00", customer_id="b1"),
            pdd("10:09:00", "agent", agent_id="a1"),
            pdd("11:00:00", customer_id="b1"),
            pdd("11:09:00", "agent", agent_id="a1"),
            pdd("12:00:00", customer_id="b1", conversation="c2"),
        ]
        report = replay(tmp_path, misses, *MIDNIGHT)
        assert rate(report) == (1, 1, 0)
        assert rate(report, "reply_rate_5m") == (3, 3, 0)
        assert report["shops"][0]["measures"]["reply_rate_3m"]["agents"] == {
            "a1": {"answered": 2, "late": 1},
            "unassigned": {"answered": 0, "late": 2},  # nobody had written at 10:03, nor ever in c2
        }

    def test_the_miss_of_a_transferred_chat_is_its_holders(self, tmp_path):
        """The shop's clock runs on over a transfer; who held the chat at the limit is to blame."""
        talk = [
            handed_to("10:00:00", "a1", platform="pinduoduo"),
            pdd("10:00:10"),
            handed_to("10:02:00", "a2", platform="pinduoduo"),
            pdd("10:05:00", "agent", agent_id="a2"),
        ]
        report = replay(tmp_path, talk, *MIDNIGHT)
        assert report["shops"][0]["measures"]["reply_rate_3m"]["agents"] == {"a2": {"answered": 1, "late": 1}}

    def test_the_budget_is_counted_in_misses(self, tmp_path):
        """20 customers, 1 late, at least 90 % of 30 days: ⌊20 / 10⌋ − 1 = 1 left."""
        talks = []
        for n in range(20):
            answered = "10:09:00" if n == 0 else "10:01:00"
            talks += [pdd("10:00:00", conversation=f"c{n}"), pdd(answered, "agent", conversation=f"c{n}")]
        report = replay(tmp_path, talks, "--at", at("10:30:00"))
        month = report["shops"][0]["budgets"]["pdd-reply-90"]
        assert month["budget_left"] == 1
        assert month["budget_left_today"] > 1, "the rest of today adds to the 30 days too"
        day = report["shops"][0]["budgets"]["pdd-reply-50"]
        assert day["budget_left"] == 9
        assert day["budget_left_today"] > 9
