"""`check` tells the truth: each thing that can be wrong is planted, and found, at a bounded cost."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from system.conftest import Made
from system.inside import inside
from system.installation import Installation
from tillbridge.sandbox.amounts import Row

SECTIONS = ("Configuration", "Disk space", "Ledger", "Clock", "Lightspeed: connection",
            "Lightspeed sign-in: connection", "Lightspeed: sign-in", "Lightspeed: reading sales",
            "Connecteam: connection", "Connecteam: key", "Connecteam: reading sales",
            "Connecteam: writing sales", "Connecteam: deleting sales", "Connecteam: quota",
            "Location Harbour Street", "Other writers: Harbour Street")  # fmt: skip


class Checked:
    """What a check said: by name, the verdict and all its words."""

    def __init__(self, home: Installation) -> None:
        done = inside(home, "check", "--json")
        self.code = done.code
        self.document: dict[str, Any] = done.json
        self.err = done.err

    def of(self, name: str) -> tuple[str, str]:
        found = [one for one in self.document["checks"] if one["name"] == name]
        assert found, [one["name"] for one in self.document["checks"]]
        return found[0]["verdict"], " ".join(f"{one['text']} {one['remedy']}" for one in found)

    @property
    def failed(self) -> set[str]:
        return {one["name"] for one in self.document["checks"] if one["verdict"] == "failed"}

    @property
    def warned(self) -> set[str]:
        return {one["name"] for one in self.document["checks"] if one["verdict"] == "warned"}

    def costs(self, sandbox: Any, before: dict[str, int]) -> dict[str, int]:
        """Requests that the vendors saw, each side for itself."""
        now = sandbox.counters()
        sides = ("lightspeed", "connecteam")
        words = ("in_flight", "rows", "throttled", "reused", "sales_closed")
        return {
            side: sum(
                count - before.get(name, 0)
                for name, count in now.items()
                if name.startswith(f"{side}.") and not any(word in name for word in words)
            )
            for side in sides
        }


def test_when_all_is_right_everything_was_looked_at_and_nothing_was_changed(
    make: Callable[..., Made],
):
    sandbox, home = make(locations=1, access_ttl_s=1)
    assert inside(home, "once").code == 0
    before, rows = sandbox.counters(), sandbox.connecteam_rows(123)
    time.sleep(1.1)  # until the access token has ended, so that the sign-in is looked at, too
    found = Checked(home)
    assert found.code == 0
    assert found.document["ok"] is True
    assert found.document["failed"] == found.document["warned"] == 0
    for name in SECTIONS:
        assert found.of(name)[0] == "passed", found.of(name)
    assert "the Expert plan" in found.of("Connecteam: quota")[1]
    assert "back.office@sandbox.example" in found.of("Lightspeed: sign-in")[1]
    assert sandbox.connecteam_rows(123) == rows
    assert found.costs(sandbox, before) == found.document["requests"]
    table = inside(home, "check")
    assert table.code == 0
    assert "Harbour Street (GBP, Europe/London) feeds Harbour Street (123)" in table.out
    assert "0 failed" in table.err


UNKIND: list[dict[str, Any]] = [
    {"access_ttl_s": 0, "rejected_token_status": 403},
    {"connecteam_scopes": ("sales_data.read",)},
]


@pytest.mark.parametrize("options", UNKIND)
@pytest.mark.parametrize("app", [False, True])
def test_a_check_costs_at_most_ten_requests_a_side_whatever_fails(
    make: Callable[..., Made], options: dict[str, Any], app: bool
):
    sandbox, home = make(**options)
    if app:
        use_app(sandbox, home)
    for route in ("businesses", "sales", "locations", "connecteam-token")[app:]:
        before = sandbox.counters()
        sandbox.fail_next(route, "500", 20)
        costs = Checked(home).costs(sandbox, before)
        assert max(costs.values()) <= 10, (route, costs)
        sandbox.fail_no_more()


def use_app(sandbox: Any, home: Installation) -> None:
    home.change(
        f'api_key = "{sandbox.api_key}"',
        f'client_id = "{sandbox.connecteam_client_id}"\n'
        f'client_secret = "{sandbox.connecteam_client_secret}"',
    )


def test_an_app_that_lacks_a_scope_is_told_which(make: Callable[..., Made]):
    sandbox, home = make(connecteam_scopes=("sales_data.read", "sales_data.write"))
    use_app(sandbox, home)
    found = Checked(home)
    assert found.code == 77
    verdict, words = found.of("Connecteam: key")
    assert verdict == "failed"
    assert "lacks the scope sales_data.delete (" in words
    done = inside(home, "once")
    assert done.code == 77
    assert "sales_data.delete" in done.err


def test_a_key_that_may_not_write_or_delete_is_told_so(make: Callable[..., Made]):
    _, home = make(connecteam_scopes=("sales_data.read",))
    found = Checked(home)
    assert found.code == 77
    assert found.failed == {"Connecteam: writing sales", "Connecteam: deleting sales"}
    assert "sales_data.write" in found.of("Connecteam: writing sales")[1]


@pytest.mark.parametrize(
    ("old", "new", "code", "name", "part"),
    [
        ("lightspeed_id = 45454565682155", "lightspeed_id = 7", 3, "Location Harbour Street",
         "Lightspeed lists no location 7"),
        ("connecteam_id = 123", "connecteam_id = 7", 3, "Location Harbour Street",
         "Connecteam has no location 7"),
        ('"GBP"', '"EUR"', 3, "Location Harbour Street", "GBP at Lightspeed and EUR"),
        ("connecteam_id", "connecteamid", 78, "Configuration", "locations[0].connecteamid"),
        ('api_key = "', 'api_key = "wrong-', 77, "Connecteam: key", "Invalid API key"),
        ('client_secret = "', 'client_secret = "wrong-', 77, "Lightspeed: sign-in",
         "Check client_id, client_secret"),
        ('api_key = "', 'api_key = { env = "NOT_SET" } # "', 78, "Connecteam: key",
         "connecteam.api_key: The environment variable NOT_SET is not set"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_with_its_remedy_and_its_exit_code(
    make: Callable[..., Made], old: str, new: str, code: int, name: str, part: str
):
    sandbox, home = make(locations=1)
    if "client_secret" in old:  # it is used only once the access token has ended
        sandbox.end_access_tokens()
    home.change(old, new)
    found = Checked(home)
    assert found.code == code
    verdict, words = found.of(name)
    assert verdict == "failed"
    assert part in words
    assert "wrong-" not in str(found.document)


def test_what_is_unwise_is_a_warning_and_no_failure(make: Callable[..., Made], tmp_path: Path):
    sandbox, home = make(locations=2)
    key = tmp_path / "key"
    key.write_text(sandbox.api_key)
    key.chmod(0o644)
    home.change(f'api_key = "{sandbox.api_key}"', f'api_key = {{ file = "{key}" }}')
    home.change("Europe/London", "Europe/Paris")
    home.write(home.text[: home.text.rindex("[[locations]]")])
    sandbox.open_at_connecteam("Spare kitchen")
    found = Checked(home)
    assert found.code == 0
    assert found.warned == {
        "Secrets", "Location Harbour Street", "Lightspeed: not mapped", "Connecteam: not mapped",
    }  # fmt: skip
    assert f"chmod 600 {key}" in found.of("Secrets")[1]
    assert "Europe/London at Lightspeed" in found.of("Location Harbour Street")[1]
    assert "Königsallee" in found.of("Lightspeed: not mapped")[1]
    assert "Spare kitchen" in found.of("Connecteam: not mapped")[1]


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(0, "passed"), (300, "warned"), (-7200, "failed")]
)
def test_the_clock_is_compared_with_both_vendors(
    make: Callable[..., Made], ahead_s: float, verdict: str
):
    _, home = make(clock_ahead_s=ahead_s)
    found, words = Checked(home).of("Clock")
    assert found == verdict
    assert {0: "equal to that of", 300: "behind Lightspeed", -7200: "ahead of Lightspeed"}[
        round(ahead_s)
    ] in words


def test_a_sign_in_that_is_missing_or_sees_too_little_is_told(make: Callable[..., Made]):
    _, home = make(signed_in=False, lightspeed_sees=1, locations=2)
    found = Checked(home)
    assert found.code == 77
    assert "Run `tillbridge authorize`" in found.of("Lightspeed: sign-in")[1]
    home.begin_signed_in()
    found = Checked(home)
    assert found.code == 3
    assert found.failed == {"Location Königsallee Düsseldorf"}
    assert "sign in as a user with rights there" in found.of("Location Königsallee Düsseldorf")[1]


def test_a_vendor_that_is_away_is_told_and_the_other_is_looked_at(make: Callable[..., Made]):
    sandbox, home = make()
    home.change(sandbox.connecteam_url, "http://127.0.0.1:9")
    found = Checked(home)
    assert found.code == 3
    assert found.of("Lightspeed: reading sales")[0] == "passed"
    verdict, words = found.of("Connecteam: connection")
    assert verdict == "failed"
    assert "127.0.0.1:9 was not reached: nothing accepts connections there" in words


def test_before_there_is_a_location_the_rest_is_looked_at(make: Callable[..., Made]):
    _, home = make()
    home.write(home.text[: home.text.index("[[locations]]")])
    found = Checked(home)
    assert found.code == 78
    assert found.failed == {"Locations"}
    assert "tillbridge locations match" in found.of("Locations")[1]
    assert found.of("Connecteam: key")[0] == "passed"


NAME = "Other writers: Harbour Street"


def row(sandbox: Any, amount: str, *, days_ago: int = 1) -> Row:
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    return Row(
        location_id=123, sale_type="MANUAL", created_at=int(moment.timestamp()),
        amount=Decimal(amount), tax=None, currency="GBP",
    )  # fmt: skip


def test_another_writer_is_found_before_and_after_the_first_post(make: Callable[..., Made]):
    sandbox, home = make(days_back=20)
    sandbox.write_at_connecteam(row(sandbox, "12.34", days_ago=5))
    found = Checked(home)
    assert found.code == 3
    verdict, words = found.of(NAME)
    assert verdict == "failed"
    assert "of which 12.34 GBP are not tillbridge's" in words
    assert "Connecteam's own Lightspeed integration" in words


def test_another_writer_among_our_own_sales_is_found_to_the_cent(make: Callable[..., Made]):
    sandbox, home = make()
    assert inside(home, "once").code == 0
    assert Checked(home).of(NAME)[0] == "passed"
    sandbox.write_at_connecteam(row(sandbox, "0.01"))
    verdict, words = Checked(home).of(NAME)
    assert verdict == "failed"
    assert "of which 0.01 GBP are not tillbridge's" in words


def test_connecteams_own_integration_is_named_where_every_sale_is_there_twice(
    make: Callable[..., Made],
):
    sandbox, home = make()
    assert inside(home, "once").code == 0
    for one in sandbox.connecteam_rows(123):
        sandbox.write_at_connecteam(one)
    verdict, words = Checked(home).of(NAME)
    assert verdict == "failed"
    assert "Most likely Connecteam's own Lightspeed integration is switched on too" in words


def test_where_others_may_write_their_amounts_are_told_and_are_no_failure(
    make: Callable[..., Made],
):
    sandbox, home = make(days_back=20)
    home.change("exclusive = true", "exclusive = false")
    sandbox.write_at_connecteam(row(sandbox, "12.34"))
    found = Checked(home)
    assert found.code == 0
    assert "12.34 GBP" in found.of(NAME)[1]


def test_a_check_takes_no_request_that_the_quota_has_no_room_for(make: Callable[..., Made]):
    sandbox, home = make(plan="small")
    inside(home, "once")
    for _ in range(4):
        found = Checked(home)
    assert sandbox.counters().get("connecteam.throttled", 0) == 0
    assert "Connecteam: key" in found.warned
    assert "the quota of the Connecteam account is used for now" in found.of("Connecteam: key")[1]
