"""The sandbox as a whole: faults, latency, inspection, configuration, start and stop."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from sandbox.caller import item
from tillbridge.errors import UsageError
from tillbridge.sandbox import Fault, Sandbox, SandboxOptions, config_toml


def test_an_answer_lost_after_acting_looks_like_a_closed_connection(serve):
    caller = serve()
    caller.sandbox.fail_next("post", "lost-after")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        caller.post(item())
    assert caller.sandbox.connecteam_truth()[123].sales == 1
    assert caller.post(item()).status_code == 200
    assert caller.sandbox.connecteam_truth()[123].sales == 2


@pytest.mark.parametrize(
    ("kind", "status", "acted"),
    [
        ("502-after", 502, 1),
        ("502-before", 502, 0),
        ("500", 500, 0),
        ("429", 429, 0),
        ("429-as-200", 200, 0),
    ],
)
def test_a_fault_answers_as_it_is_named(serve, kind, status, acted):
    caller = serve()
    caller.sandbox.fail_next("post", kind)
    assert caller.post(item()).status_code == status
    assert caller.sandbox.connecteam_truth()[123].sales == acted
    assert caller.sandbox.counters()[f"faults.{kind}"] == 1


def test_a_refresh_whose_answer_is_lost_has_spent_the_token(serve):
    caller = serve()
    caller.sandbox.fail_next("token", "lost-after")
    with pytest.raises(httpx.TransportError):
        caller.refresh(caller.sandbox.refresh_token)
    assert caller.refresh(caller.sandbox.refresh_token).json()["error"] == "invalid_grant"


def test_chance_follows_the_seed(serve):
    faults = (Fault("post", "502-before", 0.5),)

    def statuses():
        caller = serve(faults=faults, seed=7)
        return [caller.post(item()).status_code for _ in range(20)]

    first = statuses()
    assert first == statuses()
    assert set(first) == {200, 502}


def test_latency_is_added_to_the_side_that_was_named(serve):
    caller = serve(post_latency_ms=200)
    start = time.monotonic()
    caller.connecteam("GET", "/locations")
    assert time.monotonic() - start < 0.2
    start = time.monotonic()
    caller.post(item())
    assert time.monotonic() - start >= 0.2


def test_requests_and_the_most_in_flight_are_counted(serve):
    caller = serve(lightspeed_latency_ms=150)
    caller.sign_in()
    threads = [
        threading.Thread(target=caller.lightspeed, args=("/f/data/businesses",)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counters = caller.sandbox.counters()
    assert counters["lightspeed.businesses"] == 3
    assert counters["lightspeed.token"] == 1
    assert 1 <= counters["lightspeed.most_in_flight"] <= 3
    assert counters["lightspeed.in_flight"] == 0


def test_another_process_can_see_the_truth_and_close_sales(serve):
    caller = serve()
    sandbox = caller.sandbox
    place = sandbox.locations[0]
    base = f"{sandbox.connecteam_url}/_sandbox"
    before = caller.http.get(f"{base}/truth").json()["lightspeed"][str(place.lightspeed_id)]
    sale = caller.http.post(f"{base}/close-sale", params={"location": 0}).json()["sale"]
    after = caller.http.get(f"{base}/truth").json()["lightspeed"][str(place.lightspeed_id)]
    assert after["sales"] == before["sales"] + 1
    assert sale["type"] == "SALE"
    query = {"location": place.lightspeed_id}
    expected = caller.http.get(f"{base}/expected", params=query).json()["rows"]
    assert sum(Decimal(row["finalSaleAmount"]) for row in expected) == Decimal(after["net"])
    caller.post(item())
    rows = caller.http.get(f"{base}/rows", params={"location": 123}).json()["rows"]
    assert rows[0]["finalSaleAmount"] == "8.33"
    about = caller.http.get(f"{base}/about").json()
    assert about["api_key"] == sandbox.api_key
    fresh = caller.http.post(f"{base}/refresh-token").json()["refresh_token"]
    assert caller.refresh(fresh).status_code == 200
    asked = {"route": "post", "kind": "500"}
    assert caller.http.post(f"{base}/fault", params=asked).status_code == 200
    assert caller.post(item()).status_code == 500
    assert caller.http.post(f"{base}/fault", params={"route": "x", "kind": "y"}).status_code == 400
    assert "lightspeed.token" in caller.http.get(f"{base}/counters").json()


def test_inspection_is_refused_under_a_foreign_name(serve):
    caller = serve()
    url = f"{caller.sandbox.lightspeed_url}/_sandbox/about"
    answer = caller.http.get(url, headers={"Host": "rebound.example"})
    assert answer.status_code == 403
    assert caller.sandbox.api_key not in answer.text


def test_a_sandbox_that_trades_live_closes_sales_by_itself(serve):
    caller = serve(live_every_s=0.05)
    ends_at_s = time.monotonic() + 5
    while caller.sandbox.counters().get("sales_closed_live", 0) < 3:
        assert time.monotonic() < ends_at_s
        time.sleep(0.02)


def test_the_sample_configuration_is_toml_that_points_here(serve):
    sandbox = serve().sandbox
    found = tomllib.loads(config_toml(sandbox, '/tmp/a "quoted" place/ledger.db'))
    assert found["lightspeed"]["token_url"] == sandbox.token_url
    assert found["connecteam"]["base_url"] == sandbox.connecteam_url
    assert found["ledger"]["path"] == '/tmp/a "quoted" place/ledger.db'
    assert [it["lightspeed_id"] for it in found["locations"]] == [
        place.lightspeed_id for place in sandbox.locations
    ]
    assert found["locations"][1]["name"] == "Königsallee Düsseldorf"
    assert found["locations"][0]["start"] == sandbox.day - timedelta(days=1)


def test_a_taken_port_is_said_in_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"cannot listen on port {port}"),
            Sandbox(SandboxOptions(connecteam_port=port)),
        ):
            pass


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(UsageError):
        SandboxOptions(locations=0)
    with pytest.raises(UsageError):
        SandboxOptions(faults=(Fault("post", "500", 1.5),))


def test_ports_are_free_again_after_the_end():
    with Sandbox() as first:
        port = int(first.connecteam_url.rpartition(":")[2])
    with Sandbox(SandboxOptions(connecteam_port=port)) as second:
        assert second.connecteam_url == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serving_ends_with_a_signal_and_without_a_word(number):
    script = (
        "from tillbridge.sandbox import SandboxOptions, serve\n"
        "serve(SandboxOptions(), announce=lambda it: print(it.connecteam_url, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as process:
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/_sandbox/truth").status_code == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=15)
    assert (process.returncode, errors) == (0, "")
