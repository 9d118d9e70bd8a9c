"""A sign-in in the browser: one sentence, with its remedy, for every way in which it can end."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tillbridge.errors import CredentialsRefused, TryLater
from tillbridge.lightspeed.claims import person_of
from tillbridge.lightspeed.signing_in import (
    NotTheAnswer,
    Registered,
    begin,
    page_trouble,
    read_answer,
    redirect_trouble,
    refused_code,
    require_scope,
)
from tillbridge.lightspeed.token_address import Failure, Why

AUTH = "https://auth.lsk-prod.app/realms/k-series/protocol/openid-connect/auth"
REDIRECT = "https://localhost:8443/callback"
V2 = Registered("v2", AUTH, "devp-v2-prod-x", REDIRECT)
V1 = Registered("v1", "https://api.lsk.lightspeed.app/oauth/authorize", "old-x", REDIRECT)


def ended(attempt, base: str = REDIRECT, **answer: str) -> str:
    return f"{base}?{urlencode({'state': attempt.state, **answer})}"


def test_the_address_asks_with_state_and_a_proof_key_whose_verifier_fits():
    attempt = begin(V2)
    assert attempt.address.startswith(f"{AUTH}?")
    asked = {key: value[0] for key, value in parse_qs(urlsplit(attempt.address).query).items()}
    digest = hashlib.sha256(attempt.verifier.encode()).digest()
    assert asked == {
        "response_type": "code",
        "client_id": "devp-v2-prod-x",
        "redirect_uri": REDIRECT,
        "scope": "financial-api offline_access",
        "state": attempt.state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    assert 43 <= len(attempt.verifier) <= 128  # RFC 7636


def test_an_older_client_asks_without_a_proof_key_and_for_its_own_scope():
    attempt = begin(V1)
    asked = parse_qs(urlsplit(attempt.address).query)
    assert attempt.verifier is None
    assert "code_challenge" not in asked
    assert asked["scope"] == ["financial-api"]


def test_no_two_sign_ins_are_alike():
    one, other = begin(V2), begin(V2)
    assert one.state != other.state
    assert one.verifier != other.verifier
    assert one.verifier not in repr(one)


@pytest.mark.parametrize("around", ["{}", "  {}\n", '"{}"', "<{}>"])
def test_the_code_is_found_in_what_was_pasted(around):
    attempt = begin(V2)
    pasted = around.format(ended(attempt, session_state="s", iss="https://i.test", code="c-1.2"))
    assert read_answer(pasted, attempt) == "c-1.2"


def test_a_code_behind_a_hash_is_found_too():
    attempt = begin(V2)
    assert read_answer(f"{REDIRECT}#state={attempt.state}&code=c1", attempt) == "c1"


NOT_THE_ANSWER = [
    ("", "Nothing was pasted"),
    ("c-1.2", "not the whole address"),
    ("yes", "not the whole address"),
    (f"{AUTH}?client_id=x", "the address to open"),
    ("https://localhost:8443/other?code=1", "does not begin with redirect_uri"),
    ("https://localhost:8443/callback/?code=1", "does not begin with redirect_uri"),
    ("http://localhost:8443/callback?code=1", "does not begin with redirect_uri"),
    (f"{REDIRECT}?code=c1", "belongs to another sign-in"),
    (f"{REDIRECT}?code=c1&state=", "belongs to another sign-in"),
    (f"{REDIRECT}?code=c1&state=%C3%A9", "belongs to another sign-in"),
    (f"{REDIRECT}?error=access_denied&state=x", "belongs to another sign-in"),
    ("https://[", "does not begin with redirect_uri"),
]


@pytest.mark.parametrize(("pasted", "part"), NOT_THE_ANSWER)
def test_a_wrong_paste_says_what_it_is_and_may_be_repeated(pasted, part):
    with pytest.raises(NotTheAnswer, match=part) as error:
        read_answer(pasted, begin(V2))
    assert error.value.remedy


def test_an_address_without_a_code_says_so():
    attempt = begin(V2)
    with pytest.raises(NotTheAnswer, match="holds no code"):
        read_answer(ended(attempt), attempt)


@pytest.mark.parametrize(
    ("error", "kind", "part", "remedy"),
    [
        ("access_denied", CredentialsRefused, "refused in the browser", "and agree"),
        ("invalid_scope", CredentialsRefused, "does not give this client the scope", "allow"),
        ("temporarily_unavailable", TryLater, "cannot sign anybody in now", "later"),
        ("server_error", TryLater, "cannot sign anybody in now", "later"),
        ("unauthorized_client", CredentialsRefused, "refused the sign-in", "client_id"),
    ],
)
def test_what_the_browser_brings_back_instead_of_a_code_is_told(error, kind, part, remedy):
    attempt = begin(V2)
    with pytest.raises(kind, match=part) as raised:
        read_answer(ended(attempt, error=error, error_description="said so"), attempt)
    assert remedy in raised.value.remedy
    assert "said so" in raised.value.message


@pytest.mark.parametrize(
    ("words", "part", "remedy"),
    [
        ("We are sorry... Client not found.", "does not know the client devp-v2-prod-x", "trial"),
        ("client not found", "does not know the client", "environment"),
        ("Invalid parameter: redirect_uri", "does not accept the redirect address", "letter"),
        ("Invalid scopes: financial-api", "the scope financial-api offline_access", "allow"),
    ],
)
def test_the_words_of_an_error_page_may_be_pasted_too(words, part, remedy):
    with pytest.raises(CredentialsRefused, match=part) as error:
        read_answer(words, begin(V2))
    assert remedy in error.value.remedy


def test_a_page_to_sign_in_on_is_no_trouble():
    assert page_trouble("Sign in to your account. Forgot password?", V2) is None
    assert redirect_trouble(f"{REDIRECT}?code=c1&state=x", V2) is None
    refused = redirect_trouble(f"{REDIRECT}?error=invalid_scope", V2)
    assert isinstance(refused, CredentialsRefused)


def failure(why: Why, text: str = "") -> Failure:
    return Failure(why, TryLater("It failed.", "Wait."), text)


SENTENCES = {
    "came too late": failure(Why.SPENT, "invalid_grant: Code not valid"),
    "has been used already": failure(Why.SPENT, "invalid_grant: code was already used"),
    "does not accept the redirect address": failure(Why.SPENT, "invalid_grant: redirect_uri"),
    "does not accept the proof key": failure(Why.SPENT, "invalid_grant: PKCE failed"),
    "this sign-in cannot be completed": failure(Why.LOST),
}


@pytest.mark.parametrize("part", SENTENCES)
def test_a_code_that_brings_nothing_has_a_sentence_of_its_own(part):
    error = refused_code(SENTENCES[part], "auth.test", REDIRECT)
    assert part in error.message
    assert "authorize" in error.remedy or "redirect_uri" in error.remedy
    others = [refused_code(SENTENCES[o], "auth.test", REDIRECT).message for o in SENTENCES]
    assert sum(part in message for message in others) == 1


def test_a_code_that_never_left_asks_for_another_sign_in_because_it_lives_for_seconds():
    error = refused_code(failure(Why.NOT_SENT), "auth.test", REDIRECT)
    assert "authorize" in error.remedy
    declined = failure(Why.DECLINED)
    assert refused_code(declined, "auth.test", REDIRECT) is declined.error


def test_a_sign_in_that_may_not_read_sales_is_refused_and_an_untold_scope_is_believed():
    require_scope("offline_access financial-api", "auth.test")
    require_scope(None, "auth.test")
    with pytest.raises(CredentialsRefused, match="offline_access"):
        require_scope("offline_access", "auth.test")


def token(claims: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.sig"


@pytest.mark.parametrize(
    ("access", "person"),
    [
        (token(b'{"preferred_username":"ann","email":"a@b.test"}'), "ann"),
        (token(b'{"email":"a@b.test"}'), "a@b.test"),
        (token(b'{"preferred_username":7,"name":"Ann"}'), "Ann"),
        (token(b'{"name":"\\u001b[31m"}'), None),
        (token(b"[]"), None),
        (token(b"{" * 5000), None),
        ("an-opaque-token", None),
        ("a.b.c", None),
        ("a.\u00e9.c", None),
    ],
)
def test_the_person_is_told_where_the_token_tells(access, person):
    assert person_of(access) == person
