"""Takes messages to people, and never gets in anybody's way.

A thread of its own, a bounded queue, and for each message a process that is ended when it takes
too long (`deliver`). Nothing here raises for the network's sake; what could not be delivered is
handed back, and is due again. It must never touch the ledger.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tillbridge.alarms import Level
from tillbridge.announce import Announcement, Message
from tillbridge.log import get_logger, keep_secret, redact

_log = get_logger("tillbridge.messenger")

DELIVER_WITHIN_S = 60.0
"""How long one message may take to all its addresses; then the process that carries it is ended."""

TRY_AGAIN_S = (10.0, 60.0)
"""Waits between the tries of one message. Then it is handed back, to be due again later."""

_MOST_WAITING = 8
_LONGEST_PAUSE_S = 900.0
_FIRST_PAUSE_S = 300.0
_KINDS = {Level.WARNING: "warning", Level.CRITICAL: "failure"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes.

    Attributes:
        place: in the configuration, for people: `alarms.to[0]`.
        url: the secret.
        urgent_only: gets only messages with something critical in them.
    """

    place: str
    url: str
    urgent_only: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message at one address."""

    address: Address
    done: bool
    why: str = ""


def deliver(
    message: Message, addresses: Sequence[Address], *, check: bool = False,
    within_s: float = DELIVER_WITHIN_S,
) -> list[Delivery]:  # fmt: skip
    """Take a message to each address, now; with `check`, only see whether they are understood.

    Never raises: an address that could not be reached says why.
    """
    for address in addresses:
        hide(address.url)
    order = {
        "addresses": [address.url for address in addresses],
        "title": message.title,
        "body": message.body,
        "kind": "success" if message.is_end else _KINDS[message.level],
        "check": check,
    }
    try:
        lines, trouble = _run_child(json.dumps(order), within_s)
    except OSError as error:
        lines, trouble = [], f"no process could be started ({error.strerror})"
    found = {line["number"]: line for line in lines}
    return [
        _delivery(address, found.get(number), trouble) for number, address in enumerate(addresses)
    ]


def _delivery(address: Address, line: Mapping[str, object] | None, trouble: str) -> Delivery:
    if line is None:
        return Delivery(address, done=False, why=trouble)
    why = redact(str(line["why"]))
    if not line["understood"]:
        why = f"this is not an address that Apprise understands. {why}".strip()
    return Delivery(address, bool(line["done"]), why or "it was not accepted")


def _run_child(order: str, within_s: float) -> tuple[list[dict[str, object]], str]:
    """The lines that came back, and what is to be said of addresses without one."""
    # Told by this process, systemd would take the child for the service.
    environ = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
    with subprocess.Popen(
        [sys.executable, "-m", "tillbridge.deliver"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environ, cwd="/", text=True,
    ) as child:  # fmt: skip
        try:
            out, errors = child.communicate(order, timeout=within_s)
            trouble = f"the messenger failed ({(errors.strip().splitlines() or ['?'])[-1][:200]})"
        except subprocess.TimeoutExpired:
            child.kill()
            out, _ = child.communicate()
            trouble = f"it took longer than {within_s:g} seconds"
    lines = []
    for line in out.splitlines():
        with contextlib.suppress(ValueError):  # cut off when the process was ended
            lines.append(json.loads(line))
    return lines, redact(trouble)


def hide(url: str) -> None:
    """Keep the address, and each part of it that may be a key, out of every log line."""
    keep_secret(url)
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        pieces = [parts.password or "", *parts.path.split("/"), *parts.query.split("&")]
        for piece in pieces:
            if len(piece) >= 8:
                keep_secret(piece)


class Messenger:
    """The thread; it begins with the first message.

    Args:
        addresses: all of them.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = tuple(addresses)
        self._waiting: queue.Queue[Message] = queue.Queue(_MOST_WAITING)
        self._failed: queue.SimpleQueue[Announcement] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pause_s = 0.0
        self._carried: Message | None = None

    @property
    def has_addresses(self) -> bool:
        """Whether anybody is to be told at all."""
        return bool(self._addresses)

    def offer(self, message: Message) -> bool:
        """Take a message; false if too many wait already, so that it stays due."""
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            return False
        if self._thread is None:
            # A daemon: a wedged delivery must not keep the service from ending.
            self._thread = threading.Thread(target=self._work, name="messenger", daemon=True)
            self._thread.start()
        self._wake.set()
        return True

    def failed(self) -> list[Announcement]:
        """What reached nobody since this was last asked."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._failed.get_nowait())
        return found

    def close(self, within_s: float) -> None:
        """End; what still waits is given that long to go out.

        What then is not delivered for certain counts as failed: to hear something twice is better
        than not to hear it.
        """
        self._stopping.set()
        self._wake.set()
        if self._thread is None:
            return
        self._thread.join(within_s)
        if self._thread.is_alive():
            carried = self._carried
            left = [carried] if carried is not None else []
            with contextlib.suppress(queue.Empty):
                while True:
                    left.append(self._waiting.get_nowait())
            for message in left:
                self._give_back(message)

    def _give_back(self, message: Message) -> None:
        for one in message.told:
            self._failed.put(one)

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with contextlib.suppress(queue.Empty):
                while True:
                    self._carried = self._waiting.get_nowait()
                    self._carry(self._carried)
                    self._carried = None
            if self._stopping.is_set():
                return

    def _carry(self, message: Message) -> None:
        everybody = message.level is Level.CRITICAL
        open_ones = [one for one in self._addresses if everybody or not one.urgent_only]
        reached, failures = not open_ones, list[Delivery]()
        for wait_s in (0.0, *TRY_AGAIN_S):
            if not open_ones or (wait_s and self._stopping.wait(wait_s)):
                break
            results = deliver(message, open_ones)
            reached |= any(one.done for one in results)
            failures = [one for one in results if not one.done]
            open_ones = [one.address for one in failures]
        self._say(message, failures)
        if reached:
            self._pause_s = 0.0
            return
        self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)
        # Handed back only then: else a dead mail server would be tried again with each pass.
        self._stopping.wait(self._pause_s)
        self._give_back(message)

    def _say(self, message: Message, failures: Sequence[Delivery]) -> None:
        # Once per outage, not per try: there is a pause from the first failure on.
        say = _log.debug if self._pause_s else _log.warning
        for one in failures:
            say("alarm_not_sent", address=one.address.place, reason=one.why)
        if not failures:
            _log.debug("alarm_sent", title=message.title)
