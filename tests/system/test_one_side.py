"""One side's credentials end: that side stops and says so, the other goes on, and no restart."""

from collections.abc import Callable
from datetime import timedelta

from system.conftest import Made
from system.inside import inside


def test_an_ended_sign_in_stops_reading_only_until_somebody_signs_in_again(
    make: Callable[..., Made],
):
    sandbox, home = make()
    home.change("[[locations]]", '[doubt]\nwait = "0.5s"\npatience = "0.5s"\n\n[[locations]]')
    sandbox.fail_next("post", "500", 100_000)
    with home.service() as service:
        service.until(lambda: sandbox.counters().get("faults.500", 0) > 0)
        sandbox.end_sign_ins()
        service.until(lambda: '"lightspeed_credentials"' in service.log)
        assert len(sandbox.connecteam_rows(123)) == 0
        sandbox.fail_no_more()
        # What was read before is posted while Lightspeed turns us away.
        service.until(lambda: len(sandbox.connecteam_rows(123)) > 0)
        asked = sandbox.counters()["lightspeed.token"]
        sandbox.close_sale(0, ago=timedelta(seconds=1))
        done = inside(
            home, "authorize", "--import-refresh-token", "-",
            answers=[sandbox.new_refresh_token()],
        )  # fmt: skip
        assert done.code == 0
        wanted = sandbox.lightspeed_truth()[home_id(sandbox)].sales
        service.until(lambda: len(sandbox.connecteam_rows(123)) == wanted)
        service.until(lambda: "alarm_resolved" in service.log)
        assert sandbox.counters()["lightspeed.token"] - asked < 20
    assert sandbox.client_secret not in service.log


def home_id(sandbox) -> int:
    return sandbox.locations[0].lightspeed_id


def test_a_key_that_ends_stops_posting_only(make: Callable[..., Made]):
    sandbox, home = make()
    home.change(sandbox.api_key, "k3y-that-is-wrong")
    done = inside(home, "once")
    assert done.code == 77
    assert "new sales read" in done.err
    assert "Invalid API key" in done.err
    home.change("k3y-that-is-wrong", sandbox.api_key)
    assert inside(home, "once").code == 0
    assert len(sandbox.connecteam_rows(123)) > 0


def test_an_idle_sign_in_is_kept_alive(make: Callable[..., Made]):
    sandbox, home = make(refresh_ttl_s=4)
    home.change("exclusive = true", "exclusive = true\nenabled = false")
    with home.service() as service:
        service.until(lambda: sandbox.counters().get("lightspeed.token", 0) > 2)
        assert "lightspeed_credentials" not in service.log


def test_an_outage_names_the_host_and_the_other_side_is_not_held_up(make: Callable[..., Made]):
    sandbox, home = make()
    home.change(sandbox.connecteam_url, "http://127.0.0.1:9")
    done = inside(home, "once")
    assert done.code == 69
    assert "new sales read" in done.err
    assert "127.0.0.1:9: nothing accepts connections there" in done.err
    assert "`tillbridge check`" in done.err
