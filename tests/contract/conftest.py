"""The same suite for one daemon and for a cluster; each is started once."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.contract.drivers import Cluster, Embedded


@pytest.fixture(scope="module", params=["embedded", "cluster"])
def it(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract") / "it"
    if request.param == "embedded":
        driver = Embedded(folder)
        yield driver
        driver.close()
        return
    kafka, postgres = request.getfixturevalue("kafka"), request.getfixturevalue("postgres_server")
    driver = Cluster(folder, kafka.bootstrap, postgres.new_database(), f"contract-{uuid4().hex[:12]}")
    yield driver
    driver.close()
