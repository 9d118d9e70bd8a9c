"""`alarm test` and `alarm failed`: telling people now, without the ledger."""

import os

from tillbridge.alarms import Level
from tillbridge.alerting import addresses_of, ping_url_of
from tillbridge.announce import Message
from tillbridge.cli.options import Common, say
from tillbridge.configured import user_agent
from tillbridge.errors import ConfigError, Problem
from tillbridge.http import Answer, Http, Timeouts
from tillbridge.messenger import Address, deliver

_ENDS = {
    "77": (
        "A vendor refused the credentials, so it was not started again.",
        (
            "Sign in again with `tillbridge authorize` or replace the key (`tillbridge status` "
            "says which), then `systemctl restart`."
        ),
    ),
    "78": (
        "Its configuration, or a file that it names, is wrong, so it was not started again.",
        "Run `tillbridge config show` and correct what it lists, then `systemctl restart`.",
    ),
}
_ANY_END = (
    "systemd does not start it again by itself any more.",
    "Look at `journalctl -u tillbridge -n 50`, then `systemctl restart`.",
)


def test(common: Common) -> int:
    """A message to everybody, now. Exit 69 if one was not reached, 78 if one cannot be."""
    config = common.load()
    addresses, problems = addresses_of(config.alarms, os.environ)
    ping_url, more = ping_url_of(config.alarms, os.environ)
    for problem in problems + more:
        say(str(problem))
    if not addresses and not problems and not config.alarms.ping_url:
        raise ConfigError(
            "There is nobody to tell: [alarms] names no address.",
            'Add to = [{ credential = "alarm-mail" }] there; the reference has examples.',
        )
    message = Message(
        f"[{config.name}] A test from tillbridge",
        "This is a test. Alarms of tillbridge arrive here; nothing has to be done.",
        Level.CRITICAL,
    )
    reached = _tell(addresses, message)
    reached &= not ping_url or _fetch(ping_url, user_agent(config.name))
    if problems or more:
        return 78
    return 0 if reached else 69


def failed(common: Common) -> int:
    """The service is gone; called by systemd's OnFailure. Needs no more of the configuration than
    [alarms], because that the rest is wrong may be the reason.
    """
    name, section = common.load_alarms()
    addresses, problems = addresses_of(section, os.environ)
    if not addresses:
        for problem in problems or [Problem("alarms.to", "There is nobody to tell.")]:
            say(str(problem))
        return 78 if problems else 0
    return 0 if _tell(addresses, _end_of_service(name)) else 69


def _end_of_service(name: str) -> Message:
    # Set by systemd 251 and later for the unit that OnFailure starts.
    unit = os.environ.get("MONITOR_UNIT", "tillbridge")
    status = os.environ.get("MONITOR_EXIT_STATUS", "")
    result = os.environ.get("MONITOR_SERVICE_RESULT", "")
    sentence, remedy = _ENDS.get(status, _ANY_END)
    why = f" ({result}, {status})" if result and status else ""
    return Message(
        f"[{name}] The service {unit} has ended",
        f"The service {unit} has ended{why}; no sales are carried over. {sentence}\n{remedy}",
        Level.CRITICAL,
    )


def _tell(addresses: list[Address], message: Message) -> bool:
    results = deliver(message, addresses) if addresses else []
    for one in results:
        place = one.address.place
        say(f"{place}: delivered." if one.done else f"{place}: not delivered: {one.why}.")
    return all(one.done for one in results)


def _fetch(url: str, agent: str) -> bool:
    http = Http(url, timeouts=Timeouts(10.0, 10.0), max_connections=1, user_agent=agent)
    try:
        answer = http.exchange("GET", url)
    finally:
        http.close()
    if isinstance(answer, Answer) and answer.status < 400:
        say("alarms.ping_url: fetched.")
        return True
    why = f"status {answer.status}" if isinstance(answer, Answer) else answer.reason
    say(f"alarms.ping_url: not fetched: {why}.")
    return False
