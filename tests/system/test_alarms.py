"""Telling people: real messages to a real server, from the installed command and from the service."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from postbox import Postbox
from system.conftest import Made
from system.installation import until
from tillbridge import messenger
from tillbridge.alarms import Alarm, Level
from tillbridge.announce import Announcement, Entry, Kind, Message
from tillbridge.clock import SystemClock
from tillbridge.log import configure_logging, redact
from tillbridge.messenger import Address, Messenger, deliver
from tillbridge.ping import Ping


@pytest.fixture
def box():
    with Postbox() as box:
        yield box


def dead_address() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"json://127.0.0.1:{unused.getsockname()[1]}/another-secret"


def told(level: Level = Level.CRITICAL) -> Message:
    entry = Entry(Alarm("held:7", level, "Sales are held.", "Decide."), SystemClock().now())
    return Message("Title", "Body", level, told=(Announcement(Kind.RAISED, entry),))


def with_alarms(home, box, **more) -> None:
    lines = [f"{key} = {value}" for key, value in more.items()]
    home.change("[ledger]", "\n".join([
        "[alarms]", f'to = ["{box.address}"]', f'ping_url = "{box.ping_url}"', *lines, "",
        "[ledger]"]))  # fmt: skip


# -- the command ---------------------------------------------------------------------------------


def test_alarm_test_says_of_each_address_whether_it_was_reached(make: Callable[..., Made], box):
    _, home = make(signed_in=False)
    with_alarms(home, box, urgent_to=f'["{dead_address()}", "nonsense://x"]')
    done = home.call("alarm", "test")
    assert done.code == 69
    assert "alarms.to[0]: delivered." in done.words
    assert "alarms.urgent_to[0]: not delivered: A Connection error" in done.words
    assert "alarms.urgent_to[1]: not delivered: this is not an address that Apprise" in done.words
    assert "alarms.ping_url: fetched." in done.words
    assert "secret" not in done.words + done.out
    assert box.titles == ["[Sandbox] A test from tillbridge"]
    assert box.pings == 1
    assert not home.ledger.exists(), "a test needs no ledger"


def test_alarm_test_without_any_address_says_where_to_write_one(make: Callable[..., Made]):
    _, home = make(signed_in=False)
    done = home.call("alarm", "test")
    assert done.code == 78
    assert "[alarms] names no address" in done.words


def test_the_end_of_the_service_is_told_even_if_the_configuration_is_why(make, box):
    _, home = make(signed_in=False)
    with_alarms(home, box)
    home.write(f"nonsense = 1\n{home.text}")
    home.env = {"MONITOR_UNIT": "tillbridge@a.service", "MONITOR_SERVICE_RESULT": "exit-code",
                "MONITOR_EXIT_STATUS": "78"}  # fmt: skip
    assert home.call("status").code == 78
    assert home.call("alarm", "failed").code == 0
    (message,) = box.messages
    assert message["title"] == "[Sandbox] The service tillbridge@a.service has ended"
    assert "(exit-code, 78)" in message["message"]
    assert "is wrong" in message["message"]
    home.write("name = ")
    assert home.call("alarm", "failed").code == 78


# -- the service ---------------------------------------------------------------------------------


def test_an_alarm_is_told_once_over_restarts_and_its_end_by_a_later_process(make, box):
    sandbox, home = make(sales_per_day=20)
    with_alarms(home, box)
    right = sandbox.api_key
    home.change(right, "wrong-key")
    home.env = {"TILLBRIDGE_LOG_LEVEL": "debug"}
    for _ in range(2):
        with home.service() as service:
            # Some passes, of which only the very first says something.
            service.until(lambda: service.log.count("403") > 3 and len(box.messages) > 0)
            service.end()
    assert box.titles == ["[Sandbox] " + box.messages[0]["message"].splitlines()[0]]
    assert "Connecteam refused the credentials" in box.titles[0]
    assert box.pings == 0, "a pass whose credentials are refused is no good one"
    home.change("wrong-key", right)
    with home.service() as service:
        service.until(lambda: len(box.messages) == 2 and box.pings > 0, 30)
        assert "alarm_resolved" in service.log
    assert box.titles[1].startswith("[Sandbox] Over: Connecteam refused")
    assert box.messages[1]["type"] == "success"


def test_a_dead_address_keeps_neither_sales_nor_the_end_of_the_service_waiting(make, box):
    sandbox, home = make(sales_per_day=20)
    with_alarms(home, box)
    box.status, box.delay_s = 500, 30.0
    home.change(sandbox.api_key, "wrong-key")
    with home.service() as service:
        service.until(lambda: service.log.count('"lightspeed') >= 0 and "alarm" in service.log)
        read = home.status()["locations"][0]["waiting"]
        code, seconds = service.end()
    assert (code, read > 0) == (0, True)
    assert seconds < 5
    box.status, box.delay_s = 200, 0.0
    with home.service() as service:
        service.until(lambda: len(box.messages) == 1)  # it had not arrived, so it is told now


def test_the_service_loads_no_notification_library():
    code = "import tillbridge.cli.service, sys; print({'apprise', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# -- the parts, on real sockets ------------------------------------------------------------------


def test_a_message_that_takes_too_long_is_given_up_and_those_before_it_count(box):
    began = time.monotonic()
    deliver(told(), [Address("a", box.address)])
    within_s = 3 * (time.monotonic() - began) + 0.5  # a busy machine starts processes slowly
    with Postbox() as slow:
        slow.delay_s = 3 * within_s
        began = time.monotonic()
        results = deliver(
            told(), [Address("a", box.address), Address("b", f"{slow.address}?rto=600")],
            within_s=within_s,
        )  # fmt: skip
    assert time.monotonic() - began < 2 * within_s
    assert [one.done for one in results] == [True, False]
    assert results[1].why == f"it took longer than {within_s:g} seconds"


def test_an_urgent_address_hears_critical_messages_only(box):
    with Postbox() as phone:
        both = [Address("a", box.address), Address("b", phone.address, urgent_only=True)]
        for level, calls in ((Level.WARNING, 0), (Level.CRITICAL, 1)):
            sender = Messenger(both)
            assert sender.offer(told(level))
            sender.close(10)
            assert len(phone.messages) == calls
    assert [message["type"] for message in box.messages] == ["warning", "failure"]


def test_a_message_that_reaches_nobody_is_handed_back_after_some_tries(monkeypatch, capfd):
    configure_logging("info", json=True)
    monkeypatch.setattr(messenger, "TRY_AGAIN_S", (0.01,))
    monkeypatch.setattr(messenger, "_FIRST_PAUSE_S", 0.2)
    sender = Messenger([Address("alarms.to[0]", dead_address())])
    message = told()
    assert sender.offer(message)
    found: list[Announcement] = []
    until(lambda: bool(found) or bool(found.extend(sender.failed())))
    assert found == list(message.told)
    sender.close(5)
    said = capfd.readouterr().err
    assert said.count("alarm_not_sent") == 1
    assert "another-secret" not in said


def test_the_queue_of_messages_has_an_end_and_what_is_beyond_it_stays_due(box):
    box.delay_s = 2.0
    sender = Messenger([Address("a", box.address)])
    taken = [sender.offer(told()) for _ in range(messenger._MOST_WAITING + 3)]
    assert taken[0]
    assert not taken[-1]
    sender.close(0.1)
    assert len(sender.failed()) == sum(taken), "what has not left for certain is handed back"


def test_a_switch_that_does_not_answer_is_said_once_per_outage(box, capfd):
    configure_logging("info", json=True)
    box.status = 503
    switch = Ping(box.ping_url, "tillbridge/test")
    for number in (1, 2):
        switch.good_pass()
        until(lambda number=number: box.pings == number)
    time.sleep(0.1)
    switch.close(5)
    said = capfd.readouterr().err
    assert said.count("ping_failed") == 1
    assert "a-secret-check" not in said


def test_an_address_and_its_parts_are_hidden_in_every_line():
    Messenger([])
    deliver(told(), [Address("a", "mailtos://me:pass-word-1@example.invalid?to=x")], check=True)
    assert "pass-word-1" not in redact("the server said: bad pass-word-1 for me")
