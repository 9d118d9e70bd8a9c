"""Names of locations: what is the same, what is only alike, and what a person must decide."""

import pytest

from tillbridge.matching import Place, match, plain_name, same_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Harbour Street", "harbour  STREET"),
        ("Königsallee Düsseldorf", "Konigsallee Dusseldorf"),
        ("Nyhavn Bådehus", "Nyhavn: Badehus"),
        ("Café de l'Été", "Cafe de lete"),
        ("Smørrebrød & Co.", "smorrebrod co"),
        ("Straße 7", "STRASSE 7"),
        ("Dōtonbori 道頓堀", "dotonbori 道頓堀"),
        ("Cafe\u0301", "Café"),
    ],
)
def test_names_that_people_take_for_the_same_are_the_same(one, other):
    assert plain_name(one) == plain_name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Bar 1", "Bar 11"), ("Bar 1", "Bar 2"), ("道頓堀", "梅田"), ("!", "?")]
)
def test_names_of_two_places_stay_two_names(one, other):
    assert plain_name(one) != plain_name(other)


def test_a_name_that_is_the_only_one_on_both_sides_matches_by_itself():
    found = match([Place(1, "Café A"), Place(2, "B")], [Place(10, "b"), Place(11, "cafe a")])
    assert [(one.place.id, one.found.id) for one in found if one.found] == [(1, 11), (2, 10)]


def test_of_two_candidates_the_one_that_is_equal_to_the_letter_is_taken():
    (found,) = match([Place(1, "Bar")], [Place(10, "BAR"), Place(11, "Bar")])
    assert found.found == Place(11, "Bar")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([Place(1, "Bar")], [Place(10, "BAR"), Place(11, "bar.")]),
        ([Place(1, "Bar"), Place(2, "bar")], [Place(10, "BAR")]),
    ],
)
def test_what_is_ambiguous_on_either_side_is_left_to_a_person(ours, theirs):
    for found in match(ours, theirs):
        assert found.found is None
        assert found.suggestions == tuple(theirs)


def test_names_that_are_only_alike_are_suggested_and_never_taken():
    others = [Place(10, "Harbour St. Restaurant"), Place(11, "Mainz"), Place(12, "Harbour Stret")]
    (found,) = match([Place(1, "Harbour Street")], others)
    assert found.found is None
    assert [place.id for place in found.suggestions] == [12, 10]
    (longer,) = match([Place(1, "Mainz")], [Place(11, "Mainz Bar"), Place(12, "Trier")])
    assert [place.id for place in longer.suggestions] == [11]


def test_a_new_name_is_looked_for_as_people_read_it():
    assert same_name("cafe a", [Place(1, "Café A"), Place(2, "Café B")]) == [Place(1, "Café A")]
