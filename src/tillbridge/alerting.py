"""Puts the parts together that tell people: addresses from the configuration, habits, the watch.

A part of the composition root. An address that cannot be used is said, and the rest goes on: sales
must not stay behind because a telephone number is wrong.
"""

from collections.abc import Mapping
from datetime import UTC, tzinfo

from tillbridge.alarms import Alarms
from tillbridge.announce import Habits
from tillbridge.clock import Clock
from tillbridge.config import Alarms as Section
from tillbridge.config import Config
from tillbridge.config.parsing import parse_address
from tillbridge.configured import user_agent
from tillbridge.errors import ConfigError, Problem
from tillbridge.ledger.store import Ledger
from tillbridge.log import get_logger
from tillbridge.messenger import Address, Messenger, hide
from tillbridge.ping import Ping
from tillbridge.secrets import SecretRef, resolve
from tillbridge.watch import Watch

_log = get_logger("tillbridge.alerting")


def addresses_of(
    section: Section, environ: Mapping[str, str]
) -> tuple[list[Address], list[Problem]]:
    """The addresses of alarms, and what is wrong with those that cannot be read."""
    found: list[Address] = []
    problems: list[Problem] = []
    wanted = [("to", number, ref) for number, ref in enumerate(section.to)]
    wanted += [("urgent_to", number, ref) for number, ref in enumerate(section.urgent_to)]
    for key, number, ref in wanted:
        place = f"alarms.{key}[{number}]"
        url = _read(ref, environ, place, problems)
        if url is not None:
            found.append(Address(place, url, urgent_only=key == "urgent_to"))
    return found, problems


def ping_url_of(section: Section, environ: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """The dead man's switch; empty if there is none that can be used."""
    problems: list[Problem] = []
    place = "alarms.ping_url"
    if section.ping_url is None:
        return "", problems
    url = _read(section.ping_url, environ, place, problems)
    if url is None:
        return "", problems
    hide(url)
    try:
        return parse_address(url), problems
    except ValueError:
        message = "This is not an address that may be fetched."
        remedy = "Write it in full, beginning with https://, without a user or a password."
        return "", [Problem(place, message, remedy)]


def _read(
    ref: SecretRef, environ: Mapping[str, str], place: str, problems: list[Problem]
) -> str | None:
    try:
        return resolve(ref, environ, where=place).reveal()
    except ConfigError as error:
        problems += error.problems
        return None


def habits_of(section: Section, zone: tzinfo = UTC) -> Habits:
    """When people want to hear what.

    Args:
        section: the table [alarms].
        zone: where it names none.
    """
    quiet = None
    if section.quiet_from is not None and section.quiet_to is not None:
        quiet = (section.quiet_from, section.quiet_to)
    return Habits(section.timezone or zone, section.remind_after, quiet)


def make_watch(
    config: Config, ledger: Ledger, alarms: Alarms, environ: Mapping[str, str], clock: Clock
) -> Watch:
    """The watch of the process that posts; what is wrong with an address is logged, not raised."""
    section = config.alarms
    addresses, problems = addresses_of(section, environ)
    ping_url, more = ping_url_of(section, environ)
    for problem in problems + more:
        _log.error("alarm_address_unusable", address=problem.path, reason=problem.message,
                   remedy=problem.remedy)  # fmt: skip
    return Watch(
        ledger,
        alarms,
        Messenger(addresses),
        Ping(ping_url, user_agent(config.name)),
        habits_of(section, config.locations[0].timezone),
        config.name,
        clock,
    )
