"""What tests of shards share: the rules that random events are judged by."""

from __future__ import annotations

import random

import pytest

from rules.load import load_rules
from tests.shard.test_when_judged import RULES, random_pack


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(RULES)
    return load_rules([path], {"pdd": (random_pack(random.Random(0)),)})
