"""The way to InfluxDB: one connection, one request at a time, each answer sorted by what is to be done.

Plain HTTP: the vendor's client gives a batch up after minutes, keeps what waits in memory, and compresses
at its slowest. It serves for queries and set-up.
"""

from __future__ import annotations

import email.utils
import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from monitor.sinks import influx_limits as limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Verdict(Enum):
    """What becomes of what was sent after an answer."""

    STORED = "stored"
    PARTLY = "partly"  # the rest of it is stored: never send it again
    WRONG = "wrong"  # something in it is wrong: find it
    SMALLER = "smaller"  # too much at once, or not done in time: halve it
    REFUSED = "refused"  # token, bucket, organisation, address: somebody must mend it, keep everything
    LATER = "later"  # down, busy, or not understood: try again


_VERDICTS: Final = {
    204: Verdict.STORED,
    400: Verdict.WRONG,
    408: Verdict.SMALLER,
    413: Verdict.SMALLER,
    422: Verdict.PARTLY,
    429: Verdict.LATER,
    504: Verdict.SMALLER,
}
_CONDEMN: Final = (400, 422)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to a request; ``status`` 0: nothing, and ``words`` why.

    ``because``: the verdict where no status says it.
    """

    status: int
    words: str = ""
    retry_after_s: float = 0.0
    because: Verdict | None = None

    @property
    def own(self) -> bool:
        """Whether the words are InfluxDB's own, and not a proxy's."""
        return '"code"' in self.words

    @property
    def verdict(self) -> Verdict:
        """What to do; what nobody foresaw among refusals is for a person, among failures for later.

        Only InfluxDB's own words condemn lines: a proxy says 400 to all, and a page to log in says 200.
        """
        if self.because is not None:
            return self.because
        found = _VERDICTS.get(self.status)
        if self.status in _CONDEMN and not self.own:
            return Verdict.REFUSED
        if found is not None:
            return found
        return Verdict.REFUSED if 200 <= self.status < 500 else Verdict.LATER


class _AuthorityError(OSError):
    """The file of the authority cannot be read."""


class Link:
    """Posts batches. Used by one thread; ``break_off`` may come from another.

    Args:
        url: Of the server, ``http(s)://host:port[/path]``.
        org: The organisation, by name.
        bucket: The bucket, by name.
        token: Reads the token; called before the first request and after each that was refused.
        authority: A PEM file that the server's certificate is checked with; None: the system's. Read at
            each connection, so that another one in its place is taken.
    """

    def __init__(
        self, url: str, org: str, bucket: str, token: Callable[[], str], authority: Path | None = None
    ) -> None:
        self._address, self._read_token, self._token = urlsplit(url), token, ""
        query = urlencode({"org": org, "bucket": bucket, "precision": "ns"})
        self._target = f"{self._address.path.rstrip('/')}/api/v2/write?{query}"
        self._authority = authority
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> Answer:
        """Send gzipped lines; never raises for what a server or a network can do.

        The whole answer must be there within ``ASK_S``, however busily its bytes drip in.
        """
        try:
            self._token = self._token or self._read_token()
        except (OSError, ValueError) as error:
            return Answer(401, f"no token: {error}")
        reused = self._connection is not None
        try:
            answer = self._asked(body)
        except ConnectionError as error:
            if not reused:
                return self._nothing(error)
            self.close()  # a connection that rested may be gone; the server is not for that
            try:
                answer = self._asked(body)
            except (OSError, http.client.HTTPException) as again:
                return self._nothing(again)
        except (OSError, http.client.HTTPException) as error:
            return self._nothing(error)
        except ValueError as error:  # whose words may hold the token
            self.close()
            return Answer(0, f"{type(error).__name__}: host or token is none")
        if answer.verdict is Verdict.REFUSED:
            self._token = ""  # it may be another one by now
        return answer

    def _asked(self, body: bytes) -> Answer:
        """The answer, or that it took too long; another thread ends what is not whole by then."""
        if self._connection is None:
            self._connection = self._connected()
        late = threading.Event()
        guard = threading.Timer(limits.ASK_S, self.break_off, (late,))
        guard.daemon = True
        guard.start()
        try:
            answer = self._ask(self._connection, body)
        except (OSError, http.client.HTTPException) as error:
            if not late.is_set() and not isinstance(error, TimeoutError):
                raise
            late.set()
        finally:
            guard.cancel()
        if late.is_set():
            self.close()
            return Answer(0, f"timed out: no whole answer in {limits.ASK_S:g} s", because=Verdict.SMALLER)
        return answer

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> Answer:
        headers = {
            "Authorization": f"Token {self._token}",
            "Content-Encoding": "gzip",
            "Content-Type": "text/plain; charset=utf-8",
        }
        connection.request("POST", self._target, body, headers)
        response = connection.getresponse()
        words = response.read(limits.WORDS_BYTES).decode("utf-8", "replace").strip()
        if self._token:  # some send back what they were sent
            words = words.replace(self._token, "(token)")
        if response.status < 200 or response.will_close or not response.isclosed():
            self.close()  # what is still to come would be taken for the next answer
        return Answer(response.status, words, retry_after_s(response.getheader("Retry-After") or ""))

    def _nothing(self, error: Exception) -> Answer:
        self.close()
        mend = isinstance(error, (ssl.SSLCertVerificationError, _AuthorityError))
        words = f"{type(error).__name__}: {error}"
        return Answer(0, words, because=Verdict.REFUSED if mend else None)

    def break_off(self, late: threading.Event | None = None) -> None:
        """End the request that is on its way, if there is one; it fails at once.

        Args:
            late: Set before, for who asks why it failed.
        """
        if late is not None:
            late.set()
        connection = self._connection
        wire = None if connection is None else connection.sock  # once: the sender may close it meanwhile
        if wire is not None:
            try:
                socket.socket.shutdown(wire, socket.SHUT_RDWR)  # below TLS, which would wait
            except OSError:  # it is gone already
                return

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme != "https":
            connection = http.client.HTTPConnection(host, port, timeout=limits.ASK_S)
        else:
            try:
                context = ssl.create_default_context(cafile=self._authority)
            except OSError as error:
                raise _AuthorityError(f"influx.ca_file: {error.strerror or error}") from error
            connection = http.client.HTTPSConnection(host, port, timeout=limits.ASK_S, context=context)
        connection.connect()
        return connection


def retry_after_s(text: str) -> float:
    """Seconds of a Retry-After header, which has seconds or a date; 0 of none, never more than the bound."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    if not isfinite(seconds):
        return 0.0
    return min(max(seconds, 0.0), limits.RETRY_AFTER_MAX_S)
