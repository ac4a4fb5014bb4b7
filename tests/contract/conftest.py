"""The same suite for one daemon and for a cluster; each is started once."""

from __future__ import annotations

import pytest

from tests.contract.drivers import Cluster, Embedded
from tests.servers.kafka import Kafka, missing


@pytest.fixture(scope="module", params=["embedded", "cluster"])
def it(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract") / "it"
    if request.param == "embedded":
        driver = Embedded(folder)
        yield driver
        driver.close()
        return
    if reason := missing():
        pytest.skip(reason)
    postgres = request.getfixturevalue("postgres_server")
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        driver = Cluster(folder, broker.bootstrap, postgres.new_database(), "contract")
        yield driver
        driver.close()
