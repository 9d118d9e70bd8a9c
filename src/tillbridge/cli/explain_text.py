"""The story of a sale in words, sums and tables. Prints only what it is given."""

from typing import Any

from tillbridge.cli.tables import Column, Kind, show
from tillbridge.days import from_epoch_ms

STATES = {
    "waiting": "it will go out with one of the next requests",
    "sending": "it is in a request that is under way",
    "posted": "Connecteam holds exactly one transaction for it",
    "in_doubt": "its request was not answered clearly; Connecteam's totals will tell",
    "held": "only a person can decide what became of it; see `tillbridge doubts list`",
    "quarantined": "it cannot be sent as it is",
    "skipped": "the configuration leaves it out",
    "dropped": "a person gave it up",
    "removed": "it was taken back out of Connecteam",
}

EVENTS = {
    "part_sending": "the request was written down, then sent",
    "part_posted": "Connecteam has it",
    "part_refused": "Connecteam refused the request; nothing was written",
    "part_not_sent": "no connection was made; it waits again",
    "part_doubt": "the answer was lost",
    "part_abandoned": "the totals showed that it had not arrived; it waits again",
    "part_held": "the totals could not tell",
    "part_replaced": "its time was emptied; it is sent anew",
    "sale_changed": "its content changed",
    "sale_quarantined": "set aside",
    "sale_dropped": "given up",
    "quarantine_retried": "tried again",
    "correction_seen": "Lightspeed reported it changed",
    "correction_withdrawn": "the change was taken back",
    "correction_held": "changed, and cannot be taken back by itself",
    "rules_asked": "a person asked for the changed rules to apply to it",
    "purge_asked": "a person asked for it to be taken out",
    "removal_planned": "its transaction is to be deleted",
    "removal_done": "its transaction is deleted",
}

_FOR_MACHINES = ("boot_id", "ended_boot_s")


def print_story(story: dict[str, Any]) -> None:
    """One sale, as `explain` tells it."""
    print(f"Sale {story['reference']} of {story['location']}")
    closed = story["closed_local"] or story["closed_at"] or "at an unknown time"
    print(f"  {story['type']}, closed {closed}, account {story['fisc_id'] or '-'}, "
          f"receipt {story['receipt_id'] or '-'}")  # fmt: skip
    print(f"  Lightspeed: net {story['net']}, tax {story['tax']}, service charge "
          f"{story['service_charge']} (exact sums of its lines)")  # fmt: skip
    _print_lines(story)
    _print_rules(story)
    if story["amount"] is not None:
        stamp = from_epoch_ms(story["created_at"] * 1000).isoformat().replace("+00:00", "Z")
        print(f"  Connecteam: {story['sale_type']} {story['amount']} {story['currency']}, tax "
              f"{story['tax_amount']}, at {stamp}, location {story['connecteam_id']}")  # fmt: skip
    reason = f" ({story['reason']})" if story["reason"] else ""
    print(f"  State: {story['state'].replace('_', ' ')}: {STATES[story['state']]}{reason}")
    if story["transaction_id"]:
        print(f"  Transaction id: {story['transaction_id']}")
    elif story["state"] == "posted":
        print("  Transaction id: not known; Connecteam's totals showed that it arrived")
    _print_requests(story)
    _print_events(story)


def _print_lines(story: dict[str, Any]) -> None:
    if story["lines_missing"]:
        print(f"  Its lines: {story['lines_missing']}.")
        return
    if story["changed_since"]:
        print("  Lightspeed now reports it changed; the next re-read corrects it. As it is now:")
    show(
        [Column("line", Kind.NUMBER), Column("accounting group"), Column("net", Kind.NUMBER),
         Column("tax", Kind.NUMBER), Column("service charge", Kind.NUMBER), Column("left out")],
        [[line["number"], line["group"], line["net"], line["tax"], line["service_charge"],
          line["left_out"] or ""] for line in story["lines"]],
        title="Lightspeed's lines, read again now",
    )  # fmt: skip
    sums = story["arithmetic"]
    rows = [[step["words"], step["net"], step["tax"]] for step in sums["steps"]]
    rows.append(["exact sum", sums["net"], sums["tax"]])
    if sums["rounded"] is not None:
        rows.append(["rounded once, half to even", sums["rounded"], sums["rounded_tax"]])
    show(
        [Column("sum"), Column("net", Kind.NUMBER), Column("tax", Kind.NUMBER)],
        rows,
        sections=(len(sums["steps"]) - 1,),
    )
    if sums["not_sent"]:
        print(f"  Not sent: {sums['not_sent']}.")


def _print_rules(story: dict[str, Any]) -> None:
    words = story["rules_words"]
    told = "; ".join(words) if words else "older than the ledger's book of rules"
    print(f"  Rules {story['rules']}: {told}")


def _print_requests(story: dict[str, Any]) -> None:
    if not story["requests"]:
        return
    show(
        [Column("batch", Kind.ID), Column("part", Kind.ID), Column("sent", Kind.ID),
         Column("state"), Column("sales", Kind.NUMBER), Column("total", Kind.NUMBER),
         Column("currency"), Column("request id", Kind.ID)],
        [[r["batch"], r["part"], r["sent_at"], r["state"], r["sales"], r["total"], r["currency"],
          r["request_id"]] for r in story["requests"]],
        title="The requests in which it travelled",
    )  # fmt: skip


def _print_events(story: dict[str, Any]) -> None:
    rows = [
        [
            event["at"],
            EVENTS.get(event["name"], event["name"].replace("_", " ")),
            ", ".join(
                f"{key.replace('_', ' ')} {value}"
                for key, value in (event["detail"] or {}).items()
                if key not in _FOR_MACHINES and value is not None
            ),
            event["request_id"],
        ]
        for event in story["events"]
    ]
    show(
        [Column("when", Kind.ID), Column("what happened"), Column("detail"),
         Column("request id", Kind.ID)],
        rows,
        title="What happened",
    )  # fmt: skip
