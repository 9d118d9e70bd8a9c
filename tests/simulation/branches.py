"""Which branches of settling a seed takes: listens at the pure decisions and the audit trail."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection

from simulation.world import Story
from tillbridge import doubt, outcome, recording
from tillbridge.ledger import events, parts


@contextlib.contextmanager
def recorded(story: Story) -> Iterator[None]:
    """Tell the story of every decision, finding, outcome and event meanwhile."""
    before = doubt.decide, doubt.examine, outcome.judge, events.note, recording.halves

    def note(commit: Connection, at_ms: int, name: str, **values: Any) -> None:
        before[3](commit, at_ms, name, **values)
        if name == "base_taken":
            story.note_base(values["connecteam_id"], values["reading"])
        if name == "part_sending":
            row = parts.get(commit, values["part_id"])
            story.note_intent(row.connecteam_id, row.first_created, row.last_created)
        stop = f" {values['stop']}" if "stop" in values else ""
        by = f" by {values['by']}" if "by" in values else ""
        story.reach(f"event {name}{stop}{by}")
        story.tell(f"event {name} {sorted((k, str(v)) for k, v in values.items())}")

    def halves(rows: Any) -> Any:
        story.reach("fence halved")
        return before[4](rows)

    doubt.decide = _told(story, "decide", before[0])
    doubt.examine = _told(story, "examine", before[1])
    outcome.judge = _told(story, "judge", before[2])
    events.note = note
    recording.halves = halves
    try:
        yield
    finally:
        doubt.decide, doubt.examine, outcome.judge, events.note, recording.halves = before


def _told(story: Story, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def told(*args: Any) -> Any:
        found = function(*args)
        story.reach(f"{name} {_named(found)}")
        return found

    return told


def _named(found: Any) -> str:
    match found:
        case doubt.Decided(landed, not_landed):
            both = landed and not_landed
            return f"Decided {'both' if both else 'landed' if landed else 'not landed'}"
        case doubt.StopPosting(name, _):
            return f"StopPosting {name}"
        case doubt.ReadLater(_, verdict):
            return "ReadLater to confirm" if verdict else "ReadLater"
        case outcome.Unknown(_, ids):
            return "Unknown with some echoed" if ids else "Unknown"
        case _:
            return type(found).__name__
