"""What several installations on one machine share, and must not."""

from tillbridge.findings import Level
from tillbridge.fleet import Member, compare

ADDRESS = "https://api.connecteam.com"


def member(name, **values):
    base = {"account": name, "address": ADDRESS, "targets": {}, "ledger": f"/var/{name}.db"}
    return Member(name, **{**base, **values})


def found(*members):
    return [(item.code, item.level) for item in compare(members)]


def test_customers_with_nothing_in_common_are_well():
    assert found(member("a", targets={1: "A"}), member("b", targets={2: "B"})) == []


def test_one_account_is_noted_with_the_names_of_all_who_use_it():
    three = [member(name, account="same") for name in ("a", "b", "c")]
    (item,) = compare([*three, member("d")])
    assert (item.code, item.level) == ("account_shared", Level.NOTE)
    assert "a, b and c" in item.sentence


def test_an_installation_that_never_posted_shares_no_account():
    assert found(member("a", account=None), member("b", account=None)) == []


def test_one_location_of_connecteam_needs_a_person():
    two = member("a", targets={1: "A", 7: "X"}), member("b", targets={7: "Y"})
    assert found(*two) == [("location_shared", Level.PERSON)]
    # The same number at another region's address is another location.
    apart = member("b", targets={7: "Y"}, address="https://api-au.connecteam.com")
    assert found(two[0], apart) == []


def test_one_ledger_needs_a_person():
    assert found(member("a", ledger="/x"), member("b", ledger="/x")) == [
        ("ledger_shared", Level.PERSON)
    ]
