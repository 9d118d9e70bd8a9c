"""The book of alarms on a real ledger: what restarts, crashes, other processes and full disks do."""

from datetime import UTC

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from ledger.test_disk import largest_file
from ledger.tools import record
from tillbridge.alarms import Alarm, Alarms, Level
from tillbridge.announce import Habits
from tillbridge.ledger import alarmed, targets
from tillbridge.ledger.schema import alarm
from tillbridge.ping import Ping
from tillbridge.states import PartState, SaleState
from tillbridge.watch import Watch


class Pigeon:
    """Takes messages as the messenger does, and remembers them."""

    has_addresses = True

    def __init__(self):
        self.sent, self.lost, self.full = [], [], False

    def offer(self, message):
        if self.full:
            return False
        self.sent.append([(str(one.kind), one.entry.alarm.cause) for one in message.told])
        return True

    def failed(self):
        lost, self.lost = self.lost, []
        return lost

    def close(self, _within_s):
        pass


class Service:
    """One life of a process: alarms as the bridge makes them, and the watch."""

    def __init__(self, shop, *, waits=False):
        with shop.ledger.view() as view:
            book = alarmed.load(view).values()
        self.alarms = Alarms(entry.alarm for entry in book if entry.gone is None)
        self.pigeon = Pigeon()
        habits = Habits(UTC, 3600.0)
        self.watch = Watch(
            shop.ledger, self.alarms, self.pigeon, Ping("", ""), habits, "Shop", shop.clock
        )
        if not waits:
            self.watch.begin()

    def passes(self, findings=None):
        """What is told after one more pass."""
        self.pigeon.sent.clear()
        self.watch.after_pass(findings, good=True)
        return [item for message in self.pigeon.sent for item in message]


def held(shop):
    part_id = shop.doubt()
    shop.decide(part_id, SaleState.IN_DOUBT, SaleState.HELD, PartState.HELD)
    return part_id


def test_a_restart_neither_forgets_nor_repeats_an_alarm(shop):
    service = Service(shop)
    service.alarms.raise_("lightspeed_credentials", "Refused.", "Sign in.")
    assert service.passes() == [("raised", "lightspeed_credentials")]
    shop.reopen()
    service = Service(shop)
    service.alarms.raise_("lightspeed_credentials", "Refused.", "Sign in.")
    assert service.passes() == []
    shop.clock.sleep(3601)
    shop.reopen()
    assert Service(shop).passes() == [("reminder", "lightspeed_credentials")]
    service = Service(shop)
    service.alarms.resolve("lightspeed_credentials")
    assert service.passes() == [("resolved", "lightspeed_credentials")]
    with shop.ledger.view() as view:
        assert view.execute(select(alarm)).all() == []


def test_a_service_that_waited_for_the_lock_knows_what_was_told_meanwhile(shop):
    first = Service(shop)
    first.alarms.raise_("lightspeed_credentials", "Refused.", "Sign in.")
    first.passes()
    second = Service(shop, waits=True)
    first.alarms.resolve("lightspeed_credentials")
    first.alarms.raise_("connecteam_credentials", "Refused.", "New key.")
    first.passes()
    second.watch.begin()
    assert second.passes() == []
    assert set(second.alarms.standing) == {"connecteam_credentials"}


def test_a_crash_before_the_alarm_was_raised_does_not_lose_it(shop):
    shop.take(record("R1"))
    part_id = held(shop)
    assert Service(shop).passes() == [("raised", f"held:{part_id}")]


def test_what_a_command_beside_the_service_decided_is_told_as_over(shop):
    shop.take(record("R1"))
    part_id = held(shop)
    service = Service(shop)
    service.passes()
    shop.decide(part_id, SaleState.HELD, SaleState.POSTED, PartState.POSTED)
    assert service.passes() == [("resolved", f"held:{part_id}")]


def test_stops_and_quarantine_are_alarms_of_their_own(shop):
    shop.take(record("R1", None))
    with shop.ledger.commit() as commit:
        targets.stop(commit, 123, "unexplained", "totals differ", shop.clock.moment())
    service = Service(shop)
    assert service.passes() == [
        ("raised", "posting_stopped:123"),
        ("raised", f"quarantined:{shop.id()}"),
    ]
    with shop.ledger.commit() as commit:
        targets.clear_stop(commit, 123, "explained", shop.clock.moment())
    assert service.passes() == [("resolved", "posting_stopped:123")]


def test_a_delete_that_went_through_and_a_sale_that_became_readable_are_over(shop):
    service = Service(shop)
    service.alarms.raise_("delete_refused:5", "Refused.", "Allow it.")
    service.alarms.raise_("unreadable:9", "Unreadable.", "Look.")
    assert service.passes() == [], "neither stands: nobody is told"


def test_findings_of_health_come_and_go_and_unknown_ones_stay_as_they_are(shop):
    late = Alarm("not_read:1", Level.WARNING, "Not read for an hour.", "")
    service = Service(shop)
    assert service.passes([late]) == [("raised", "health:not_read:1")]
    assert service.passes(None) == []
    service = Service(shop)  # and over a restart
    assert service.passes(None) == []
    assert service.passes([]) == [("resolved", "health:not_read:1")]


def test_it_is_written_down_before_it_is_sent_so_that_a_crash_loop_says_it_once(shop, monkeypatch):
    shop.take(record("R1"))
    held(shop)
    service = Service(shop)

    def crash(_message):
        raise KeyboardInterrupt

    monkeypatch.setattr(service.pigeon, "offer", crash)
    with pytest.raises(KeyboardInterrupt):
        service.passes()
    assert Service(shop).passes() == []


def test_what_reached_nobody_and_what_found_no_room_is_told_with_a_later_pass(shop):
    shop.take(record("R1"))
    cause = f"held:{held(shop)}"
    service = Service(shop)
    service.pigeon.full = True
    assert service.passes() == []
    service.pigeon.full = False
    shown = []
    service.pigeon.offer = lambda message: shown.extend(message.told) or True
    service.passes()
    service.pigeon.lost = shown[:]
    service.passes()
    assert [(one.kind, one.entry.alarm.cause) for one in shown] == [("raised", cause)] * 2


def test_a_full_disk_keeps_no_alarm_from_being_told_and_it_is_still_told_once(shop):
    service = Service(shop)
    service.alarms.raise_("lightspeed_credentials", "Refused.", "Sign in.")
    with capture_logs(), largest_file(0):
        assert service.passes() == [("raised", "lightspeed_credentials")]
        assert service.passes() == []
    assert service.passes() == []
    shop.reopen()
    assert Service(shop).passes() == [], "once there was space, it was written down"


def test_without_addresses_the_book_is_kept_all_the_same(shop):
    shop.take(record("R1"))
    service = Service(shop)
    service.pigeon.has_addresses = False
    held(shop)
    assert service.passes() == []
    with shop.ledger.view() as view:
        assert [row.told_count for row in view.execute(select(alarm))] == [1]
