"""Several installations on one machine, compared: what two of them must not share. Pure.

Each is judged by itself in `health`; only what lies between them is here.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tillbridge.findings import Finding, Level


@dataclass(frozen=True, slots=True)
class Member:
    """One installation.

    Attributes:
        name: of the instance, as people call it.
        account: the name of its Connecteam account; None before it first posted.
        address: of Connecteam's interface.
        targets: the names of its locations by Connecteam's id.
        ledger: the whole path of its ledger.
    """

    name: str
    account: str | None
    address: str
    targets: Mapping[int, str]
    ledger: str


def compare(members: Sequence[Member]) -> list[Finding]:
    """What installations share that they must not, or should know of."""
    return [*_same_ledger(members), *_same_location(members), *_same_account(members)]


def _same_ledger(members: Sequence[Member]) -> Iterator[Finding]:
    by_ledger: dict[str, list[str]] = defaultdict(list)
    for member in members:
        by_ledger[member.ledger].append(member.name)
    for ledger, names in by_ledger.items():
        if len(names) > 1:
            yield Finding(
                "ledger_shared", Level.PERSON, None, ledger,
                f"{_listed(names)} use one ledger, {ledger}, and only one of them can post.",
                "Give each a [ledger] path of its own, or leave it out.",
            )  # fmt: skip


def _same_location(members: Sequence[Member]) -> Iterator[Finding]:
    by_target: dict[tuple[str, int], list[str]] = defaultdict(list)
    for member in members:
        for target in member.targets:
            by_target[member.address, target].append(member.name)
    for (_, target), names in by_target.items():
        if len(names) > 1:
            yield Finding(
                "location_shared", Level.PERSON, None, str(target),
                f"{_listed(names)} both feed location {target} of Connecteam; a sale that both "
                "read would be there twice, and each takes the other's for somebody else's.",
                "Take it out of all but one of them.", "locations list",
            )  # fmt: skip


def _same_account(members: Sequence[Member]) -> Iterator[Finding]:
    by_account: dict[str, list[str]] = defaultdict(list)
    for member in members:
        if member.account is not None:
            by_account[member.account].append(member.name)
    for account, names in by_account.items():
        if len(names) > 1:
            yield Finding(
                "account_shared", Level.NOTE, None, account,
                f"{_listed(names)} use the same Connecteam account, and so the same quota.",
                "Let the quota_share of all of them add up to 1 at most.",
            )  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
