"""Whatever is done in whatever order, and wherever a crash cuts in: the books stay right.

A machine takes sales in, changes them, sends, answers, loses answers, decides, deletes, and dies:
after any commit, or inside one before any statement. After every step each sale is in one state,
the counts equal a recount, an open part has exactly its rows and their sum, and what counts as
acknowledged is the sum of what is posted.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select

from hearing import told_first
from ledger.tools import CITY, HARBOUR, NOON_S, STATION, Shop, record
from tillbridge.ledger import (
    attention,
    corrections,
    counts,
    parts,
    removals,
    sales,
    targets,
    verdicts,
)
from tillbridge.ledger.removals import Purpose, RemovalState
from tillbridge.ledger.schema import metadata, part, sale
from tillbridge.states import Lane, PartState, SaleState

references = st.sampled_from([f"R{n}" for n in range(12)])
amounts = st.sampled_from([833, None, -700, -1, 0, 1, 90_000])
places = st.sampled_from([HARBOUR, STATION, CITY])
crashes = st.one_of(st.none(), st.none(), st.none(), st.integers(0, 25))


class Crash(Exception):
    """The process died here."""


class Books(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.shop = Shop(self.folder / "ledger.db")
        self.serial = 0

    def teardown(self):
        self.shop.ledger.close()
        shutil.rmtree(self.folder)

    @rule(
        place=places,
        names=st.lists(st.tuples(references, amounts, st.integers(0, 9)), min_size=3, max_size=8),
        lane=st.sampled_from(Lane),
        crash=crashes,
    )
    def a_page_arrives(self, place, names, lane, crash):
        records = [
            record(
                name,
                amount,
                connecteam_id=place.connecteam_id,
                currency=place.currency,
                created_at=NOON_S + 3600 * hour,
                closed_ms=(NOON_S + 3600 * hour) * 1000,
            )
            for name, amount, hour in names
        ]
        key = self.shop.id(place)
        self.commit(lambda commit: sales.take_in(commit, key, records, lane, 1), crash)

    @rule(steps=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), crashes), min_size=3))
    def the_program_goes_on(self, steps):
        """With deeds that can be done then, so that long ways are gone often."""
        for first, choice, crash in steps:
            self.do_one(first, choice, crash)
            self.shop.check()

    def do_one(self, first, choice, crash):
        deeds = [
            self.begin,
            self.lose_an_answer,
            self.settle,
            self.begin,
            self.record_an_answer,
            self.decide_what_is_held,
            self.plan_to_take_back,
            self.delete_by_id,
            self.clear_a_window,
            self.set_aside,
            self.give_up,
        ]
        for place in range(len(deeds)):
            step = deeds[(first + place) % len(deeds)](choice)
            if step is not None:
                self.commit(step, crash)
                return

    @rule()
    def the_process_dies(self):
        before = self.everything()
        self.shop.reopen()
        assert self.everything() == before

    # -- deeds: what to do in one commit, or None if there is nothing to be done -----------------

    def begin(self, _choice):
        planned = self.shop.planned()
        busy = {row.connecteam_id for row in self.open_parts("sending", "doubt")}
        planned = [batch for batch in planned if not busy & batch.location_ids]
        now = self.shop.clock.moment()
        if not planned:
            return None
        alone = planned[0].location_ids
        return lambda commit: parts.begin(commit, planned[0], now, alone=alone)

    def record_an_answer(self, choice):
        """Whole, or cut short."""
        row = self.one_part("sending", choice)
        if row is None:
            return None
        echoed = row.sale_ids[: 1 + choice]
        self.serial += 1
        ids = {sale_id: f"tx-{self.serial}-{sale_id}" for sale_id in echoed}
        now = self.shop.clock.moment()

        def step(commit):
            found = commit.execute(select(sale).where(sale.c.id.in_(echoed))).all()
            total = sum(each.amount for each in found)
            parts.post_rows(commit, row.id, ids, [each.location_id for each in found], now)
            if len(echoed) == len(row.sale_ids):
                parts.set_state(commit, row, PartState.POSTED, now)
            else:
                parts.split_posted(commit, row.id, ids, total, now)
                rest = parts.get(commit, row.id)
                verdicts.open_doubt(commit, rest, now, "the answer was cut short")
            targets.acknowledge(commit, row.connecteam_id, total, now)

        return step

    def lose_an_answer(self, choice):
        row = self.one_part("sending", choice)
        if row is None:
            return None
        now = self.shop.clock.moment()
        if choice % 3 == 0:
            return lambda commit: verdicts.open_doubt(commit, row, now, "no answer came")
        state = PartState.REFUSED if choice % 3 == 1 else PartState.NOT_SENT

        def step(commit):
            parts.move_rows(commit, row.id, SaleState.SENDING, SaleState.WAITING)
            parts.set_state(commit, row, state, now, reason="nothing was written")

        return step

    def settle(self, choice):
        row = self.one_part("doubt", choice)
        if row is None:
            return None
        decide = (verdicts.landed, verdicts.not_landed, verdicts.hold)[choice % 3]
        now = self.shop.clock.moment()
        return lambda commit: decide(commit, row, now, reason="decided")

    def decide_what_is_held(self, choice):
        row = self.one_part("held", choice)
        if row is None:
            return None
        now = self.shop.clock.moment()

        def step(commit):
            if choice % 2:
                verdicts.not_landed(commit, row, now, reason="not there")
                return
            verdicts.landed(commit, row, now, reason="seen there")
            # A held part led to a new base, which holds it; here the base stays the first.
            targets.acknowledge(commit, row.connecteam_id, row.total, now)

        return step

    def plan_to_take_back(self, _choice):
        with self.shop.ledger.view() as view:
            busy = {row.sale_id for row in removals.blocking(view)}
            rows = [row for row in corrections.pending(view) if row.id not in busy]
        if not rows or rows[0].transaction_id is None:
            return None
        now = self.shop.clock.moment()
        return lambda commit: corrections.plan_delete(commit, rows[0], Purpose.CORRECTION, now)

    def delete_by_id(self, choice):
        with self.shop.ledger.view() as view:
            rows = [row for row in removals.blocking(view) if row.sale_id is not None]
        if not rows:
            return None
        now = self.shop.clock.moment()
        if choice % 4 == 0:
            return lambda commit: removals.note_unanswered(commit, rows[0], now, "no answer")
        return lambda commit: corrections.acknowledge_delete(commit, rows[0], now, "req")

    def clear_a_window(self, choice):
        """As the replacer does it: never while anything is under way at the location."""
        key = (123, 456)[choice % 2]
        now, second = self.shop.clock.moment(), NOON_S + 3600 * (choice % 10)
        with self.shop.ledger.view() as view:
            sending = [row for row in parts.open_parts(view, key) if row.state == "sending"]
            if choice % 4 or sending or removals.blocking(view, key):
                return None
            first, last = removals.attempted_span(view, key, second, second)

        def step(commit):
            item = removals.plan(
                commit, now, RemovalState.PLANNED, Purpose.REPLACE, connecteam_id=key,
                start_s=first - 1, end_s=last + 1, total=0,
            )  # fmt: skip
            removals.clear_window(commit, removals.get(commit, item), now)
            corrections.apply_unsent(commit, now)

        return step

    def set_aside(self, choice):
        waiting = [row for row in self.shop.rows() if row.state == "waiting"][:2]
        reasons = {row.id: (row.location_id, "refused") for row in waiting}
        if choice % 5 or not waiting:
            return None
        return lambda commit: sales.quarantine(commit, reasons, 1)

    def give_up(self, choice):
        if choice % 5:
            return None
        return lambda commit: attention.drop(commit, [], "unreadable", 1)

    # -- helpers ---------------------------------------------------------------------------------

    def commit(self, step, crash_before):
        """Do it in one commit; with `crash_before`, die before that statement of it."""
        before = None if crash_before is None else self.everything()
        left = crash_before

        def count_down(*_):
            nonlocal left
            if left is not None:
                left -= 1
                if left < 0:
                    raise Crash

        try:
            with (
                self.shop.ledger.commit() as commit,
                told_first(self.shop.ledger._engine, count_down),
            ):
                step(commit)
        except Crash:
            assert self.everything() == before
            self.shop.reopen()
            assert self.everything() == before

    def everything(self):
        with self.shop.ledger.view() as view:
            return {
                table.name: [tuple(row) for row in view.execute(select(table))]
                for table in metadata.sorted_tables
            }

    def open_parts(self, *states):
        with self.shop.ledger.view() as view:
            query = select(part).where(part.c.state.in_(states), part.c.row_count > 0)
            return view.execute(query.order_by(part.c.id)).all()

    def one_part(self, state, choice):
        rows = self.open_parts(state)
        return rows[choice % len(rows)] if rows else None

    # -- what is always true ---------------------------------------------------------------------

    @invariant()
    def the_books_are_right(self):
        self.shop.check()

    @invariant()
    def every_sale_is_counted_in_exactly_one_state(self):
        with self.shop.ledger.view() as view:
            for place in (HARBOUR, STATION, CITY):
                by_state = counts.by_state(view, self.shop.id(place))
                assert set(by_state) == {str(state) for state in SaleState}
            assert sum(counts.recount(view).values()) == len(view.execute(select(sale)).all())

    @invariant()
    def a_sale_and_its_part_say_the_same(self):
        with self.shop.ledger.view() as view:
            rows = view.execute(
                select(sale.c.state, part.c.state.label("part_state"))
                .join(part, part.c.id == sale.c.part_id)
                .where(sale.c.state.in_(("sending", "in_doubt", "posted", "held")))
            ).all()
        expected = {"sending": "sending", "in_doubt": "doubt", "posted": "posted", "held": "held"}
        assert all(row.part_state == expected[row.state] for row in rows)

    @invariant()
    def what_was_acknowledged_is_the_sum_of_what_is_posted(self):
        with self.shop.ledger.view() as view:
            for row in targets.every(view):
                query = select(func.coalesce(func.sum(sale.c.amount), 0)).where(
                    sale.c.connecteam_id == row.connecteam_id, sale.c.state == "posted"
                )
                assert row.acknowledged == view.execute(query).scalar_one()

    @invariant()
    def at_most_one_write_is_unfinished_at_a_connecteam_location(self):
        with self.shop.ledger.view() as view:
            open_at = Counter(row.connecteam_id for row in parts.open_parts(view))
        assert all(count == 1 for count in open_at.values())


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=25, stateful_step_count=10, deadline=None)
