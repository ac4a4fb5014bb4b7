"""The database of a cluster is brought up to date on demand, and not before there is a copy."""

import json

import pytest
from test_cli import slawatch

from alerting.errors import SchemaOld
from monitor.store import database
from monitor.store.postgres import PostgresStore

pytestmark = pytest.mark.live


def test_an_older_database_is_migrated_once_somebody_says_that_it_is_copied(
    postgres_server, tmp_path, monkeypatch
):
    address = postgres_server.new_database()
    shipped = database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: shipped[:-1])
    PostgresStore(address, "before").close()
    monkeypatch.undo()
    with pytest.raises(SchemaOld, match="slawatch migrate --copied"):
        PostgresStore(address, "too early")

    head, _, tail = address.partition("@")
    user, _, password = head.rpartition(":")
    settings = {"postgres": {"url": f"{user}@{tail}", "password": password}}
    (tmp_path / "slawatch.yaml").write_text(json.dumps(settings))
    refused = slawatch("migrate", cwd=tmp_path)
    assert (refused.returncode, "copy the database" in refused.stderr) == (2, True)
    with pytest.raises(SchemaOld):
        PostgresStore(address, "still too early")
    for _ in range(2):  # the second time there is nothing to do
        done = slawatch("migrate", "--copied", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "up to date" in done.stderr
    PostgresStore(address, "after").close()


def test_without_a_database_it_says_which_setting_names_one(tmp_path):
    done = slawatch("migrate", "--copied", cwd=tmp_path)
    assert (done.returncode, "postgres.url" in done.stderr) == (2, True)
