"""Why posting to a Connecteam location may be stopped, and what a person can do. Pure."""

UNTIL_RESTART = ("location_refused", "broken_invariant")
"""Stops that no reading can end."""

STOP_REMEDIES = {
    "not_empty": (
        "Switch the other integration off and delete its sales on those days; or, if both should "
        "write there, set exclusive = false. tillbridge looks again every 15 minutes."
    ),
    "unexplained": (
        "See `tillbridge reconcile`; what was deleted or doubled, `tillbridge reconcile --repair` "
        "puts right. Else find out who writes there, or set exclusive = false."
    ),
    "old_ledger": (
        "The ledger seems to be an old copy: put the newest one back. If there is none, "
        "`tillbridge reconcile --repair` takes over what the totals show to be there already, and "
        "sends nothing twice."
    ),
    "applied_late": (
        "Delete in Connecteam what that request brought and no sale tells of now (`tillbridge "
        "explain` shows what belongs there); tillbridge then goes on by itself."
    ),
    "location_refused": (
        "Correct connecteam_id (see `tillbridge locations list`) and restart tillbridge."
    ),
    "broken_invariant": "Please report this; nothing was sent.",
}
"""What a person can do about each stop, by its name."""
