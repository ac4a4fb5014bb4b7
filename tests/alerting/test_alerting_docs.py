"""What the page on alerting says is what the code does."""

import hashlib
import hmac
import re
from pathlib import Path

import pytest
import yaml

from alerting.channels.webhook import sign
from alerting.config import Alerting
from alerting.policy.route import Receiver
from alerting.policy.throttle import Allowance

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [(DOCS / name).read_text("utf-8") for name in ("alerting.md", "alerting.zh.md")]


@pytest.mark.parametrize("page", PAGES)
def test_its_example_is_accepted(page):
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    given = yaml.load(example, Loader=yaml.BaseLoader)  # every scalar stays text, as our reader has it
    managers = Alerting.parse(given).policy().receivers["managers"]
    assert managers == Receiver("managers", ("shift-bot",))  # the values shown are the defaults


@pytest.mark.parametrize("page", PAGES)
def test_its_limits_are_the_bots(page):
    allowance = Allowance()
    for number in (allowance.messages, allowance.window_ms // 1000, allowance.messages - allowance.reserve):
        assert re.search(rf"\b{number}\b", page)
    assert allowance.burst == 3


def test_the_signature_is_as_described():
    mac = hmac.new(b"secret", b"12.body", hashlib.sha256).hexdigest()
    headers = {"X-Slawatch-Timestamp": "12", "X-Slawatch-Signature": f"sha256={mac}"}
    assert sign(b"body", b"secret", 12_999) == headers
    assert all(name in page for name in headers for page in PAGES)
