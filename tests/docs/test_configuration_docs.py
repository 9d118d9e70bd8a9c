"""The sample and the reference in the repository are what the program says."""

import re
from pathlib import Path

import pytest

from tillbridge.config import example_toml, load, reference_markdown
from tillbridge.config.layout import tables
from tillbridge.config.write_docs import write

ROOT = Path(__file__).parents[2]
GENERATED = {"config.example.toml": example_toml, "docs/configuration.md": reference_markdown}


@pytest.mark.parametrize("name", GENERATED)
def test_the_file_is_as_generated(name):
    # If this fails: python -m tillbridge.config.write_docs
    assert (ROOT / name).read_text(encoding="utf-8") == GENERATED[name]()


def test_the_sample_in_the_repository_loads_without_a_warning():
    assert load(ROOT / "config.example.toml").warnings == ()


def test_the_generator_writes_both_files(tmp_path):
    write(tmp_path)
    for name, text in GENERATED.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text()


def test_the_reference_explains_every_key():
    text = reference_markdown()
    for table in tables():
        assert not table.path or f"## `{table.header}`" in text
        for name, field in table.keys.items():
            assert f"### `{name}`" in text
            assert field.description in text


def test_every_key_of_the_contract_is_in_the_reference():
    headings = set(re.findall(r"^### `(\w+)`$", reference_markdown(), re.MULTILINE))
    assert headings == {
        "config_version", "name", "environment", "auth", "client_id", "client_secret", "redirect_uri",
        "timeout", "max_concurrency", "api_url", "authorize_url", "token_url", "region", "api_key",
        "connect_timeout", "quota_share", "backfill_share", "base_url", "minute_limit", "day_limit",
        "path", "poll_every", "overlap", "rescans", "max_batch_age", "wait", "patience",
        "when_unclear", "service_charge", "unknown_type", "after_midnight", "lightspeed_id",
        "connecteam_id", "timezone", "currency", "exclusive", "start", "end", "day_starts_at",
        "enabled", "keep_events", "keep_readings", "keep_payloads", "to", "urgent_to",
        "remind_after", "quiet_from", "quiet_to", "ping_url", "at", "back", "repair",
    }  # fmt: skip
