"""House rules of the test run: nothing is skipped in CI, and a failing example can be run again."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from monitor.engine import fold

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

settings.register_profile("dev", max_examples=50, deadline=None, print_blob=True)
settings.register_profile(
    "ci", max_examples=200, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", settings.get_profile("ci"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


def pytest_configure():
    """``make test-compiled`` says so: then what decides must be machine code, or the run shows nothing."""
    if os.environ.get("TEST_COMPILED") == "1" and not str(fold.__file__).endswith(".so"):
        raise pytest.UsageError(f"not compiled: {fold.__file__}")


def pytest_collection_modifyitems(items):
    """Put files with slow tests first, every other one of them in the middle.

    Each process of a run begins with a share of this order: what is slow is then begun first, by two of four,
    and none ends long after the others.
    """
    paths = dict.fromkeys(item.path for item in items if item.get_closest_marker("slow"))
    turns = {path: n % 2 for n, path in enumerate(paths)}
    first, second, others = ([item for item in items if turns.get(item.path, 2) == turn] for turn in range(3))
    middle = max(0, len(items) // 2 - len(first))
    items[:] = first + others[:middle] + second + others[middle:]


def _refuse_skip(report):
    """In CI a skip is a failure: what was left out on one machine is found broken on another."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: nothing may be skipped in CI ({reason})"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _refuse_skip((yield))


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server for all tests of this process that do it no harm; each takes a new database."""
    from tests.servers import postgres

    if reason := postgres.missing():
        pytest.skip(reason)
    server = postgres.PostgresServer(folder=postgres.memory())
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_postgres(postgres_server):
    """A server for one test, which may stop, kill and fill it."""
    server = type(postgres_server)()
    server.start()
    yield server
    server.close()


def an_influx():
    from tests.servers import influx

    if reason := influx.missing():
        pytest.skip(reason)
    with influx.InfluxServer() as server:
        yield server


@pytest.fixture(scope="session")
def influx_server():
    """An InfluxDB server for all tests of this process that do it no harm; each takes a new bucket."""
    yield from an_influx()


@pytest.fixture
def own_influx():
    """A server for one test, which may stop, kill and pause it."""
    yield from an_influx()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """The broker of this run, for all tests that do it no harm; each takes a topic of its own."""
    from tests.servers import kafka, shared

    if reason := kafka.missing():
        pytest.skip(reason)
    with kafka.common(shared.run_folder(tmp_path_factory)) as broker:
        yield broker


@pytest.fixture
def own_kafka(tmp_path_factory):
    """A broker for one test, which may stop and kill it."""
    from tests.servers import kafka

    if reason := kafka.missing():
        pytest.skip(reason)
    with kafka.Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
