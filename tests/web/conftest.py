"""The application over stand-ins for the runtime, and who asks it."""

import httpx
import pytest

from monitor.sinks.dead_letters import DeadLetters
from monitor.sinks.metrics import Metrics
from monitor.web.app import WebOptions, build_app
from monitor.web.tokens import Tokens
from tests.waiting import PATIENCE_S
from tests.web.houses import NOW_MS, House, StandIn, served


@pytest.fixture
def options():
    return WebOptions(stream_interval_s=0.05)


@pytest.fixture
def house(tmp_path, options):
    letters = DeadLetters(tmp_path / "dead.db")
    behind, tokens, metrics = StandIn(letters), Tokens(tmp_path / "tokens.json"), Metrics()
    app = build_app(
        view=behind, entrance=behind, desk=behind, reasons=behind, evidence=behind, rules=behind,
        tokens=tokens, metrics=metrics, dead_letters=letters, clock_ms=lambda: NOW_MS, options=options,
        monotonic_s=lambda: 0.0,
    )  # fmt: skip
    yield House(app, behind, tokens, metrics, letters)
    letters.close()


@pytest.fixture
def client(house):
    with served(house.app) as address, httpx.Client(base_url=address, timeout=PATIENCE_S) as one:
        yield one
