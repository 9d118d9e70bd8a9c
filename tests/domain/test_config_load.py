"""A whole file: what is right, what is wrong, and how a person is told."""

import os
from datetime import date, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config_cases import GOOD, changed
from tillbridge.config import (
    RescanAt,
    RescanEvery,
    effective,
    find_config,
    ledger_path,
    load,
    load_alarms,
    parse,
)
from tillbridge.config.find import state_directory
from tillbridge.errors import ConfigError, UsageError
from tillbridge.secrets import EnvSecret


def test_the_defaults_are_those_of_the_contract():
    config = parse(GOOD).config
    assert config.lightspeed.timeout == 30
    assert config.lightspeed.max_concurrency == 2
    assert config.lightspeed.redirect_uri is None
    assert (config.connecteam.connect_timeout, config.connecteam.timeout) == (5, 90)
    assert (config.connecteam.quota_share, config.connecteam.backfill_share) == (0.8, 0.5)
    assert (config.connecteam.minute_limit, config.connecteam.day_limit) == (None, None)
    assert config.ledger.path is None
    assert (config.sync.poll_every, config.sync.overlap) == (300, 1800)
    assert config.sync.rescans == (
        RescanEvery.model_construct(every=3600.0, back=43200.0),
        RescanAt.model_construct(at=time(5, 30), back=259200.0),
        RescanEvery.model_construct(every=604800.0, back=3024000.0),
    )
    assert config.sync.max_batch_age == "auto"
    assert (config.doubt.wait, config.doubt.patience) == (120, "auto")
    assert config.doubt.when_unclear == "hold"
    assert config.mapping.service_charge == "exclude"
    assert config.mapping.unknown_type == "quarantine"
    assert config.mapping.after_midnight == "keep"
    assert (config.mapping.sale_types, config.mapping.accounting_groups) == ({}, {})
    location = config.locations[0]
    assert location.timezone == ZoneInfo("Europe/London")
    assert (location.start, location.end) == (date(2026, 11, 1), None)
    assert (location.day_starts_at, location.enabled) == (time(5), True)
    assert parse(GOOD).warnings == ()


def test_a_location_may_differ_from_the_general_rules():
    data = changed("locations.1.when_unclear", "replace")
    data["locations"][1]["service_charge"] = "include"
    config = parse(data).config
    assert [config.when_unclear(place) for place in config.locations] == ["hold", "replace"]
    assert [config.service_charge(place) for place in config.locations] == ["exclude", "include"]


@pytest.mark.parametrize(
    ("environment", "auth", "api", "authorize", "token"),
    [
        ("production", "v2", "https://api.lsk.lightspeed.app",
         "https://auth.lsk-prod.app/realms/k-series/protocol/openid-connect/auth",
         "https://auth.lsk-prod.app/realms/k-series/protocol/openid-connect/token"),
        ("trial", "v2", "https://api.trial.lsk.lightspeed.app",
         "https://auth.lsk-demo.app/realms/k-series/protocol/openid-connect/auth",
         "https://auth.lsk-demo.app/realms/k-series/protocol/openid-connect/token"),
        ("production", "v1", "https://api.lsk.lightspeed.app",
         "https://api.lsk.lightspeed.app/oauth/authorize",
         "https://api.lsk.lightspeed.app/oauth/token"),
        ("trial", "v1", "https://api.trial.lsk.lightspeed.app",
         "https://api.trial.lsk.lightspeed.app/oauth/authorize",
         "https://api.trial.lsk.lightspeed.app/oauth/token"),
    ],
)  # fmt: skip
def test_lightspeeds_addresses_follow_from_two_words(environment, auth, api, authorize, token):
    data = changed("lightspeed.environment", environment)
    data["lightspeed"]["auth"] = auth
    addresses = parse(data).config.lightspeed.addresses
    assert (addresses.api_url, addresses.authorize_url, addresses.token_url) == (
        api,
        authorize,
        token,
    )


def test_connecteams_address_follows_from_the_region_and_every_address_can_be_set():
    assert parse(GOOD).config.connecteam.address == "https://api.connecteam.com"
    australia = parse(changed("connecteam.region", "australia")).config
    assert australia.connecteam.address == "https://api-au.connecteam.com"
    data = changed("connecteam.base_url", "http://127.0.0.1:8001")
    for key in ("api_url", "authorize_url", "token_url"):
        data["lightspeed"][key] = f"http://localhost:8002/{key}"
    config = parse(data).config
    assert config.connecteam.address == "http://127.0.0.1:8001"
    assert config.lightspeed.addresses.token_url == "http://localhost:8002/token_url"


def written(folder, text, mode=0o600):
    path = folder / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def only_problem(path):
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in caught.value.message
    (problem,) = caught.value.problems
    assert problem.remedy
    return problem


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a = 1\nb = \n", "line 2, column 5", "This is not TOML: invalid value."),
        ("a = 1\na = 2\n", "line 2, column 6", "This is not TOML: cannot overwrite a value."),
        ("[a\n", "line 1, column 3", "This is not TOML: expected ']' at the end of a table declaration."),
        ("a = [1,", "end of the file", "This is not TOML: invalid value."),
        (b"a = 1\nb = '\xff'\n", "line 2", "The file is not UTF-8 text."),
        ("a = " + "1" * 5000, "", "The file has a number or a nesting beyond all measure."),
        ("a = " + "[" * 20000, "", "The file has a number or a nesting beyond all measure."),
        ("a = 0x" + "f" * 9000 + " b", "line 1, column 9008", "This is not TOML: expected newline or end of document after a statement."),
        ("#" * 1024 * 1024 + "\n", "", "The file is larger than 1 MiB."),
    ],
)  # fmt: skip
def test_a_file_that_is_not_toml_says_where(tmp_path, text, place, message):
    problem = only_problem(written(tmp_path, text))
    assert (problem.path, problem.message) == (place, message)


def test_a_file_that_is_not_there_or_is_none_says_what_to_do(tmp_path):
    assert only_problem(tmp_path / "none.toml").message == "The file does not exist."
    assert only_problem(tmp_path).message == "This is a folder, not a file."
    os.mkfifo(tmp_path / "pipe")
    assert only_problem(tmp_path / "pipe").message == "This is not a file."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    assert only_problem(written(tmp_path, "", 0o000)).message == "You may not read the file."


def test_an_empty_file_names_the_four_things_that_are_missing(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, ""))
    assert [problem.path for problem in caught.value.problems] == [
        "config_version", "lightspeed", "connecteam", "locations",
    ]  # fmt: skip


def test_a_file_from_windows_is_read(tmp_path):
    text = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
    path = written(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load(path).config.locations[0].name == "Harbour Street"


def test_an_address_of_an_alarm_is_a_secret_like_the_others():
    data = changed("alarms", {"to": [{"env": "MAIL"}, "json://hooks.example/a-long-secret"]})
    with pytest.raises(ConfigError) as caught:
        parse(data, mode=0o644)
    (problem,) = caught.value.problems
    assert problem.path == "alarms.to"
    assert "a-long-secret" not in str(problem)
    shown = effective(parse(data).config)
    assert 'to = [{ env = "MAIL" }, "[hidden]"]' in shown


def test_whom_to_tell_is_found_even_where_the_rest_is_wrong(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('name = "Harbour"\nnonsense = 1\n[alarms]\nto = [{ env = "MAIL" }]\n')
    name, alarms = load_alarms(path)
    assert (name, alarms.to) == ("Harbour", (EnvSecret("MAIL"),))
    path.write_text("[alarms]\nto = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_alarms(path)
    assert [problem.path for problem in caught.value.problems] == ["alarms.to"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_secret_in_a_file_that_others_may_read_is_refused(tmp_path, mode):
    text = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
    text = text.replace('{ credential = "connecteam-api-key" }', '"planted-key-0815"')
    problem = only_problem(path := written(tmp_path, text, mode))
    assert problem.path == "connecteam.api_key"
    assert f"chmod 600 {path}" in problem.remedy
    path.chmod(0o600)
    assert load(path).config.connecteam.api_key is not None


def test_the_configuration_is_found_in_the_documented_order():
    environ = {"TILLBRIDGE_CONFIG": "/srv/own.toml"}
    assert find_config(Path("x.toml"), "north", environ) == Path("x.toml")
    assert find_config(None, "north", environ) == Path("/etc/tillbridge/north.toml")
    assert find_config(None, None, environ) == Path("/srv/own.toml")
    assert find_config(None, None, {"TILLBRIDGE_CONFIG": ""}) == Path("/etc/tillbridge/config.toml")


def test_the_state_directory_is_systemds_else_a_folder_for_each_instance():
    environ = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}
    assert state_directory("north", environ) == Path("/var/lib/a")
    assert state_directory("north", {}) == Path("/var/lib/tillbridge/north")
    assert state_directory(None, {}) == Path("/var/lib/tillbridge")


def test_the_ledger_is_where_the_configuration_says_else_in_the_state_directory():
    assert ledger_path(parse(GOOD).config, None, {}) == Path("/var/lib/tillbridge/ledger.db")
    own = parse(changed("ledger.path", "/srv/sales.db")).config
    assert ledger_path(own, "north", {}) == Path("/srv/sales.db")


@pytest.mark.parametrize("instance", ["", "../x", "a/b", ".hidden", "a b", "config"])
def test_an_instance_has_a_name_that_can_be_a_file_of_its_own(instance):
    with pytest.raises(UsageError):
        find_config(None, instance, {})
