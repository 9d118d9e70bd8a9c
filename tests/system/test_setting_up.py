"""From a configuration without locations to one that works: match, create, write, check."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from system.conftest import Made
from system.inside import inside
from tillbridge.cli.config_file import NewLocation, add_locations, replace_file
from tillbridge.config import load
from tillbridge.errors import ConfigError


def without_locations(home) -> None:
    home.write(home.text[: home.text.index("[[locations]]")] + "# the end, for now\n")


def test_locations_are_matched_written_and_then_carried_over(make: Callable[..., Made]):
    sandbox, home = make(locations=2)
    without_locations(home)
    shown = inside(home, "locations", "match")
    assert shown.code == 0
    before = home.config.read_text()
    assert shown.out.count("[[locations]]") == 2
    assert "run the command again with --write" in shown.err
    first = sandbox.first_day.isoformat()
    done = inside(home, "locations", "match", "--write", "--start", first)
    assert (done.code, done.out) == (0, "")
    assert home.config.read_text().startswith(before)
    assert home.config.stat().st_mode & 0o777 == 0o600
    written = load(home.config).config.locations
    assert [place.connecteam_id for place in written] == [123, 456]
    assert [str(place.timezone) for place in written] == ["Europe/London", "Europe/Berlin"]
    assert {place.start for place in written} == {sandbox.first_day}
    assert inside(home, "once").code == 0
    assert len(sandbox.connecteam_rows(123)) > 0
    again = inside(home, "locations", "match", "--write")
    assert "Every location of Lightspeed is in the configuration" in again.err
    assert load(home.config).config.locations == written


def test_what_is_printed_can_be_pasted(make: Callable[..., Made]):
    _, home = make()
    without_locations(home)
    shown = inside(home, "locations", "match", "--shared")
    home.write(home.text + shown.out)
    (place,) = load(home.config).config.locations
    assert place.exclusive is False
    assert place.start == datetime.now(place.timezone).date()


def test_a_name_that_fits_nothing_is_told_and_may_be_created_once(make: Callable[..., Made]):
    sandbox, home = make()
    sandbox.rename_at_connecteam(123, "Elsewhere")
    without_locations(home)
    left = inside(home, "locations", "match")
    assert left.code == 3
    assert left.out == ""
    assert 'tillbridge locations create "Harbour Street"' in left.err
    made = inside(home, "locations", "create", " Harbour   Street ")
    assert made.code == 0
    assert "Created in Connecteam: Harbour Street" in made.err
    again = inside(home, "locations", "create", "HARBOUR street!", "--json")
    assert again.json == {
        "schema": 1, "id": int(made.out), "name": "Harbour Street", "created": False,
    }  # fmt: skip
    assert inside(home, "locations", "match").code == 0


def test_a_lost_answer_creates_no_second_location(make: Callable[..., Made]):
    sandbox, home = make()
    before = len(sandbox.connecteam_truth())
    sandbox.fail_next("create", "lost-after")
    done = inside(home, "locations", "create", "New place")
    assert done.code == 0, done.err
    assert len(sandbox.connecteam_truth()) == before + 1
    sandbox.fail_next("create", "500")
    failed = inside(home, "locations", "create", "Another")
    assert failed.code == 69
    assert "It is not in Connecteam's list now" in failed.err
    assert len(sandbox.connecteam_truth()) == before + 1


def test_an_ambiguous_name_is_asked_in_a_terminal_and_only_there(make: Callable[..., Made]):
    sandbox, home = make()
    sandbox.rename_at_connecteam(123, "HARBOUR STREET")
    sandbox.open_at_connecteam("harbour street.", is_active=False)
    without_locations(home)
    told = inside(home, "locations", "match")
    assert told.code == 3
    assert "may be one of these at Connecteam: HARBOUR STREET (123), harbour street." in told.err
    skipped = inside(home, "locations", "match", answers=[""], terminal=True)
    assert skipped.code == 3
    chosen = inside(home, "locations", "match", answers=["9", "x", "1"], terminal=True)
    assert chosen.code == 0
    assert "connecteam_id = 123" in chosen.out
    assert "Type a number from 1 to 2" in chosen.err
    assert inside(home, "locations", "match", "--json", answers=["1"], terminal=True).code == 3


def test_a_location_of_the_sample_that_is_nobodys_is_told(make: Callable[..., Made]):
    _, home = make()
    home.change("45454565682155", "7")
    done = inside(home, "locations", "match")
    assert done.code == 3
    assert "Lightspeed lists no location 7" in done.err
    assert "lightspeed_id = 45454565682155" in done.out
    assert 'name = "Harbour Street 2"' in done.out, "names are used once"


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\x07b"])
def test_a_name_that_cannot_be_one_is_refused_before_anybody_is_asked(
    make: Callable[..., Made], name: str
):
    sandbox, home = make()
    assert inside(home, "locations", "create", "--", name).code == 2
    assert sandbox.counters().get("connecteam.locations", 0) == 0


COMMENTED = """\
config_version = 1  # the only one
name = 'Mine'

# about Lightspeed
[lightspeed]
client_id = "x"  # from the portal
client_secret = "s3cret"

[connecteam]
api_key = "k3y-k3y"

[[locations]]  # the first
name = "A"
lightspeed_id = 1
connecteam_id = 2
timezone = "UTC"
currency = "EUR"
exclusive = true   # sure
start = 2026-01-01

# after the locations
[sync]
poll_every = "5m"  # as always"""


def new(name: str = "B", lightspeed_id: int = 3) -> NewLocation:
    start = date(2026, 2, 1)
    return NewLocation(name, lightspeed_id, 4, "Europe/Berlin", "EUR", True, start)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_every_comment_stays_where_it_is(file: Path):
    add_locations(file, [new('Café "Ü"'), new("C", 5)])
    assert file.read_text(encoding="utf-8").startswith(COMMENTED + "\n\n[[locations]]\n")
    names = [place.name for place in load(file).config.locations]
    assert names == ["A", 'Café "Ü"', "C"]


@pytest.mark.parametrize("wrong", [new("A"), new("B", 1)])
def test_a_file_that_would_be_wrong_is_not_written(file: Path, wrong: NewLocation):
    with pytest.raises(ConfigError):
        add_locations(file, [wrong])
    assert file.read_text(encoding="utf-8") == COMMENTED
    assert [one.name for one in file.parent.iterdir()] == ["config.toml"]


def test_locations_in_one_line_cannot_be_added_to(file: Path):
    text = COMMENTED[: COMMENTED.index("[[locations]]")]
    file.write_text(f"locations = []\n{text}", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be added to"):
        add_locations(file, [new()])


def test_a_link_leads_to_the_file_that_is_written(file: Path, tmp_path: Path):
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    add_locations(link, [new()])
    assert link.is_symlink()
    assert len(load(file).config.locations) == 2


def test_a_leftover_of_a_crash_is_no_obstacle(file: Path):
    (file.parent / ".config.toml.new").write_text("half of")
    replace_file(file, COMMENTED)
    assert file.read_text() == COMMENTED
