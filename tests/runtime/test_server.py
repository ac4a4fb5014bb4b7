"""The listener that the web pages and events come in by."""

from __future__ import annotations

import socket

from monitor.runtime.server import _listening


def test_an_answer_is_not_held_back_until_the_client_acknowledges_its_head():
    with _listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
