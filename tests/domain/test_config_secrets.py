"""Secrets: where they are found, what is wrong with them, and that they never show."""

import os
import pickle
from pathlib import Path

import pytest

from tillbridge import log
from tillbridge.errors import ConfigError
from tillbridge.secrets import (
    CredentialSecret,
    CredentialStores,
    EnvSecret,
    FileSecret,
    SecretValue,
    parse_reference,
    resolve,
)

WORD = "planted-7f6e5d4c"


@pytest.fixture
def stores(tmp_path):
    made = CredentialStores(
        (tmp_path / "etc", tmp_path / "run"), (tmp_path / "etc.enc", tmp_path / "run.enc")
    )
    for folder in (*made.plain, *made.encrypted):
        folder.mkdir()
    return made


def refusal(ref, environ=None, **options):
    with pytest.raises(ConfigError) as caught:
        resolve(ref, environ or {}, where="connecteam.api_key", **options)
    (problem,) = caught.value.problems
    assert problem.path == "connecteam.api_key"
    assert problem.remedy
    assert WORD not in repr(caught.value.problems)
    return problem.message


def test_the_four_forms_lead_to_the_same_secret(tmp_path, stores):
    (tmp_path / "key").write_text(f"{WORD}\n")
    (stores.plain[1] / "api-key").write_text(WORD)
    for form in (
        WORD, {"env": "KEY"}, {"file": str(tmp_path / "key")}, {"credential": "api-key"}
    ):  # fmt: skip
        secret = resolve(parse_reference(form), {"KEY": WORD}, stores=stores)
        assert secret.reveal() == WORD


def test_a_secret_never_shows_itself(tmp_path):
    secret = resolve(parse_reference(WORD), {})
    reference = parse_reference(WORD)
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        repr(reference),
    ):
        assert WORD not in text
        assert "hidden" in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_secrets_are_compared_by_what_they_are():
    assert SecretValue(WORD) == SecretValue(WORD)
    assert SecretValue(WORD) != SecretValue(WORD + "x")
    assert parse_reference(WORD) == parse_reference(WORD)
    assert len({parse_reference(WORD), parse_reference(WORD)}) == 1


@pytest.mark.parametrize("form", ["literal", "env", "file", "credential"])
def test_the_log_hides_every_secret_from_the_moment_it_is_known(tmp_path, stores, form):
    word = f"planted-for-{form}-{tmp_path.name}"
    (tmp_path / "key").write_text(word)
    (stores.plain[0] / "key").write_text(word)
    written = {
        "literal": word,
        "env": {"env": "KEY"},
        "file": {"file": str(tmp_path / "key")},
        "credential": {"credential": "key"},
    }[form]
    assert log.redact(word) == word
    resolve(parse_reference(written), {"KEY": word}, stores=stores)
    assert log.redact(f"a {word} b") == "a [hidden] b"


def test_the_services_own_credential_comes_before_the_stores(tmp_path, stores):
    own = tmp_path / "credentials"
    own.mkdir()
    (stores.plain[0] / "key").write_text("from-the-store")
    environ = {"CREDENTIALS_DIRECTORY": str(own)}
    ref = CredentialSecret("key")
    assert resolve(ref, environ, stores=stores).reveal() == "from-the-store"
    (own / "key").write_text("from-the-service")
    assert resolve(ref, environ, stores=stores).reveal() == "from-the-service"


def fake_systemd_creds(folder, script):
    folder.mkdir()
    tool = folder / "systemd-creds"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_an_encrypted_credential_is_decrypted_by_systemd_under_its_name(tmp_path, stores):
    (stores.encrypted[1] / "key").write_text("gibberish")
    environ = fake_systemd_creds(tmp_path / "bin", 'echo "$1 $2 $3" >&2; echo "opened:$*"')
    secret = resolve(CredentialSecret("key"), environ, stores=stores)
    assert secret.reveal() == f"opened:decrypt --name=key {stores.encrypted[1] / 'key'} -"


def test_a_credential_that_cannot_be_decrypted_says_why(tmp_path, stores):
    (stores.encrypted[0] / "key").write_text("gibberish")
    environ = fake_systemd_creds(tmp_path / "bin", "echo 'Permission denied' >&2; exit 1")
    said = refusal(CredentialSecret("key"), environ, stores=stores)
    assert "could not be decrypted (Permission denied)" in said
    assert "not installed" in refusal(
        CredentialSecret("key"), {"PATH": str(tmp_path / "nowhere")}, stores=stores
    )


def test_a_credential_that_is_nowhere_says_how_to_give_it(stores):
    assert refusal(CredentialSecret("key"), stores=stores) == "The credential key was not found."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_store_that_may_not_be_searched_is_named(stores):
    stores.plain[0].chmod(0)
    said = refusal(CredentialSecret("key"), stores=stores)
    stores.plain[0].chmod(0o700)
    assert f"Could not look into {stores.plain[0]} (Permission denied)" in said


def test_a_missing_variable_is_named():
    assert refusal(EnvSecret("NO_SUCH")) == "The environment variable NO_SUCH is not set."


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b" \t\n", "is empty"),
        (WORD.encode() + b"\n\n", "line break"),
        (WORD.encode() + b"\nmore\n", "line break"),
        (WORD.encode() + b"\xc3\xa9", "accent"),
        (WORD.encode() + b"\xff", "accent"),
        (WORD.encode() + b"\0", "line break"),
        (b"x" * (64 * 1024 + 1), "64 KiB"),
    ],
)
def test_what_cannot_be_a_secret_is_refused(tmp_path, content, part):
    path = tmp_path / "key"
    path.write_bytes(content)
    assert part in refusal(FileSecret(path))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_break_at_the_end_does_not_count(tmp_path, end):
    path = tmp_path / "key"
    path.write_bytes((WORD + end).encode())
    assert resolve(FileSecret(path), {}).reveal() == WORD


def test_a_file_that_is_none_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in refusal(FileSecret(tmp_path / "pipe"))
    assert "cannot be read (Is a directory)" in refusal(FileSecret(tmp_path))
    assert "does not exist" in refusal(FileSecret(tmp_path / "none"))
    assert "cannot be read" in refusal(FileSecret(Path("/dev/null/x")))
