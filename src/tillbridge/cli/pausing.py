"""`pause` and `resume`: the ledger remembers it, and a running service notices by itself."""

from tillbridge.cli.options import Common, say
from tillbridge.cli.state import open_ledger
from tillbridge.clock import SystemClock
from tillbridge.days import epoch_ms
from tillbridge.errors import UsageError
from tillbridge.ledger import locations


def set_paused(common: Common, name: str, *, paused: bool) -> int:
    """Change it, once; saying it again changes nothing."""
    ledger = open_ledger(common)
    try:
        with ledger.commit() as commit:
            rows = {row.name.casefold(): row for row in locations.every(commit)}
            row = rows.get(name.casefold())
            if row is None:
                known = ", ".join(sorted(other.name for other in rows.values()))
                raise UsageError(
                    f"The ledger knows no location {name!r}.", f"The locations are {known}."
                )
            changed = locations.set_paused(
                commit, row.id, epoch_ms(SystemClock().now()), paused=paused
            )
    finally:
        ledger.close()
    if not changed:
        say(f"{row.name} is {'paused already' if paused else 'not paused'}.")
    elif paused:
        say(
            f"{row.name} is paused: nothing new is read or posted there from the next pass on. "
            "What was sent before is still settled. `tillbridge resume` ends it."
        )
    else:
        say(f"{row.name} goes on with the next pass, where it was.")
    return 0
