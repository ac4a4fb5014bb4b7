"""One InfluxDB with a day of shops, for all that is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest

from tests.dashboards.as_grafana import CHOSEN, filled_in
from tests.dashboards.shops_seeded import END_MS, at, day_of

SHOPS, BATCH, BEGIN_MS = 12, 20_000, at(9)


@dataclass(frozen=True)
class Asked:
    """Asks queries of boards, with the board's time from 09:00 to 16:00 of the day."""

    server: Any
    bucket: str

    def __call__(self, query, start_ms=BEGIN_MS, stop_ms=END_MS, **chosen):
        return self.server.query(filled_in(query, self.bucket, start_ms, stop_ms, CHOSEN | chosen))


@pytest.fixture(scope="session")
def ask(influx_server):
    bucket, lines = influx_server.new_bucket(), day_of(SHOPS)
    while batch := list(islice(lines, BATCH)):
        influx_server.write(bucket, batch)
    return Asked(influx_server, bucket.name)
