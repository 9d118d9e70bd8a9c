"""Lightspeed's sign-in: codes, proofs, and refresh tokens that work once."""

import base64
import hashlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

import pytest


def authorize(caller, **changes):
    query = {
        "response_type": "code",
        "client_id": caller.sandbox.client_id,
        "redirect_uri": caller.sandbox.redirect_uri,
        "scope": "financial-api offline_access",
        "state": "a state",
        **changes,
    }
    return caller.http.post(caller.sandbox.authorize_url, params=query)


def exchange(caller, **form):
    form = {"grant_type": "authorization_code", "redirect_uri": caller.sandbox.redirect_uri} | form
    auth = (caller.sandbox.client_id, caller.sandbox.client_secret)
    return caller.http.post(caller.sandbox.token_url, data=form, auth=auth)


def test_a_refresh_token_works_once_and_gives_the_next_one(serve):
    caller = serve()
    first = caller.refresh(caller.sandbox.refresh_token)
    assert first.status_code == 200
    assert first.json()["expires_in"] == 1500
    assert first.json()["refresh_expires_in"] == 0
    again = caller.refresh(caller.sandbox.refresh_token)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert caller.refresh(first.json()["refresh_token"]).status_code == 200


def test_older_clients_send_the_parameters_in_the_address(serve):
    caller = serve(auth="v1")
    assert caller.sandbox.token_url.endswith("/oauth/token")
    query = {"grant_type": "refresh_token", "refresh_token": caller.sandbox.refresh_token}
    auth = (caller.sandbox.client_id, caller.sandbox.client_secret)
    url = caller.sandbox.token_url
    assert caller.http.post(url, data=query, auth=auth).status_code == 400
    assert caller.http.post(url, params=query, auth=("who", "knows")).status_code == 401
    assert caller.http.post(url, params=query, auth=auth).status_code == 200
    assert caller.http.post(url, params=query, auth=auth).json()["error"] == "invalid_grant"


def test_wrong_client_credentials_do_not_spend_the_refresh_token(serve):
    caller = serve()
    form = {"grant_type": "refresh_token", "refresh_token": caller.sandbox.refresh_token}
    wrong = caller.http.post(caller.sandbox.token_url, data=form, auth=("devp", "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert caller.refresh(caller.sandbox.refresh_token).status_code == 200


def test_an_authorization_code_comes_with_the_state_and_works_once(serve):
    caller = serve()
    redirect = authorize(caller)
    assert redirect.status_code == 302
    assert redirect.headers["location"].startswith(caller.sandbox.redirect_uri + "?")
    query = parse_qs(urlsplit(redirect.headers["location"]).query)
    assert query["state"] == ["a state"]
    code = query["code"][0]
    assert exchange(caller, code=code).status_code == 200
    assert exchange(caller, code=code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(("sent", "status"), [("right", 200), ("wrong", 400), (None, 400)])
def test_the_proof_key_is_checked_when_it_was_given(serve, sent, status):
    caller = serve()
    digest = hashlib.sha256(b"right").digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    redirect = authorize(caller, code_challenge=challenge, code_challenge_method="S256")
    code = parse_qs(urlsplit(redirect.headers["location"]).query)["code"][0]
    more = {} if sent is None else {"code_verifier": sent}
    assert exchange(caller, code=code, **more).status_code == status


def test_a_redirect_that_differs_by_a_letter_is_refused(serve):
    caller = serve()
    assert authorize(caller, redirect_uri=caller.sandbox.redirect_uri + "/").status_code == 400
    code = parse_qs(urlsplit(authorize(caller).headers["location"]).query)["code"][0]
    other = exchange(caller, code=code, redirect_uri="https://localhost:8443/callback/")
    assert other.json()["error"] == "invalid_grant"


def test_a_person_sees_a_page_with_two_buttons_and_may_refuse(serve):
    caller = serve()
    query = {
        "response_type": "code", "client_id": caller.sandbox.client_id, "scope": "financial-api",
        "redirect_uri": caller.sandbox.redirect_uri, "state": "x",
    }  # fmt: skip
    page = caller.http.get(caller.sandbox.authorize_url, params=query)
    assert page.status_code == 200
    assert page.text.count("<button") == 2
    no = caller.http.post(caller.sandbox.authorize_url, params=query, data={"choice": "no"})
    answer = parse_qs(urlsplit(no.headers["location"]).query)
    assert answer == {"error": ["access_denied"], "state": ["x"]}


def test_an_unknown_client_and_a_scope_that_is_not_allowed_are_told_as_the_real_server_does(serve):
    caller = serve(lightspeed_scopes=("offline_access",))
    unknown = authorize(caller, client_id="devp-v2-prod-other")
    assert (unknown.status_code, "Client not found." in unknown.text) == (400, True)
    refused = parse_qs(urlsplit(authorize(caller).headers["location"]).query)
    assert refused["error"] == ["invalid_scope"]


def test_a_code_ends_after_its_seconds(serve):
    caller = serve(code_ttl_s=0)
    code = parse_qs(urlsplit(authorize(caller).headers["location"]).query)["code"][0]
    assert exchange(caller, code=code).json()["error_description"] == "Code not valid"


def test_a_token_that_is_sent_twice_is_counted(serve):
    caller = serve()
    for _ in range(2):
        caller.refresh(caller.sandbox.refresh_token)
    assert caller.sandbox.counters()["lightspeed.refresh_tokens_reused"] == 1


def test_the_date_header_tells_the_clock_that_was_asked_for(serve):
    caller = serve(clock_ahead_s=3600)
    for url in (caller.sandbox.lightspeed_url, caller.sandbox.connecteam_url):
        told = caller.http.get(f"{url}/x").headers.get_list("date")
        assert len(told) == 1
        ahead_s = (parsedate_to_datetime(told[0]) - datetime.now(UTC)).total_seconds()
        assert 3590 < ahead_s < 3605


def test_connecteams_key_has_only_the_scopes_that_it_was_given(serve):
    caller = serve(connecteam_scopes=("sales_data.read",))
    assert caller.connecteam("GET", "/locations").status_code == 200
    refused = caller.connecteam("DELETE", "/transactions/none")
    assert (refused.status_code, refused.json()["detail"]) == (
        403, "Missing scope: sales_data.delete",
    )  # fmt: skip


def test_data_needs_a_living_access_token(serve):
    caller = serve()
    url = caller.sandbox.lightspeed_url + "/f/data/businesses"
    assert caller.http.get(url).status_code == 401
    assert caller.http.get(url, headers={"Authorization": "Bearer no"}).status_code == 401
    assert caller.lightspeed("/f/data/businesses").status_code == 200
    caller.sandbox.end_access_tokens()
    assert caller.lightspeed("/f/data/businesses").status_code == 401


def test_tokens_end_when_their_time_is_over(serve):
    caller = serve(access_ttl_s=0, rejected_token_status=403)
    assert caller.lightspeed("/f/data/businesses").status_code == 403
