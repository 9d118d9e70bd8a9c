"""The commands about figures, from outside: explain, rules, purge, forecast, export."""

import csv
import io
import os
import pty
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from system.conftest import Made
from system.inside import inside
from system.installation import COMMAND, Installation, environment, until
from tillbridge.sandbox import Sandbox
from tillbridge.sandbox.amounts import Row

Make = Callable[..., Made]


def place_of(sandbox: Sandbox, number: int = 0):
    return sandbox.locations[number]


PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


def undocumented(command: str, document: object) -> set[str]:
    """Fields of a document that docs/json.md does not name for this command."""
    page = PAGE.read_text(encoding="utf-8")
    common, section = page.split("\n## ", 1)[0], page.split(f"\n## `{command}`\n", 1)[1]
    named = set(re.findall(r"`(\w+)`", common + section.split("\n## ", 1)[0]))
    return _names(document) - named


def _names(value: object) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in _names(item)}
    if not isinstance(value, dict):
        return set()
    # The names below these are types of sale, states, reasons or an event's own words.
    open_ended = ("detail", "by_type", "by_state", "amounts", "cannot_go")
    inside = {name for key, item in value.items() if key not in open_ended for name in _names(item)}
    return {key for key in value if isinstance(key, str)} | inside


def rows_of(sandbox: Sandbox, number: int = 0) -> Counter[Row]:
    return Counter(sandbox.connecteam_rows(place_of(sandbox, number).connecteam_id))


def local_day(sandbox: Sandbox, row: Row) -> date:
    zone = ZoneInfo(place_of(sandbox).timezone)
    return datetime.fromtimestamp(row.created_at, zone).date()


def foreign_row(sandbox: Sandbox) -> Row:
    noon = datetime.combine(sandbox.day, datetime.min.time(), ZoneInfo("UTC")) + timedelta(hours=15)
    place = place_of(sandbox)
    return Row(
        place.connecteam_id, "SALE", int(noon.timestamp()), Decimal("9.99"), Decimal(0),
        place.currency,
    )  # fmt: skip


# -- explain ----------------------------------------------------------------------------------


def test_a_sale_and_a_day_are_explained_to_the_cent(make: Make):
    sandbox, home = make(sales_per_day=40)
    place, day = place_of(sandbox), sandbox.day
    assert inside(home, "once").code == 0
    ids = sandbox.connecteam_ids(place.connecteam_id)
    rows = sandbox.connecteam_rows(place.connecteam_id)
    number = next(n for n, row in enumerate(rows) if row.sale_type == "REFUND")
    document = inside(home, "explain", ids[number], "--json").json
    assert undocumented("explain", document) == set()
    (told,) = document["sales"]
    sums = told["arithmetic"]
    assert told["lines_missing"] is None
    assert not told["changed_since"]
    assert sum(Decimal(line["net"]) for line in told["lines"]) == Decimal(sums["net"])
    assert Decimal(sums["rounded"]) == Decimal(told["amount"]) == rows[number].amount
    assert Decimal(sums["rounded_tax"]) == rows[number].tax
    (request,) = told["requests"]
    assert request["request_id"]
    assert told["rules_settings"]["with_service_charge"] is False
    document = inside(home, "explain", str(day), "--json").json
    assert undocumented("explain", document) == set()
    (whole,) = document["locations"]
    until_day = [row for row in rows if local_day(sandbox, row) == day]
    assert Decimal(whole["calendar_day"]["amount"]) == sum(row.amount for row in until_day)
    assert whole["calendar_day"]["sales"] == len(until_day)
    business, later = whole["business_day"], whole["closed_after_midnight"]
    earlier = whole["from_the_evening_before"]
    assert later["sales"] > 0, "the seed closes nothing after midnight"
    assert Decimal(business["amount"]) - Decimal(later["amount"]) + Decimal(earlier["amount"]) == (
        Decimal(whole["calendar_day"]["amount"])
    )
    assert {sale["transaction_id"] for sale in whole["sales"]} <= set(ids)
    plain = inside(home, "explain", str(day))
    assert f"Connecteam's day {day}, as tillbridge posted it" in plain.out
    assert "rounded once, half to even" in inside(home, "explain", ids[number]).out


def test_explain_tells_what_it_has_while_lightspeed_is_away(make: Make):
    sandbox, home = make(sales_per_day=20)
    assert inside(home, "once").code == 0
    key = sandbox.connecteam_ids(place_of(sandbox).connecteam_id)[0]
    sandbox.end_access_tokens()
    sandbox.fail_next("token", "500", times=9)
    done = inside(home, "explain", key, "--json")
    assert done.code == 0
    assert done.json["sales"][0]["lines"] is None
    assert done.json["sales"][0]["lines_missing"]
    assert inside(home, "explain", "2026-02-30").code == 2
    assert inside(home, "explain", "no such sale").code == 2


# -- purge ------------------------------------------------------------------------------------


def test_a_purge_that_is_killed_goes_on_and_takes_out_exactly_what_was_posted(make: Make):
    sandbox, home = make(sales_per_day=40, locations=2, post_latency_ms=60)
    # The killed delete may have been carried out; its 404 counts once the row must be there.
    home.write(f'{home.text}\n[doubt]\nwait = "0.5s"\npatience = "0.2s"\n')
    place, day = place_of(sandbox), str(sandbox.day)
    assert inside(home, "once").code == 0
    foreign = foreign_row(sandbox)
    sandbox.write_at_connecteam(foreign)
    stays = Counter(row for row in rows_of(sandbox) if str(local_day(sandbox, row)) != day)
    stays[foreign] += 1
    goes = rows_of(sandbox).total() - stays.total()
    assert goes > 5
    words = ("purge", "--from", day, "--to", day, "--location", place.name)
    before = rows_of(sandbox)
    planned = inside(home, *words, "--dry-run", "--json").json
    assert undocumented("purge", planned) == set()
    assert planned["locations"][0]["sales"] == goes
    unasked = inside(home, *words)
    assert unasked.code == 2
    assert "give --yes" in unasked.words
    refused = inside(home, *words, answers=["no"], terminal=True)
    assert "Nothing was changed" in refused.words
    assert rows_of(sandbox) == before
    with home.service(*words, "--yes") as cut:
        until(lambda: sandbox.counters().get("connecteam.rows_deleted", 0) >= 2)
        cut.process.send_signal(signal.SIGKILL)
        cut.process.wait()
    assert rows_of(sandbox).total() > stays.total(), "it was killed too late"
    assert "still to be taken out of Connecteam" in inside(home, "status").words
    again = inside(home, *words, "--yes")
    assert again.code == 0, again.err
    assert rows_of(sandbox) == stays
    assert sandbox.counters()["connecteam.rows_deleted"] == goes
    assert rows_of(sandbox, 1).total() == home.status()["locations"][1]["posted"]
    counts = home.status()["locations"][0]
    assert (counts["removed"], counts["waiting"]) == (goes, 0)
    assert inside(home, "once").code == 0  # read again, and left out
    assert rows_of(sandbox) == stays


def test_a_running_service_takes_out_what_a_purge_asks_for(make: Make):
    sandbox, home = make(sales_per_day=20)
    day = str(sandbox.day)
    with home.service() as service:
        wanted = sandbox.lightspeed_truth()[place_of(sandbox).lightspeed_id].sales
        service.until(
            lambda: home.ledger.exists() and home.status()["locations"][0]["posted"] == wanted
        )
        next_day = str(sandbox.day + timedelta(days=1))
        done = inside(home, "purge", "--from", day, "--to", next_day, "--yes")
        assert done.code == 0
        assert "A running tillbridge carries this out" in done.words
        service.until(lambda: rows_of(sandbox).total() == 0)
        service.until(lambda: home.status()["locations"][0]["removed"] == wanted)


def test_sales_without_an_id_stay_where_no_window_may_be_emptied(make: Make):
    sandbox, home = make(sales_per_day=20)
    home.write(f'{home.text}\n[doubt]\nwait = "0.5s"\npatience = "0.2s"\n')
    home.change("exclusive = true", "exclusive = false")
    sandbox.fail_next("post", "lost-after")
    assert inside(home, "once").code == 69
    until(lambda: inside(home, "once").code == 0)
    whole = rows_of(sandbox)
    last = str(sandbox.day + timedelta(days=1))
    words = ("purge", "--from", str(sandbox.day), "--to", last, "--yes")
    done = inside(home, *words, "--json")
    assert done.code == 3
    (here,) = done.json["locations"]
    (reason,) = here["cannot_go"]
    assert "not exclusive" in reason
    stuck = here["cannot_go"][reason]
    assert stuck == rows_of(sandbox).total() == whole.total() - here["sales"]
    home.change("exclusive = false", "exclusive = true")
    by_window = inside(home, *words, "--json")
    assert by_window.json["locations"][0]["by_window"] == stuck
    assert by_window.code == 0, by_window.err
    assert rows_of(sandbox).total() == 0
    assert home.status()["locations"][0]["removed"] == whole.total()


# -- rules ------------------------------------------------------------------------------------


def assert_rows_are(sandbox: Sandbox, home: Installation, left_out: Counter[Row]) -> None:
    assert inside(home, "once").code == 0
    assert (
        rows_of(sandbox)
        == Counter(sandbox.expected_rows(place_of(sandbox).lightspeed_id)) - left_out
    )


def test_a_changed_rule_changes_history_only_when_asked_and_then_to_the_cent(make: Make):
    sandbox, home = make(sales_per_day=60)
    home.change("exclusive = true", "exclusive = false")
    home.write(f'{home.text}\n[doubt]\nwait = "0.5s"\npatience = "0.2s"\n')
    assert inside(home, "once").code == 0
    foreign = foreign_row(sandbox)
    expected = Counter(sandbox.expected_rows(place_of(sandbox).lightspeed_id))
    home.write(f'{home.text}\n[mapping.sale_types]\nREFUND = "skip"\nVOID = "skip"\n')
    left_out = Counter(r for r in expected.elements() if r.sale_type in ("REFUND", "VOID"))
    assert left_out
    assert_rows_are(sandbox, home, Counter())
    sandbox.write_at_connecteam(foreign)
    document = inside(home, "rules", "--json").json
    assert undocumented("rules", document) == set()
    (plan,) = document["locations"]
    assert plan["deletes"] == plan["sales"]["left_out"] == left_out.total()
    assert plan["posts"] == 0
    difference = sum(Decimal(day["difference"]) for day in plan["days"])
    assert difference == -sum(row.amount for row in left_out.elements())
    assert rows_of(sandbox) == expected + Counter([foreign])
    posts = sandbox.counters()["connecteam.post"]
    applied = inside(home, "rules", "--apply", "--yes")
    assert applied.code == 0, applied.err
    assert rows_of(sandbox) == expected - left_out + Counter([foreign])
    assert sandbox.counters()["connecteam.delete"] == left_out.total()
    assert sandbox.counters()["connecteam.post"] == posts
    assert inside(home, "rules", "--json").json["locations"][0]["changes"] == 0
    home.change('[mapping.sale_types]\nREFUND = "skip"\nVOID = "skip"\n', "")
    assert inside(home, "rules", "--apply", "--yes").code == 0
    assert rows_of(sandbox) == expected + Counter([foreign])


def test_an_accounting_group_and_the_evening_date_are_applied_from_lightspeeds_lines(make: Make):
    sandbox, home = make(sales_per_day=60)
    assert inside(home, "once").code == 0
    rows = sandbox.connecteam_rows(place_of(sandbox).connecteam_id)
    number = next(n for n, row in enumerate(rows) if row.sale_type == "SALE" and row.amount)
    key = sandbox.connecteam_ids(place_of(sandbox).connecteam_id)[number]
    (told,) = inside(home, "explain", key, "--json").json["sales"]
    group = told["lines"][0]["group"]
    home.write(
        f'{home.text}\n[mapping]\nafter_midnight = "business_day"\n'
        f'[mapping.accounting_groups]\n"{group}" = "skip"\n'
    )
    plan = inside(home, "rules", "--json").json["locations"][0]
    assert plan["sales"]["amount"] > 0
    assert plan["sales"]["time"] > 0
    assert inside(home, "rules", "--apply", "--yes").code == 0
    day = sandbox.day
    shown: Counter[date] = Counter()
    for row in rows_of(sandbox).elements():
        shown[local_day(sandbox, row)] += row.amount
    planned = {date.fromisoformat(d["date"]): Decimal(d["would_be"]) for d in plan["days"]}
    assert {at: amount for at, amount in shown.items() if amount} == {
        at: amount for at, amount in planned.items() if amount
    }
    assert set(shown) == {day}
    (again,) = inside(home, "explain", told["reference"], "--json").json["sales"]
    assert {line["left_out"] for line in again["lines"] if line["group"] == group} == {
        f"accounting group {group!r} is left out"
    }
    assert Decimal(again["arithmetic"]["rounded"]) == Decimal(again["amount"])


def test_a_location_moves_to_another_connecteam_location_with_its_history(make: Make):
    sandbox, home = make(sales_per_day=20)
    place = place_of(sandbox)
    assert inside(home, "once").code == 0
    before = rows_of(sandbox)
    created = sandbox._books.open_account("The new place", is_active=True).location_id
    home.change(f"connecteam_id = {place.connecteam_id}", f"connecteam_id = {created}")
    refused = inside(home, "once")
    assert refused.code == 78
    assert "tillbridge rules" in refused.words
    plan = inside(home, "rules", "--json").json["locations"][0]
    assert plan["moves_from"] == place.connecteam_id
    assert plan["sales"]["moved"] == before.total()
    done = inside(home, "rules", "--apply", "--yes")
    assert done.code == 0, done.err
    moved = Counter(sandbox.connecteam_rows(created))
    assert rows_of(sandbox).total() == 0
    assert sum(row.amount for row in moved.elements()) == sum(r.amount for r in before.elements())
    assert moved.total() == before.total()
    assert inside(home, "once").code == 0


# -- forecast ---------------------------------------------------------------------------------


def test_a_forecast_is_set_in_one_request_for_each_location_and_may_be_repeated(make: Make):
    sandbox, home = make(sales_per_day=20, locations=2)
    first = sandbox.day + timedelta(days=2)
    lines = [
        f"{place.name},{first + timedelta(days=n)},{1000 + n}.5"
        for place in sandbox.locations
        for n in range(30)
    ]
    text = "\n".join(["location,date,amount", *lines])
    file = home.folder / "forecast.csv"
    file.write_text(text, encoding="utf-8")
    dry = inside(home, "forecast", "--csv", str(file), "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert {day["before"] for place in dry.json["locations"] for day in place["days"]} == {None}
    assert "connecteam.projections" not in sandbox.counters()
    assert home.call("forecast", "--csv", "-", text=text).code == 0
    assert inside(home, "forecast", "--csv", str(file)).code == 0
    assert sandbox.counters()["connecteam.projections"] == 4
    file.write_text(text.replace("1003.5", "2000"), encoding="utf-8")
    rows = inside(home, "forecast", "--csv", str(file), "--dry-run", "--json").json
    days = rows["locations"][0]["days"]
    assert (days[3]["before"], days[3]["amount"]) == ("1003.50", "2000.00")
    assert days[4]["before"] == days[4]["amount"] == "1004.50"
    shown = inside(home, "forecast", "--json").json
    assert undocumented("forecast", shown) | undocumented("forecast", dry.json) == set()
    assert {day["projected"] for day in shown["days"]} >= {"1000.50", "1001.50"}
    file.write_text(text + "\nNowhere,2026-11-21,1\n", encoding="utf-8")
    wrong = inside(home, "forecast", "--csv", str(file))
    assert wrong.code == 2
    assert f"line {len(lines) + 2}: there is no location 'Nowhere'" in wrong.words
    assert sandbox.counters()["connecteam.projections"] == 4
    sandbox.fail_next("projections", "502-before")
    file.write_text(text, encoding="utf-8")
    half = inside(home, "forecast", "--csv", str(file), "--json")
    assert half.code == 69
    assert [place["set"] for place in half.json["locations"]] == [False, True]


# -- export, and tables -----------------------------------------------------------------------


def test_an_export_holds_every_sale_once_as_csv_and_as_json(make: Make):
    sandbox, home = make(sales_per_day=40, locations=2)
    done = inside(home, "once", "--json")
    assert done.code == 0
    assert undocumented("once", done.json) == set()
    again = inside(home, "quarantine", "retry", "--json")
    assert undocumented("quarantine retry", again.json) == set()
    rows = list(csv.DictReader(io.StringIO(inside(home, "export").out)))
    assert Counter(row["state"] for row in rows) == {"posted": len(rows)}
    for place in sandbox.locations:
        mine = [row for row in rows if row["location"] == place.name]
        assert {row["transaction_id"] for row in mine} == set(
            sandbox.connecteam_ids(place.connecteam_id)
        )
        assert sum(Decimal(row["amount"]) for row in mine) == sum(
            row.amount for row in sandbox.connecteam_rows(place.connecteam_id)
        )
    document = inside(home, "export", "--json").json
    assert undocumented("export", document) == set()
    assert [sale["reference"] for sale in document["sales"]] == [row["reference"] for row in rows]
    day = str(sandbox.day)
    file = home.folder / "one-day.csv"
    words = ("export", "--from", day, "--to", day, "--location", place_of(sandbox).name)
    assert inside(home, *words, "--output", str(file)).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    some = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert {row["closed_local"][:10] for row in some} == {day}
    assert inside(home, *words, "--output", str(file)).code == 2


def on_a_terminal(home: Installation, *words: str, columns: int) -> str:
    """What a command shows on a terminal of this width."""
    leader, follower = pty.openpty()
    env = environment({"COLUMNS": str(columns), "TERM": "xterm"})
    process = subprocess.Popen(
        [*COMMAND, "--config", str(home.config), *words],
        stdin=follower, stdout=follower, stderr=subprocess.DEVNULL, env=env, close_fds=True,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # how Linux tells that the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    assert process.wait(30) == 0
    return shown.decode()


def test_no_id_and_no_amount_is_cut_off_on_a_narrow_terminal_and_colours_stay_there(make: Make):
    sandbox, home = make(sales_per_day=20, locations=2)
    shown = on_a_terminal(home, "locations", "list", columns=30)
    for place in sandbox.locations:
        assert str(place.lightspeed_id) in shown
        assert str(place.connecteam_id) in shown
    assert "\x1b[" in shown
    assert "…" not in shown
    assert "\x1b[" not in inside(home, "locations", "list").out
