"""A person's word on what totals cannot tell: it ends a doubt, or a stop. No total is read here.

The word is refused while the request may still be carried out, needs a reason, which is kept, and
moves no base.
"""

from collections.abc import Mapping
from enum import Enum

from sqlalchemy import Connection

from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.doubt import final_in
from tillbridge.errors import UsageError
from tillbridge.ledger import generation, parts, removals, sales, targets, verdicts
from tillbridge.ledger.parts import Moment, PartRow
from tillbridge.ledger.store import Ledger
from tillbridge.policy import DoubtPolicy, TargetPolicy
from tillbridge.replace import Replacer
from tillbridge.settle import situation_of
from tillbridge.states import PartState


class Word(Enum):
    """What a person says of a doubt."""

    LANDED = "landed"
    NOT_LANDED = "not_landed"
    REPLACE = "replace"


class ByHand:
    """One per process.

    Args:
        ledger: where the doubts are.
        account: tells the time.
        policies: by Connecteam id.
        doubts: T and L.
        replacer: empties a window where the person asks for that.
        alarms: an alarm about a doubt ends with it.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        policies: Mapping[int, TargetPolicy],
        doubts: DoubtPolicy,
        replacer: Replacer,
        alarms: Alarms,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._policies = policies
        self._doubts = doubts
        self._replacer = replacer
        self._alarms = alarms

    def settle(self, part_id: int, word: Word, reason: str) -> None:
        """A person decides a held part, or a doubt that no request can change any more.

        Args:
            part_id: as `doubts list` shows it.
            word: what became of it, or that its window is to be replaced.
            reason: kept with the part.

        Raises:
            UsageError: no such doubt, no reason, not allowed, or the request may still act.
        """
        if not reason.strip():
            raise UsageError("A reason is needed.", "Say how you know, with --reason TEXT.")
        now = self._account.moment()
        with self._ledger.commit() as commit:
            row = parts.find(commit, part_id)
            if row is None or row.state not in (PartState.HELD, PartState.DOUBT):
                raise UsageError(
                    f"There is no open doubt {part_id}.", "See `tillbridge doubts list`."
                )
            self._refuse_before_final(commit, row, now)
            parts.note_person(commit, part_id, reason)
            if word is Word.LANDED:
                verdicts.landed(commit, row, now, by="person", person_reason=reason)
            elif word is Word.NOT_LANDED:
                verdicts.not_landed(commit, row, now, by="person", person_reason=reason)
            if word is not Word.REPLACE and removals.blocking(commit, row.connecteam_id):
                # What the base holds of it may be going with the delete that is under way.
                targets.set_values(commit, row.connecteam_id, base_id=None)
        if word is Word.REPLACE:
            refusal = self._replacer.want_parts(row.connecteam_id, [row], reason, by_person=True)
            if refusal is not None:
                raise UsageError(f"The window cannot be replaced: {refusal}.")
        self._alarms.resolve(f"held:{part_id}")

    def end_stop(self, name: str, word: Word, reason: str, last_request_ms: int | None) -> int:
        """A person ends a stop, at every location where it stands.

        Args:
            name: of the stop.
            word: LANDED: what waits there and had closed before the last request ever sent is in
                Connecteam already. NOT_LANDED: it is not, and the totals are right as they are.
            reason: kept with the event.
            last_request_ms: when that request was; None if nothing remembers it, and then the
                moment of the stop counts.

        Returns:
            How many sales now count as posted.

        Raises:
            UsageError: no such stop, no reason, or a word that does not fit.
        """
        if not reason.strip():
            raise UsageError("A reason is needed.", "Say how you know, with --reason TEXT.")
        if word is Word.REPLACE:
            raise UsageError("A stop is ended with --landed or --not-landed.")
        now = self._account.moment()
        posted = 0
        with self._ledger.commit() as commit:
            stopped = [row for row in targets.every(commit) if row.stop == name]
            if not stopped:
                raise UsageError(f"Nothing is stopped for {name!r}.", "See `tillbridge status`.")
            for row in stopped:
                if word is Word.LANDED:
                    until_ms = last_request_ms or row.stop_ms
                    posted += sales.post_waiting(commit, row.connecteam_id, until_ms)
                for doubtful in parts.open_parts(commit, row.connecteam_id):
                    if doubtful.state == PartState.DOUBT:
                        verdicts.hold(commit, doubtful, now, "posting had been stopped meanwhile")
                targets.clear_stop(commit, row.connecteam_id, f"a person: {reason}", now)
                # Only a new base knows what is there; the next process takes it.
                targets.set_values(commit, row.connecteam_id, base_id=None)
            if posted:
                generation.note_old(commit)
        return posted

    def _refuse_before_final(self, commit: Connection, row: PartRow, now: Moment) -> None:
        if row.state == PartState.HELD:
            return  # it was final when it was held
        target = targets.get(commit, row.connecteam_id)
        assert target is not None
        policy = self._policies[row.connecteam_id]
        wait_s = final_in(situation_of(target, [row], now, None, policy, self._doubts))
        if wait_s > 0:
            raise UsageError(
                f"The request of doubt {row.id} may still be carried out.",
                f"Decide in {round(wait_s / 60) + 1} minutes; until then tillbridge may settle it "
                "by itself.",
            )
