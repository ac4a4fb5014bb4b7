"""Desks that would decide by different files say so, before and after the lead changes hands."""

import asyncio

import pytest

from alerting.ports import InPlace
from monitor.runtime.desk_files import NOTICE, DeskFiles
from monitor.runtime.health import Health
from monitor.store.sqlite import SqliteStore
from tests.runtime.scenes import configured, folder


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    yield store
    store.close()


class One:
    """A desk as far as its files go."""

    def __init__(self, store, name, digest, leads=False):
        self.digest, self.leads, self.health = digest, leads, Health()
        self._files = DeskFiles(
            lambda: self.digest, name, lambda: self.leads, store, InPlace(), self.health
        )  # fmt: skip

    def told(self):
        asyncio.run(self._files.look())
        return str(self.health.notices[NOTICE].en) if NOTICE in self.health.notices else ""


def test_who_follows_with_other_files_says_so_until_they_are_the_same(store):
    leader, same, other = One(store, "desk a", "1", leads=True), One(store, "b", "1"), One(store, "c", "2")
    assert [leader.told(), same.told()] == ["", ""]
    assert "are not those of the desk a that leads" in other.told()
    assert "与为主的 desk a 不同" in other.health.notices[NOTICE].zh
    leader.digest = "2"  # applied there
    assert [leader.told(), other.told()] == ["", ""]
    assert "of the desk a that leads" in same.told()


def test_who_takes_over_with_other_files_says_so_until_somebody_says_that_they_are_right(store):
    former, next_one = One(store, "desk a", "1", leads=True), One(store, "desk b", "2")
    assert former.told() == ""
    next_one.leads = True
    for _ in range(3):
        assert "of the desk a that led before" in next_one.told()
    former.leads = False
    assert "of the desk b that leads" in former.told()
    next_one.digest = "3"
    assert next_one.told() == ""


def test_who_takes_over_with_the_same_files_says_nothing(store):
    assert One(store, "desk a", "1", leads=True).told() == ""
    assert One(store, "desk b", "1", leads=True).told() == ""


def test_the_digest_is_of_all_that_decides_who_is_told_and_of_nothing_else(tmp_path):
    folder(tmp_path, "http://127.0.0.1:1")
    first = configured(tmp_path).desk_digest
    assert configured(tmp_path).desk_digest == first
    alerting = tmp_path / "alerting.yaml"
    alerting.write_text(alerting.read_text("utf-8") + "\n# a remark\n", "utf-8")
    assert configured(tmp_path).desk_digest == first
    (tmp_path / "people.yaml").write_text("people: {laowang: {phone: '13800000001'}}", "utf-8")
    second = configured(tmp_path).desk_digest
    alerting.write_text(alerting.read_text("utf-8") + "\ndigest_after: 8h\n", "utf-8")
    assert len({first, second, configured(tmp_path).desk_digest}) == 3
