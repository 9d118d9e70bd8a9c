"""Whatever is done in whatever order, and wherever a crash cuts in: the books stay right.

A machine takes sales in, changes them, sends, answers, loses answers, decides, and dies: after any
commit, or inside one after any statement. After every step each sale is in one state, the counts
equal a recount, an open part has exactly its rows and their sum, and nothing was sent twice.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select

from ledger.tools import CITY, HARBOUR, NOON_S, STATION, Shop, record
from tillbridge.ledger import attention, counts, parts, sales, targets
from tillbridge.ledger.parts import PlanStale
from tillbridge.ledger.schema import metadata, part, sale
from tillbridge.states import Lane, PartState, SaleState

references = st.sampled_from([f"R{n}" for n in range(12)])
amounts = st.sampled_from([None, -700, -1, 0, 0, 1, 833, 833, 90_000])
places = st.sampled_from([HARBOUR, STATION, CITY])
crashes = st.one_of(st.none(), st.none(), st.integers(0, 25))


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

    def run(self, step, crash_after):
        """Do it in one commit; with `crash_after`, die before that statement of it."""
        before = self._all()
        left = crash_after

        def count_down(*_):
            nonlocal left
            if left is not None:
                left -= 1
                if left < 0:
                    raise Crash

        engine = self.shop.ledger._engine
        try:
            with self.shop.ledger.commit() as commit:
                sqlalchemy_event.listen(engine, "before_cursor_execute", count_down)
                try:
                    step(commit)
                finally:
                    sqlalchemy_event.remove(engine, "before_cursor_execute", count_down)
        except (Crash, PlanStale):
            assert self._all() == before
            self.shop.reopen()
            assert self._all() == before

    def _all(self):
        with self.shop.ledger.view() as view:
            return {
                table.name: [tuple(row) for row in view.execute(select(table))]
                for table in metadata.sorted_tables
            }

    def open_part(self, *states):
        with self.shop.ledger.view() as view:
            query = select(part).where(part.c.state.in_(states), part.c.row_count > 0)
            return view.execute(query.order_by(part.c.id)).first()

    @rule(
        place=places,
        names=st.lists(st.tuples(references, amounts, st.integers(0, 9)), max_size=6),
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
        self.run(lambda commit: sales.take_in(commit, key, records, lane, 1), crash)

    @rule(crash=crashes)
    def a_batch_is_begun(self, crash):
        planned = self.shop.planned()
        if planned:
            now = self.shop.clock.moment()
            alone = planned[0].location_ids
            self.run(lambda commit: parts.begin(commit, planned[0], now, alone=alone), crash)

    @rule(echoed=st.integers(1, 100), crash=crashes)
    def an_answer_is_recorded(self, echoed, crash):
        row = self.open_part("sending")
        if row is None:
            return
        posted = row.sale_ids[:echoed]
        self.serial += 1
        ids = {sale_id: f"tx-{self.serial}-{sale_id}" for sale_id in posted}
        now = self.shop.clock.moment()

        def step(commit):
            found = commit.execute(select(sale).where(sale.c.id.in_(posted))).all()
            sources = [each.location_id for each in found]
            parts.post_rows(commit, row.id, ids, sources, now)
            total = sum(each.amount for each in found)
            if len(posted) == len(row.sale_ids):
                parts.set_state(commit, row, PartState.POSTED, now)
            else:
                parts.split_posted(commit, row.id, ids, total, now)
                parts.move_rows(commit, row.id, SaleState.SENDING, SaleState.IN_DOUBT)
                parts.set_state(commit, parts.get(commit, row.id), PartState.DOUBT, now)
            targets.acknowledge(commit, row.connecteam_id, total, now)

        self.run(step, crash)

    @rule(
        outcome=st.sampled_from(
            [
                (SaleState.IN_DOUBT, PartState.DOUBT),
                (SaleState.WAITING, PartState.REFUSED),
                (SaleState.WAITING, PartState.NOT_SENT),
            ]
        ),
        crash=crashes,
    )
    def nothing_clear_comes_back(self, outcome, crash):
        self._end("sending", SaleState.SENDING, outcome, crash)

    @rule(
        outcome=st.sampled_from(
            [
                (SaleState.POSTED, PartState.POSTED),
                (SaleState.WAITING, PartState.ABANDONED),
                (SaleState.HELD, PartState.HELD),
            ]
        ),
        crash=crashes,
    )
    def a_doubt_is_settled(self, outcome, crash):
        self._end("doubt", SaleState.IN_DOUBT, outcome, crash)

    @rule(
        outcome=st.sampled_from(
            [(SaleState.POSTED, PartState.POSTED), (SaleState.WAITING, PartState.ABANDONED)]
        ),
        crash=crashes,
    )
    def a_person_decides(self, outcome, crash):
        self._end("held", SaleState.HELD, outcome, crash)

    def _end(self, state, old, outcome, crash):
        row = self.open_part(state)
        if row is None:
            return
        now = self.shop.clock.moment()

        def step(commit):
            parts.move_rows(commit, row.id, old, outcome[0])
            parts.set_state(commit, row, outcome[1], now, reason="decided")

        self.run(step, crash)

    @rule(crash=crashes)
    def a_waiting_sale_is_set_aside(self, crash):
        waiting = [row for row in self.shop.rows() if row.state == "waiting"][:2]
        reasons = {row.id: (row.location_id, "refused") for row in waiting}
        self.run(lambda commit: sales.quarantine(commit, reasons, 1), crash)

    @rule(crash=crashes)
    def a_person_gives_up_what_is_set_aside(self, crash):
        self.run(lambda commit: attention.drop(commit, [], "unreadable", 1), crash)

    @rule()
    def the_process_dies(self):
        before = self._all()
        self.shop.reopen()
        assert self._all() == before

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
    def what_is_posted_with_an_id_was_answered_and_is_in_a_posted_part(self):
        with self.shop.ledger.view() as view:
            rows = view.execute(
                select(sale.c.state, part.c.state.label("part_state"))
                .join(part, part.c.id == sale.c.part_id)
                .where(sale.c.state.in_(("sending", "in_doubt", "posted", "held")))
            ).all()
        expected = {"sending": "sending", "in_doubt": "doubt", "posted": "posted", "held": "held"}
        assert all(row.part_state == expected[row.state] for row in rows)

    @invariant()
    def at_most_one_write_is_unfinished_at_a_connecteam_location(self):
        with self.shop.ledger.view() as view:
            open_at = Counter(row.connecteam_id for row in parts.open_parts(view))
        assert all(count == 1 for count in open_at.values())


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
