"""A log line never carries a key, token, phone number or webhook address."""

import json
import subprocess
import sys

import pytest

from monitor.logs import redact, redact_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx&x=1",
         "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=***&x=1"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/abc-def failed",
         "https://open.feishu.cn/open-apis/bot/v2/hook/*** failed"),
        ("Authorization: Bearer slw_abcDEF-_123", "Authorization: Bearer ***"),
        ("token slw_abcDEF-_123 revoked", "token slw_*** revoked"),
        ("call 13812345678 now", "call 138***78 now"),
        ("call +86 13812345678, 8613812345678", "call +86 138***78, 86138***78"),
        ("https://user:pass@influx/", "https://***@influx/"),
        ("at 1794363630123, shop 12345678901234", "at 1794363630123, shop 12345678901234"),
        ("20 misses left of 412", "20 misses left of 412"),
    ],
)  # fmt: skip
def test_texts_are_redacted(text, shown):
    assert redact_text(text) == shown


def test_values_are_redacted_by_name_and_at_any_depth():
    line = redact(None, "info", {
        "event": "sent", "secret": "a", "api_key": "b", "token": "c", "shop": "pdd:s1",
        "request": {"Authorization": "x", "urls": ["https://h/send?key=z"]},
        "error": ValueError("13812345678"),
    })  # fmt: skip
    assert line == {
        "event": "sent", "secret": "***", "api_key": "***", "token": "***", "shop": "pdd:s1",
        "request": {"Authorization": "***", "urls": ["https://h/send?key=***"]}, "error": "138***78",
    }  # fmt: skip


def test_a_line_for_machines_is_json_and_tracebacks_are_redacted_too():
    program = """
import logging, structlog
from monitor.logs import configure_logging
configure_logging("json", "info")
try:
    raise ValueError("slw_secrettoken at https://h/send?key=abc")
except ValueError:
    structlog.get_logger("a").exception("failed 13812345678", shop="s1")
logging.getLogger("uvicorn.error").warning("trouble with %s", "slw_secrettoken")
logging.getLogger("uvicorn.error").info("the server's own coming and going, with colour codes")
structlog.get_logger("a").debug("quiet")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("error", "failed 138***78"), ("warning", "trouble with slw_***"),
    ]  # fmt: skip
    assert "Traceback" in lines[0]["exception"]
    assert "secrettoken" not in done.stderr
    assert "key=abc" not in done.stderr
