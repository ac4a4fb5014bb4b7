"""Tells the service manager that the process is ready and alive, as sd_notify(3) says it.

systemd gives the address of a datagram socket in ``NOTIFY_SOCKET``; where there is none, nobody is told.
"""

from __future__ import annotations

import socket

import structlog

from monitor.settings import notify_socket

log = structlog.get_logger(__name__)
READY, ALIVE = b"READY=1", b"WATCHDOG=1"


class Supervisor:
    """What started the process and ends it when it is heard of no more.

    Args:
        address: A path, or ``@`` and a name without a file; empty: there is nobody.
    """

    def __init__(self, address: str | None = None) -> None:
        found = notify_socket() if address is None else address
        self._address = "\0" + found[1:] if found.startswith("@") else found

    def ready(self) -> None:
        """The process does what it is there for."""
        self._tell(READY)

    def alive(self) -> None:
        """It gets on; a unit's ``WatchdogSec`` runs anew."""
        self._tell(ALIVE)

    def _tell(self, state: bytes) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
                link.sendto(state, self._address)
        except OSError as error:  # it ends us if it hears nothing for long; nothing is lost by that
            log.warning("the service manager does not hear", error=str(error))
