"""The application over stand-ins for the runtime, and who asks it."""

import httpx
import pytest

from monitor.sinks.dead_letters import DeadLetters
from monitor.sinks.metrics import Metrics
from monitor.web.app import WebOptions, build_app
from monitor.web.tokens import Tokens
from tests.waiting import PATIENCE_S
from tests.web.houses import House, StandIn, served


@pytest.fixture
def options():
    return WebOptions(stream_interval_s=0.05)


@pytest.fixture
def house(tmp_path, options):
    letters = DeadLetters(tmp_path / "dead.db")
    behind, tokens, metrics = StandIn(letters), Tokens(tmp_path / "tokens.json"), Metrics()
    app = build_app(behind.ports(tokens, metrics), behind, options, lambda: 0.0)
    yield House(app, behind, tokens, metrics, letters)
    letters.close()


@pytest.fixture
def client(house):
    with served(house.app) as address, httpx.Client(base_url=address, timeout=PATIENCE_S) as one:
        yield one
