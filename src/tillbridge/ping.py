"""The dead man's switch: an address that is fetched after each good pass.

The service behind it tells people if that stops, whatever the reason: a broken disk, a lost
network, a machine that is off. A thread of its own, one fetch at a time; it never raises, never
tries again by itself (the next pass does), and never touches the ledger.
"""

import threading

from tillbridge.http import Answer, Http, Timeouts
from tillbridge.log import get_logger, redact

_log = get_logger("tillbridge.ping")

PING_WITHIN_S = 10.0


class Ping:
    """The thread; it begins with the first good pass.

    Args:
        url: what to fetch; nothing is done if it is empty.
        user_agent: names the installation.
    """

    def __init__(self, url: str, user_agent: str) -> None:
        self._url = url
        self._user_agent = user_agent
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._works = True

    def good_pass(self) -> None:
        """Any number of passes before the next fetch are one."""
        if not self._url:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="ping", daemon=True)
            self._thread.start()
        self._asked.set()

    def close(self, within_s: float) -> None:
        """End; a fetch under way is given that long."""
        self._stopping.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(within_s)

    def _work(self) -> None:
        while True:
            self._asked.wait()
            if self._stopping.is_set():
                return
            self._asked.clear()
            self._fetch()

    def _fetch(self) -> None:
        http = Http(
            self._url,
            timeouts=Timeouts(PING_WITHIN_S, PING_WITHIN_S),
            max_connections=1,
            user_agent=self._user_agent,
        )
        try:
            answer = http.exchange("GET", self._url)
        finally:
            http.close()
        works = isinstance(answer, Answer) and answer.status < 400
        if not works and self._works:  # once per outage
            why = f"status {answer.status}" if isinstance(answer, Answer) else answer.reason
            _log.warning("ping_failed", reason=redact(why))
        self._works = works
