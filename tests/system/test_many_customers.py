"""Several installations on one machine: told apart, looked at together, and noticed by each other."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from system.conftest import Made
from system.installation import Installation, run
from tillbridge.neighbours import AccountName, account_name


def blocks(text: str) -> tuple[str, list[str]]:
    """A configuration's head and its [[locations]], each by itself."""
    head, *places = re.split(r"^(?=\[\[locations\]\])", text, flags=re.MULTILINE)
    return head, places


@pytest.fixture
def two(make: Callable[..., Made]) -> tuple[Installation, Installation]:
    """Two customers' configurations in one folder, at one Connecteam account."""
    _, home = make(locations=2)
    head, places = blocks(home.text)
    assert len(places) == 2
    found = []
    for name, place in zip(("harbour", "station"), places, strict=True):
        state = home.folder / name
        state.mkdir()
        text = head.replace(str(home.ledger), str(state / "ledger.db")) + place
        one = Customer(home.folder, text, home.refresh_token, home.env, name)
        one.write()
        found.append(one)
    # One sign-in: the second customer's services here never renew it.
    shutil.copy(home.ledger.parent / "lightspeed-token.json", found[0].ledger.parent)
    shutil.copy(home.ledger.parent / "lightspeed-token.json", found[1].ledger.parent)
    home.config.unlink()
    return found[0], found[1]


class Customer(Installation):
    def __init__(self, folder: Path, text: str, token: str, env: dict[str, str], name: str) -> None:
        super().__init__(folder, text, token, dict(env))
        self.name = name

    @property
    def config(self) -> Path:
        return self.folder / f"{self.name}.toml"

    @property
    def ledger(self) -> Path:
        return self.folder / self.name / "ledger.db"


def all_of(home: Installation):
    done = run("status", "--all", "--json", "--config", str(home.config))
    return done.code, done.json


def test_all_are_seen_at_once_and_what_they_share_is_said(two):
    one, other = two
    code, before = all_of(one)
    assert code == 0
    assert [item["instance"] for item in before["instances"]] == ["harbour", "station"]
    codes = [[found["code"] for found in item["findings"]] for item in before["instances"]]
    assert codes == [["never_run"], ["never_run"]]
    with one.service() as first:
        first.until(lambda: '"pass_done"' in first.log)
        assert "account_shared" not in first.log
        with other.service() as second:
            second.until(lambda: '"pass_done"' in second.log)
            second.until(lambda: "account_shared" in second.log)
            assert second.end()[0] == 0
        assert second.log.count('"account_shared"') == 1
        assert first.end()[0] == 0
    code, after = all_of(one)
    assert code == 0
    assert after["healthy"] is True
    assert [item["code"] for item in after["between"]] == ["account_shared"]
    assert [len(item["locations"]) for item in after["instances"]] == [1, 1]
    posted = [item["locations"][0]["posted"] for item in after["instances"]]
    assert all(posted), posted


def test_a_location_that_two_feed_and_a_file_that_cannot_be_read_need_a_person(two):
    one, other = two
    text = other.text
    (target,) = re.findall(r"^connecteam_id = (\d+)$", one.text, re.MULTILINE)
    other.write(
        re.sub(r"^connecteam_id = \d+$", f"connecteam_id = {target}", text, flags=re.MULTILINE)
    )
    code, document = all_of(one)
    assert code == 3
    assert [item["code"] for item in document["between"]] == ["location_shared"]
    other.write(text.replace("[lightspeed]", "[lightspede]"))
    code, document = all_of(one)
    assert code == 3
    assert document["between"] == []
    (broken,) = (item for item in document["instances"] if item["instance"] == "station")
    assert broken["healthy"] is False
    assert "station.toml" in broken["attention"][0]
    assert document["instances"][0]["healthy"] is True


def test_for_people_there_is_a_table_and_a_sentence_each(two):
    one, _ = two
    done = run("status", "--all", "--config", str(one.config))
    assert done.code == 0
    assert re.search(r"harbour\W+well", done.out)
    assert "[station] There is no ledger" in done.words


def test_without_any_configuration_it_says_where_it_looked(tmp_path: Path):
    done = run("status", "--all", "--config", str(tmp_path / "config.toml"))
    assert done.code == 2
    assert str(tmp_path) in done.words


def test_the_name_of_an_account_is_held_by_one_process_and_given_back():
    name = account_name("https://api.connecteam.com/", "a-key")
    first, second = AccountName(name), AccountName(name)
    try:
        assert not first.is_shared()
        assert not first.is_shared()
        assert second.is_shared()
        first.release()
        assert not second.is_shared()
        assert first.is_shared()
    finally:
        first.release()
        second.release()


def test_the_name_of_an_account_tells_accounts_apart_and_gives_no_key_away():
    name = account_name("https://api.connecteam.com", "a-key")
    assert name == account_name("https://api.connecteam.com/", "a-key")
    assert name != account_name("https://api.connecteam.com", "b-key")
    assert name != account_name("https://api-au.connecteam.com", "a-key")
    assert "key" not in name
    assert len(name) == 32
