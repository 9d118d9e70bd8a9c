"""Wrong and unwise configurations: the place, the sentence and the remedy of each."""

import copy
from datetime import date

import pytest

from config_cases import GOOD, MISSING, changed, problems_of
from tillbridge.config import parse
from tillbridge.errors import ConfigError

_ADD = "Add it, for example: "
_SECRET_FORMS = (
    'Write it as text, or as { env = "NAME" }, { file = "/PATH" } or { credential = "NAME" }.'
)


@pytest.mark.parametrize(
    ("place", "value", "path", "message", "remedy"),
    [
        ("config_version", MISSING, "config_version", "This is missing.", _ADD + "config_version = 1"),
        ("config_version", 0, "config_version", "There is no such version.", "Write config_version = 1."),
        ("config_version", True, "config_version", "There is no such version.", "Write config_version = 1."),
        ("config_version", "1", "config_version", "There is no such version.", "Write config_version = 1."),
        ("name", 5, "name", "This is not a text.", "Put it in quotation marks."),
        ("name", " ", "name", "This is empty.", "Write at least one character."),
        ("nmae", "x", "nmae", "There is no such key here.", "Did you mean name?"),
        ("zzz", 1, "zzz", "There is no such key here.",
         "Remove it. The keys here are config_version, name, lightspeed, connecteam, ledger, sync, doubt, reconcile, mapping, alarms, locations."),
        ("lightspeed", MISSING, "lightspeed", "This table is missing.",
         "Add [lightspeed]; `tillbridge config example` shows it."),
        ("lightspeed", 3, "lightspeed", "This is not a table.",
         "Write [lightspeed] on a line of its own and its keys below it."),
        ("locations", MISSING, "locations", "This table is missing.",
         "Add [[locations]]; `tillbridge config example` shows it."),
        ("locations", [], "locations", "There is no entry here.", "Write at least 1."),
        ("locations", {"name": "x"}, "locations", "This is not a list of tables.",
         "Write [[locations]], with two brackets, above each."),
        ("locations", [3], "locations[0]", "This is not a table.",
         "Write [[locations]] on a line of its own and its keys below it."),
        ("lightspeed.environment", "live", "lightspeed.environment",
         '"live" is not one of the choices.', 'Write "production" or "trial".'),
        ("lightspeed.max_concurrency", "2", "lightspeed.max_concurrency",
         "This is not a whole number.", "Write it without quotation marks."),
        ("lightspeed.max_concurrency", 0, "lightspeed.max_concurrency", "This is too small.", "Write 1 or more."),
        ("lightspeed.max_concurrency", 99, "lightspeed.max_concurrency", "This is too large.", "Write 16 or less."),
        ("lightspeed.timeout", 30, "lightspeed.timeout", "30 is not a duration.",
         'Write a number and a unit, such as "90s", "5m", "6h" or "3d".'),
        ("lightspeed.timeout", "0s", "lightspeed.timeout", "This duration cannot be zero.",
         'Write a longer one, such as "30s".'),
        ("lightspeed.timeout", "99999d", "lightspeed.timeout", '"99999d" is longer than ten years.',
         "Write a shorter duration."),
        ("lightspeed.client_secret", 5, "lightspeed.client_secret", "This is not a secret.", _SECRET_FORMS),
        ("lightspeed.client_secret", {"environment": "X"}, "lightspeed.client_secret",
         "A secret is found in exactly one way.", _SECRET_FORMS),
        ("lightspeed.client_secret", {"env": "A", "file": "/b"}, "lightspeed.client_secret",
         "A secret is found in exactly one way.", _SECRET_FORMS),
        ("lightspeed.client_secret", {"file": "key.txt"}, "lightspeed.client_secret",
         "The file of a secret needs its whole path.",
         'Write the path from the root on: { file = "/etc/tillbridge/api-key" }.'),
        ("lightspeed.client_secret", {"credential": "../x"}, "lightspeed.client_secret",
         "This is not the name of a credential.",
         'Use letters, digits, dots, dashes and underscores, as in { credential = "connecteam-api-key" }.'),
        ("lightspeed.redirect_uri", "http://example.com/cb", "lightspeed.redirect_uri",
         "This address is not encrypted, and secrets would go over it.",
         "Write https://; plain http is for this machine only (localhost, 127.0.0.1)."),
        ("connecteam.api_key", MISSING, "connecteam", "There is no way to sign in.",
         'Add api_key = { credential = "connecteam-api-key" }, or client_id and client_secret.'),
        ("connecteam.client_id", "x", "connecteam",
         "There are two ways to sign in: api_key and client_id.",
         "Keep either api_key, or client_id and client_secret."),
        ("connecteam", {"client_id": "x"}, "connecteam.client_secret", "This is missing.",
         "client_id and client_secret belong together: add client_secret."),
        ("connecteam.quota_share", 1.5, "connecteam.quota_share", "This is too large.", "Write 1 or less."),
        ("connecteam.quota_share", 0, "connecteam.quota_share", "This is too small.", "Write a number above 0."),
        ("connecteam.quota_share", float("nan"), "connecteam.quota_share",
         "This is not a usable number.", "Write a number such as 0.8."),
        ("connecteam.quota_share", "80%", "connecteam.quota_share", "This is not a number.",
         "Write it without quotation marks, such as 0.8."),
        ("connecteam.timout", "9s", "connecteam.timout", "There is no such key here.", "Did you mean timeout?"),
        ("ledger.path", "ledger.db", "ledger.path", '"ledger.db" is not a whole path.',
         'Write the path from the root on, such as "/var/lib/tillbridge/ledger.db".'),
        ("sync.rescans", "1h", "sync.rescans", "This is not a list.", "Put the entries in square brackets."),
        ("sync.rescans", [{"back": "1h"}], "sync.rescans[0]", "A rescan has back, and either every or at.",
         'Write { every = "1h", back = "12h" } or { at = "05:30", back = "3d" }.'),
        ("sync.rescans", [{"every": "1h", "at": "05:00", "back": "1h"}], "sync.rescans[0]",
         "A rescan has back, and either every or at.",
         'Write { every = "1h", back = "12h" } or { at = "05:30", back = "3d" }.'),
        ("sync.rescans", [{"every": "1h"}], "sync.rescans[0].back", "This is missing.", "Add back."),
        ("sync.rescans", [{"at": "5", "back": "3d"}], "sync.rescans[0].at", '"5" is not a time of day.',
         'Write hours and minutes of the 24-hour clock, such as "05:00".'),
        ("sync.max_batch_age", "automatic", "sync.max_batch_age",
         '"automatic" is neither "auto" nor a duration.', 'Write "auto", or a duration such as "90s" or "1h".'),
        ("mapping.sale_types", {"FLAOT": "skip"}, "mapping.sale_types.FLAOT",
         '"FLAOT" is not a type of sale.', "Did you mean FLOAT?"),
        ("mapping.sale_types", {"FLOAT": "drop"}, "mapping.sale_types.FLOAT",
         '"drop" is not one of the choices.', 'Write "send" or "skip".'),
        ("mapping.sale_types", ["FLOAT"], "mapping.sale_types", "This is not a table.",
         "Write [mapping.sale_types] on a line of its own and its keys below it."),
        ("mapping.accounting_groups", {"Gift cards": "no"}, 'mapping.accounting_groups."Gift cards"',
         '"no" is not one of the choices.', 'Write "send" or "skip".'),
        ("mapping.accounting_groups", {"Gift": "skip", "gift": "send"}, 'mapping.accounting_groups."gift"',
         "This group is named twice; capital and small letters do not differ here.", "Keep one of the two."),
        ("alarms.quiet_from", "22:00", "alarms.quiet_to", "This is missing.",
         "quiet_from and quiet_to belong together: add quiet_to, or leave both out."),
        ("alarms", {"quiet_from": "22:00", "quiet_to": "22:00"}, "alarms.quiet_to",
         "The quiet hours begin and end at the same time.", "Write another time, or leave both out."),
        ("locations.1.timezone", "Europe/Londn", "locations[1].timezone",
         '"Europe/Londn" is not a time zone.',
         'Write an IANA name of a place, such as "Europe/London". Did you mean "Europe/London"?'),
        ("locations.1.timezone", "america/new york", "locations[1].timezone",
         '"america/new york" is not a time zone.',
         'Write an IANA name of a place, such as "Europe/London". Did you mean "America/New_York"?'),
        ("locations.0.currency", "eur", "locations[0].currency",
         '"eur" is not a currency with a minor unit.',
         'Write the three capital letters of ISO 4217, such as "EUR".'),
        ("locations.0.currency", "XAU", "locations[0].currency",
         '"XAU" is not a currency with a minor unit.',
         'Write the three capital letters of ISO 4217, such as "GBP".'),
        ("locations.1.lightspeed_id", "45", "locations[1].lightspeed_id", '"45" is not an id.',
         "Write the number that the vendor shows for it, without quotation marks."),
        ("locations.1.connecteam_id", -1, "locations[1].connecteam_id", "-1 is not an id.",
         "Write the number that the vendor shows for it, without quotation marks."),
        ("locations.1.exclusive", MISSING, "locations[1].exclusive", "This is missing.",
         _ADD + "exclusive = true"),
        ("locations.1.exclusive", "true", "locations[1].exclusive", "This is neither true nor false.",
         "Write true or false, without quotation marks."),
        ("locations.1.start", MISSING, "locations[1].start", "This is missing.", _ADD + "start = 2026-11-01"),
        ("locations.1.start", "November", "locations[1].start", '"November" is not a date.',
         "Write year, month and day, such as 2026-11-01."),
        ("locations.1.end", date(2026, 10, 1), "locations[1].end",
         "The last day, 2026-10-01, is before the first, 2026-11-01.", "Write a later day, or leave end out."),
        ("locations.1.name", "HARBOUR street", "locations[1].name",
         'locations[0] has the same name, "HARBOUR street".', "Give each location its own."),
        ("locations.1.lightspeed_id", 45454565682155, "locations[1].lightspeed_id",
         "locations[0] has the same lightspeed_id, 45454565682155.",
         "Name each Lightspeed location once; its sales would go twice."),
        ("locations.1", {**GOOD["locations"][1], "connecteam_id": 123, "currency": "EUR"},
         "locations[1].currency",
         'This is "EUR", but locations[0] feeds the same Connecteam location 123 and says "GBP".',
         "Say the same at both, or let them feed different Connecteam locations."),
        ("locations.1", {**GOOD["locations"][1], "connecteam_id": 123, "exclusive": False},
         "locations[1].exclusive",
         "This is false, but locations[0] feeds the same Connecteam location 123 and says true.",
         "Say the same at both, or let them feed different Connecteam locations."),
        ("locations.1", {**GOOD["locations"][1], "connecteam_id": 123, "when_unclear": "replace"},
         "locations[1].when_unclear",
         'This is "replace", but locations[0] feeds the same Connecteam location 123 and says "hold".',
         "Say the same at both, or let them feed different Connecteam locations."),
    ],
)  # fmt: skip
def test_each_mistake_has_a_place_a_sentence_and_a_remedy(place, value, path, message, remedy):
    (problem,) = problems_of(changed(place, value))
    assert (problem.path, problem.message, problem.remedy) == (path, message, remedy)


@pytest.mark.parametrize(
    ("place", "value", "path", "part"),
    [
        ("doubt.wait", "30s", "doubt.wait", "30s is shorter than connecteam.timeout, 90s"),
        ("connecteam.connect_timeout", "2m", "connecteam.connect_timeout", "2m is longer"),
        ("sync.poll_every", "45m", "sync.overlap", "30m is shorter than sync.poll_every, 45m"),
        ("sync.rescans", [{"every": "1h", "back": "10m"}], "sync.rescans[0].back", "10m is shorter"),
        ("sync.rescans", [{"every": "1m", "back": "1h"}], "sync.rescans[0].every", "1m is shorter"),
        ("locations.0", {**GOOD["locations"][0], "exclusive": False, "when_unclear": "replace"},
         "locations[0].when_unclear", "has no effect"),
        ("locations.0.day_starts_at", "17:00", "locations[0].day_starts_at", "17:00"),
        ("lightspeed.api_url", "http://localhost:1", "lightspeed.api_url", "still fetched from Lightspeed"),
        ("mapping.sale_types", {"HAPPY_HOUR": "skip"}, "mapping.sale_types.HAPPY_HOUR", "does not know"),
    ],
)  # fmt: skip
def test_what_is_unwise_is_a_warning_and_not_an_error(place, value, path, part):
    (warning,) = parse(changed(place, value)).warnings
    assert warning.path == path
    assert part in warning.message
    assert warning.remedy


def test_replace_in_general_warns_at_the_locations_that_are_not_exclusive():
    data = changed("doubt.when_unclear", "replace")
    data["locations"][1]["exclusive"] = False
    (warning,) = parse(data).warnings
    assert warning.path == "locations[1].exclusive"


def test_a_configuration_that_does_nothing_says_so():
    data = copy.deepcopy(GOOD)
    for location in data["locations"]:
        location["enabled"] = False
    (warning,) = parse(data).warnings
    assert warning.path == "locations"


def test_two_locations_may_feed_one_if_they_agree():
    assert parse(changed("locations.1.connecteam_id", 123)).warnings == ()


def test_a_file_for_a_newer_version_says_only_that():
    data = changed("config_version", 2)
    data["some_new_key"] = 1
    (problem,) = problems_of(data)
    assert problem.path == "config_version"
    assert "too old" in problem.message


def test_all_mistakes_are_told_at_once_the_single_ones_and_the_combined():
    data = changed("locations.1.timezone", "Mars/Base")
    data["locations"][1]["lightspeed_id"] = data["locations"][0]["lightspeed_id"]
    data["locations"][0]["end"] = date(2020, 1, 1)
    data["connecteam"] = {"timeout": 5}
    data["sinc"] = {}
    assert {problem.path for problem in problems_of(data)} == {
        "locations[1].timezone", "locations[1].lightspeed_id", "locations[0].end",
        "connecteam.timeout", "connecteam", "sinc",
    }  # fmt: skip


def test_one_wrong_location_is_not_called_none():
    data = changed("locations", [{**GOOD["locations"][0], "timezone": "Mars/Base"}])
    assert [problem.path for problem in problems_of(data)] == ["locations[0].timezone"]


def test_an_unreadable_way_to_sign_in_is_not_called_missing():
    assert [p.path for p in problems_of(changed("connecteam.api_key", 5))] == ["connecteam.api_key"]


def test_planted_secrets_never_appear_in_any_message(tmp_path):
    planted = "sk-planted-9f8e7d6c5b4a"
    key_places = ("lightspeed.client_secret", "connecteam.api_key", "connecteam.client_secret")
    forms = (
        planted, f"{planted}\nmore", f"é{planted}", [planted], {planted: planted}, {"env": f"{planted}!"},
        {"env": f"bad {planted}"}, {"file": planted}, {"credential": f"{planted}/x"}, {"value": planted},
        {"env": [planted]}, {"env": planted, "file": planted},
    )  # fmt: skip
    address_places = ("connecteam.base_url", "lightspeed.token_url", "lightspeed.redirect_uri")
    cases = [(place, form) for place in key_places for form in forms]
    cases += [(place, f"https://u:{planted}@host/") for place in address_places]
    cases += [("connecteam.apikey", planted), ("locations.0.timezone", 3)]
    for place, form in cases:
        data = changed(place, form)
        data["lightspeed"]["timeout"] = "wrong"  # so that there is always something to tell
        with pytest.raises(ConfigError) as caught:
            parse(data, mode=0o644)
        told = f"{caught.value} {caught.value.problems!r} {caught.value.__cause__}"
        assert planted not in told, (place, form)


def test_a_secret_that_stands_in_a_wrong_place_too_is_hidden_there():
    data = changed("connecteam.api_key", "planted-key-4711")
    data["connecteam"]["region"] = "planted-key-4711"
    (problem,) = problems_of(data)
    assert problem.message == '"[hidden]" is not one of the choices.'
