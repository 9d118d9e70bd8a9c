"""Carries one message to its addresses, in a process of its own: `python -m tillbridge.deliver`.

The notification library needs as much memory as the rest of tillbridge, loads code by address, and
waits as long as it likes. Here it can: this process lives for one message, and whoever started it
ends it when it takes too long. It reads the message from standard input, addresses included, so
that no secret stands in arguments or the environment, and writes a line of JSON for each address
as soon as it is done. It must never import the ledger or the configuration.
"""

import json
import logging
import sys
from typing import Any, TextIO


class _Heard(logging.Handler):
    """What the library says of a failure; warnings and errors only, which name no address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main(source: TextIO, results: TextIO) -> None:
    """Deliver the message on `source`, or with `"check": true` only understand its addresses."""
    import apprise  # noqa: PLC0415  # the reason for this process; see the module

    order: dict[str, Any] = json.load(source)
    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.addHandler(heard)
    logger.propagate = False
    asset = apprise.AppriseAsset(app_id="tillbridge", app_desc="tillbridge", async_mode=False)
    for number, address in enumerate(order["addresses"]):
        heard.lines.clear()
        sender = apprise.Apprise(asset=asset)
        understood = bool(sender.add(address))
        done = understood and (order.get("check") or _notify(sender, order))
        line = {
            "number": number,
            "understood": understood,
            "done": bool(done),
            "why": "; ".join(heard.lines)[:500],
        }
        results.write(json.dumps(line) + "\n")
        results.flush()


def _notify(sender: Any, order: dict[str, Any]) -> bool:  # noqa: ANN401  # Apprise's own class
    # The plain text must arrive as it is, also where the other side thinks in HTML or Markdown.
    told = sender.notify(
        title=order["title"], body=order["body"], notify_type=order["kind"], body_format="text"
    )
    return bool(told)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
