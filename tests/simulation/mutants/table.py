"""Small changes of the heart that break it. Each text is found exactly once in its file."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A planted bug: in `file`, below the package, `old` becomes `new`.

    Attributes:
        themes: the worlds that are tried first: those in which it matters.
    """

    name: str
    themes: tuple[str, ...]
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "send before the intent is committed",
        ("lags",),
        "delivery.py",
        "        flights = self._commit_intents(chosen)\n",
        "        for batch in chosen:\n"
        "            self._account.client.post([row.transaction for row in batch.rows])\n"
        "        flights = self._commit_intents(chosen)\n",
    ),
    Mutant(
        "take a 502 for a refusal",
        ("lags",),
        "outcome.py",
        "    if status == 429:\n",
        "    if status in (429, 502):\n",
    ),
    Mutant(
        "take a broken connection for one that was never made",
        ("lags",),
        "http.py",
        "            return NoAnswer(False, ",
        "            return NoAnswer(True, ",
    ),
    Mutant(
        "try a POST again after a timeout",
        ("lags",),
        "connecteam/client.py",
        '            "POST", "/sales/v1/transactions", headers=headers, content=content\n        )\n',
        '            "POST", "/sales/v1/transactions", headers=headers, content=content\n        )\n'
        "        if isinstance(answer, NoAnswer):\n"
        '            answer = self._http.exchange("POST", "/sales/v1/transactions",\n'
        "                headers=headers, content=content)\n",
    ),
    Mutant(
        "take a 200 without an echo for accepted or refused: too many requests",
        ("lags",),
        "outcome.py",
        "    if status == 429:\n",
        "    if status in (200, 429):\n",
    ),
    Mutant(
        "believe a short echo to mean that the rest was refused",
        ("signs",),
        "outcome.py",
        "    if len(matched) < len(sent):\n",
        "    if len(matched) < len(sent) and len(matched) % 2:\n"
        '        return RowsRefused({}, "short")\n'
        "    if len(matched) < len(sent):\n",
    ),
    Mutant(
        "believe a 400 to a request of several rows",
        ("refused",),
        "outcome.py",
        "_ABOUT_THE_CONNECTION and count == 1:",
        "_ABOUT_THE_CONNECTION:",
    ),
    Mutant(
        "skip patience: a first look decides",
        ("lags",),
        "doubt.py",
        "    open_s = patience.wait_s + patience.lag_s - latest\n",
        "    open_s = -latest\n",
    ),
    Mutant(
        "skip T: a request acts at once or never",
        ("lags",),
        "doubt.py",
        "    open_s = patience.wait_s + patience.lag_s - latest\n",
        "    open_s = patience.lag_s / 4 - latest\n",
    ),
    Mutant(
        "forget that acknowledged rows may still lag",
        ("retold",),
        "doubt.py",
        "        after_ack = patience.lag_s - self.acked_s\n",
        "        after_ack = 0.0\n",
    ),
    Mutant(
        "take totals that could not be read for empty ones",
        ("lags",),
        "connecteam/wire.py",
        "    if answer.status != 200:\n        raise UnreadableTotals",
        "    if answer.status != 200:\n        return []\n        raise UnreadableTotals",
    ),
    Mutant(
        "compare levels instead of changes",
        ("lags",),
        "settle.py",
        "        change = sum_over(reading.totals, span) - sum_over(base[1], span)\n",
        "        change = sum_over(reading.totals, span)\n",
    ),
    Mutant(
        "forget what was being sent at start-up: it waits again",
        ("kills",),
        "settle.py",
        "        if found:\n            now = self._account.moment()\n",
        "        if found:\n"
        "            with self._ledger.commit() as commit:\n"
        "                from tillbridge.states import SaleState\n"
        "                for row in found:\n"
        "                    parts.move_rows(\n"
        "                        commit, row.id, SaleState.SENDING, SaleState.WAITING)\n"
        "                    parts.set_state(\n"
        "                        commit, row, PartState.NOT_SENT, self._account.moment())\n"
        "            found = []\n"
        "            now = self._account.moment()\n",
    ),
    Mutant(
        "take what was being sent at start-up for posted",
        ("kills",),
        "settle.py",
        "        if found:\n            now = self._account.moment()\n",
        "        if found:\n"
        "            with self._ledger.commit() as commit:\n"
        "                for row in found:\n"
        "                    verdicts.open_doubt(commit, row, self._account.moment(), '')\n"
        "                    fresh = parts.get(commit, row.id)\n"
        "                    verdicts.landed(commit, fresh, self._account.moment())\n"
        "            found = []\n"
        "            now = self._account.moment()\n",
    ),
    Mutant(
        "a lease instead of the lock",
        ("sleepers",),
        "lock.py",
        "        except BlockingIOError:\n            os.close(file)\n            return False\n",
        "        except BlockingIOError:\n            pass\n",
    ),
    Mutant(
        "send although the machine slept after the commit",
        ("sleepers",),
        "delivery.py",
        "MAX_COMMIT_TO_SEND_S = 5.0",
        "MAX_COMMIT_TO_SEND_S = 1e9",
    ),
    Mutant(
        "after a reboot, waits count as over",
        ("reboots",),
        "ledger/verdicts.py",
        "                .values(ended_boot_s=now.boot_s, boot_id=now.boot_id)\n",
        "                .values(ended_boot_s=now.boot_s - 1e6, boot_id=now.boot_id)\n",
    ),
    Mutant(
        "always hold",
        ("lags",),
        "doubt.py",
        "    everything = tuple(doubt.part_id for doubt in situation.doubts)\n",
        '    return Hold("always")\n'
        "    everything = tuple(doubt.part_id for doubt in situation.doubts)\n",
    ),
    Mutant(
        "always replace",
        ("lags",),
        "doubt.py",
        "    everything = tuple(doubt.part_id for doubt in situation.doubts)\n",
        '    return ReplaceWindow("always")\n'
        "    everything = tuple(doubt.part_id for doubt in situation.doubts)\n",
    ),
    Mutant(
        "hold where replacing is allowed",
        ("windows",),
        "doubt.py",
        "    if situation.may_replace and (",
        "    if False and (",
    ),
    Mutant(
        "replace where it is not allowed",
        ("amended",),
        "replace.py",
        "        if not self._policies[key].may_replace and not by_person:\n",
        "        if False:\n",
    ),
    Mutant(
        "post before the window's unanswered delete can act no more",
        ("late deletes",),
        "replace.py",
        "            if left_s > 0:\n",
        "            if left_s > 1e9:\n",
    ),
    Mutant(
        "take an unanswered delete of a window for done",
        ("windows",),
        "replace.py",
        "            if answer.status != 200:\n",
        "            if answer.status not in (0, 200):\n",
    ),
    Mutant(
        "a window that begins with its first row instead of a second earlier",
        ("windows",),
        "replace.py",
        "                start_s=first_s - 1, end_s=last_s + 1,\n            )  # fmt: skip\n"
        "            return",
        "                start_s=first_s, end_s=last_s + 1,\n            )  # fmt: skip\n"
        "            return",
    ),
    Mutant(
        "a window that ends with its last row instead of a second later",
        ("windows",),
        "replace.py",
        "                start_s=first_s - 1, end_s=last_s + 1,\n            )  # fmt: skip\n"
        "            return",
        "                start_s=first_s - 1, end_s=last_s,\n            )  # fmt: skip\n"
        "            return",
    ),
    Mutant(
        "a window as wide as its part, without the rows that touch it",
        ("windows",),
        "ledger/removals.py",
        "        if (first, last) == (first_s, last_s):\n",
        "        if True:\n",
    ),
    Mutant(
        "forget what was known of a window's unanswered delete when the next one is answered",
        ("late deletes",),
        "ledger/removals.py",
        "acknowledged=True, unanswered_boot_s=row.unanswered_boot_s,",
        "acknowledged=True, unanswered_boot_s=None,",
    ),
    Mutant(
        "the rows of a cleared window stay in what totals must show",
        ("windows",),
        "ledger/removals.py",
        "row.connecteam_id, -gone - row.total, now)\n",
        "row.connecteam_id, -row.total, now)\n",
    ),
    Mutant(
        "post the amended sale without deleting the old one",
        ("amended",),
        "correct.py",
        "        answer = self._account.client.delete_one(row.transaction_id)\n",
        '        answer = Deleted(200, "", {})\n',
    ),
    Mutant(
        "take an unanswered delete of a transaction for done",
        ("amended",),
        "correct.py",
        "        is_gone = answer.status == 200 or",
        "        is_gone = answer.status in (0, 200, 502) or",
    ),
    Mutant(
        "take any 404 for gone",
        ("amended",),
        "correct.py",
        "(answer.status == 404 and self._is_gone(row))",
        "answer.status == 404",
    ),
    Mutant(
        "never correct an amended sale",
        ("amended",),
        "correct.py",
        "        for row in rows:\n            if row.connecteam_id in blocked or not",
        "        for row in ():\n            if row.connecteam_id in blocked or not",
    ),
    Mutant(
        "do not look whether an exclusive place is empty",
        ("planted",),
        "bases.py",
        "        return vacancy.days_not_ours(view, key, policy.day_zones, stamps, totals, tried)\n",
        "        return []\n",
    ),
    Mutant(
        "of the locations that feed one place, only the first one's zone counts",
        ("planted",),
        "configured.py",
        "        zones = (*zones, place.timezone)\n",
        "        zones = ()\n",
    ),
    Mutant(
        "an old ledger compares only the days that it remembers",
        ("old copies",),
        "bases.py",
        '        if row.stop == "old_ledger":\n            # What',
        "        if False:\n            # What",
    ),
    Mutant(
        "forget a stranger's amount that only a held doubt brought to light",
        ("intruders",),
        "settle.py",
        "                if not (row.totals_differ or _may_explain(",
        "                if False and not (row.totals_differ or _may_explain(",
    ),
    Mutant(
        "mix signs in a part",
        ("signs",),
        "batcher.py",
        "        (gains if amount > 0 else losses if amount < 0 else zeros).append(row)\n",
        "        (zeros if amount == 0 else gains).append(row)\n",
    ),
    Mutant(
        "match echoed rows by their place",
        ("amended",),
        "outcome.py",
        "    matched: dict[int, str] = {}\n",
        "    return {place: row.transaction_id for place, row in enumerate(rows)}\n"
        "    matched: dict[int, str] = {}\n",
    ),
    Mutant(
        "move the cursor with the first page",
        ("pages",),
        "reader.py",
        "        if step.last and report.unfinished == 1:\n            task.when_done(commit)\n",
        "        task.when_done(commit)\n        if step.last and report.unfinished == 1:\n            pass\n",
    ),
    Mutant(
        "leave the rest of a refused request behind",
        ("refused",),
        "recording.py",
        "            parts.move_rows(commit, part_id, SaleState.SENDING, SaleState.WAITING)\n",
        "            parts.move_rows(commit, part_id, SaleState.SENDING, SaleState.POSTED)\n",
    ),
    Mutant(
        "believe what totals show as soon as an old ledger is in place",
        ("old repairs",),
        "bases.py",
        '        if row.stop == "old_ledger" and strange_s > 0:\n',
        '        if row.stop == "old_ledger" and strange_s < 0:\n',
    ),
    Mutant(
        "call what an old ledger has forgotten others'",
        ("old repairs",),
        "reconcile/ending.py",
        '            if not case.policy.exclusive and case.target.stop != "old_ledger":\n',
        "            if not case.policy.exclusive:\n",
    ),
    Mutant(
        "repair by totals that may still lag",
        ("repairs",),
        "reconcile/repairing.py",
        "        return max(mature_s, later_s, 0.0)\n",
        "        return max(later_s, 0.0)\n",
    ),
    Mutant(
        "take all that waits over where only the first of it is there",
        ("old repairs",),
        "reconcile/remainder.py",
        "    there = rows[: found[0]]\n",
        "    there = rows\n",
    ),
)
