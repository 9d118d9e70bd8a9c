"""What is generated: the sample, the values in force, the schema."""

import json
import re
import tomllib

import pytest

from tillbridge.config import Config, effective, example_toml, json_schema, parse
from tillbridge.config.layout import tables

CONTRACT = """
config_version = 1
name = "Harbour Group"
[lightspeed]
environment = "production"
auth = "v2"
client_id = "devp-v2-prod-example"
client_secret = { credential = "lightspeed-client-secret" }
redirect_uri = "https://localhost:8443/callback"
timeout = "30s"
max_concurrency = 2
[connecteam]
region = "global"
api_key = { credential = "connecteam-api-key" }
connect_timeout = "5s"
timeout = "90s"
quota_share = 0.8
backfill_share = 0.5
[sync]
poll_every = "5m"
overlap = "30m"
rescans = [{ every = "1h", back = "12h" }, { at = "05:30", back = "3d" }, { every = "7d", back = "35d" }]
max_batch_age = "auto"
[doubt]
wait = "2m"
patience = "auto"
when_unclear = "hold"
[mapping]
service_charge = "exclude"
unknown_type = "quarantine"
after_midnight = "keep"
[mapping.sale_types]
[mapping.accounting_groups]
[[locations]]
name = "Harbour Street"
lightspeed_id = 45454565682155
connecteam_id = 123
timezone = "Europe/London"
currency = "GBP"
exclusive = true
start = 2026-11-01
day_starts_at = "05:00"
enabled = true
"""


def test_the_sample_says_what_the_contract_says_with_every_default_written_out():
    assert parse(tomllib.loads(example_toml())) == parse(tomllib.loads(CONTRACT))


def test_the_sample_can_be_used_as_it_is():
    loaded = parse(tomllib.loads(example_toml()))
    assert loaded.warnings == ()
    assert loaded.config.name == "Harbour Group"


def test_the_sample_shows_every_key_once_with_an_explanation():
    text = example_toml()
    for table in tables():
        assert not table.path or text.count(f"\n{table.header}\n") == 1
        _, _, body = text.partition(f"\n{table.header}\n") if table.path else ("", "", "\n" + text)
        body = re.split(r"\n\[", body)[0]
        for name, field in table.keys.items():
            assert len(re.findall(rf"^(?:# )?{name} = ", body, re.MULTILINE)) == 1, name
            assert field.description


def test_the_optional_keys_of_the_sample_work_when_they_are_put_in_force():
    live = re.sub(r'^# ((?:[a-z_]+|[A-Z]+|"[^"]+") = )', r"\1", example_toml(), flags=re.MULTILINE)
    live = re.sub(r"^client_(id|secret) = .*connecteam-client.*$", "", live, flags=re.MULTILINE)
    config = parse(tomllib.loads(live)).config
    assert config.mapping.sale_types == {"FLOAT": "skip"}
    assert config.mapping.accounting_groups == {"Gift cards": "skip"}
    assert config.connecteam.day_limit == 10_000
    assert config.locations[0].when_unclear == "replace"


def test_the_commented_defaults_of_the_sample_are_the_defaults():
    bare = parse(tomllib.loads(example_toml())).config
    live = example_toml().replace("# ", "")
    for table in (bare.sync, bare.doubt, bare.mapping):
        for name, value in table.model_dump().items():
            if isinstance(value, str):
                assert f'{name} = "{value}"' in live


def test_the_effective_values_can_be_read_again_and_say_the_same():
    config = parse(tomllib.loads(example_toml())).config
    text = effective(config)
    again = parse(tomllib.loads(text)).config
    assert effective(again) == text
    assert 'base_url = "https://api.connecteam.com"' in text
    assert 'poll_every = "5m"' in text


def test_the_effective_values_hide_secrets_and_show_references():
    data = tomllib.loads(example_toml())
    data["lightspeed"]["client_secret"] = "planted-secret-1234"
    text = effective(parse(data).config)
    assert "planted" not in text
    assert 'client_secret = "[hidden]"' in text
    assert 'api_key = { credential = "connecteam-api-key" }' in text
    assert "planted" not in repr(parse(data).config)


def test_a_configuration_does_not_change_after_reading():
    config = parse(tomllib.loads(example_toml())).config
    with pytest.raises(ValueError, match="frozen"):
        config.name = "other"


def test_the_schema_is_json_and_knows_every_key():
    schema = json.loads(json.dumps(json_schema()))
    assert set(schema["properties"]) == set(Config.model_fields)
    assert schema["$defs"]["Lightspeed"]["properties"]["timeout"]["default"] == "30s"
    assert schema["$defs"]["Location"]["additionalProperties"] is False
