"""A person's sign-in in the browser: the address to open, and what comes back, in words.

Pure but for the secrets that it draws. Every way in which a sign-in can fail has its own sentence
here, with its remedy. Never here: a request, the token file, or a second try with a code.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from tillbridge.errors import CredentialsRefused, TillbridgeError, TryLater, UsageError
from tillbridge.lightspeed.token_address import Failure, Why
from tillbridge.log import keep_secret, redact

READ_SCOPE = "financial-api"
_SCOPES = {"v2": f"{READ_SCOPE} offline_access", "v1": READ_SCOPE}
_AGAIN = "Run `tillbridge authorize` again"
_WHICH_CLIENT = (
    "Check client_id, environment and auth under [lightspeed]: the production and the trial system "
    "know different clients, and so do V2 and V1."
)


@dataclass(frozen=True, slots=True)
class Registered:
    """The client, as Lightspeed knows it: where it asks, who it is, where it is sent back."""

    auth: Literal["v2", "v1"]
    authorize_url: str
    client_id: str
    redirect_uri: str

    @property
    def host(self) -> str:
        return urlsplit(self.authorize_url).netloc.rpartition("@")[2]

    @property
    def scope(self) -> str:
        return _SCOPES[self.auth]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in: the address to open, and what its answer must fit.

    Attributes:
        verifier: the proof key; None for a V1 server, which takes none.
    """

    client: Registered
    address: str
    state: str = field(repr=False)
    verifier: str | None = field(repr=False)


class NotTheAnswer(UsageError):
    """What was pasted is no answer to this sign-in; nothing was used up, so paste again."""


def begin(client: Registered) -> Attempt:
    """A new sign-in with a state and a proof key of its own."""
    state = secrets.token_urlsafe(24)
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": client.scope,
        "state": state,
    }
    verifier = None
    if client.auth == "v2":
        verifier = secrets.token_urlsafe(48)
        keep_secret(verifier)
        digest = hashlib.sha256(verifier.encode()).digest()
        query["code_challenge"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query["code_challenge_method"] = "S256"
    joint = "&" if "?" in client.authorize_url else "?"
    return Attempt(client, f"{client.authorize_url}{joint}{urlencode(query)}", state, verifier)


def read_answer(pasted: str, attempt: Attempt) -> str:
    """The code in the address on which the sign-in ended.

    Args:
        pasted: what a person copied: the whole address, or the words of an error page.
        attempt: the sign-in that it must belong to.

    Raises:
        NotTheAnswer: this is something else; it may be pasted again.
        CredentialsRefused: Lightspeed, or the person, refused.
        TryLater: Lightspeed cannot do it now.
    """
    text = pasted.strip().strip("'\"<>")
    client = attempt.client
    if "://" not in text:
        trouble = page_trouble(text, client)
        if trouble is not None:
            raise trouble
        raise NotTheAnswer(
            "This is not the whole address." if text else "Nothing was pasted.",
            f"Copy everything in the browser's address bar; it begins with {client.redirect_uri}.",
        )
    if text.startswith(client.authorize_url):
        raise NotTheAnswer(
            "This is the address to open, not the one on which the sign-in ends.",
            "Open it in a browser, sign in and agree; then copy the address that the browser "
            "shows. If it shows an error page instead, paste that page's words.",
        )
    return _code_in(text, attempt)


def _code_in(text: str, attempt: Attempt) -> str:
    client = attempt.client
    here = text.split("#", 1)[0].split("?", 1)[0]
    if here != client.redirect_uri.split("?", 1)[0]:
        raise NotTheAnswer(
            f"This address does not begin with redirect_uri ({client.redirect_uri}).",
            "Copy the address on which the sign-in ended; if it did end there, write that address "
            "as redirect_uri under [lightspeed], to the letter as the client was registered.",
        )
    parts = urlsplit(text)
    answer = dict(parse_qsl(parts.query)) | dict(parse_qsl(parts.fragment))
    keep_secret(answer.get("code", ""))
    if not secrets.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
        raise NotTheAnswer(
            "This address belongs to another sign-in: its state is not the one of this run.",
            "Open the address that this run has printed, and paste the one on which that ends. "
            "An address from before is used up, or somebody else's.",
        )
    if "error" in answer:
        raise _refusal(answer, client)
    if not answer.get("code"):
        raise NotTheAnswer(
            "This address holds no code.",
            "Copy it whole, with everything behind the question mark.",
        )
    return answer["code"]


def _refusal(answer: dict[str, str], client: Registered) -> TillbridgeError:
    error = answer["error"]
    said = redact(": ".join(filter(None, (error, answer.get("error_description")))))[:300]
    match error:
        case "access_denied":
            return CredentialsRefused(
                f"The sign-in was refused in the browser ({said}).",
                f"{_AGAIN}, sign in as a user with back-office and report rights, and agree.",
            )
        case "invalid_scope":
            return _scope_refused(client.host, client.scope, said)
        case "temporarily_unavailable" | "server_error":
            return TryLater(
                f"Lightspeed ({client.host}) cannot sign anybody in now ({said}).",
                f"{_AGAIN} later.",
            )
        case _:
            return CredentialsRefused(
                f"Lightspeed ({client.host}) refused the sign-in ({said}).", _WHICH_CLIENT
            )


def _scope_refused(host: str, scope: str, said: str) -> CredentialsRefused:
    return CredentialsRefused(
        f"Lightspeed ({host}) does not give this client the scope {scope} ({said}).",
        "Ask Lightspeed to allow that scope for the client, then run `tillbridge authorize` again.",
    )


_CLIENT = re.compile(
    r"client.{0,12}(?:not|un).{0,8}(?:found|known|enabled)|unknown client", re.IGNORECASE
)
_REDIRECT = re.compile(r"redirect.?ur[il]", re.IGNORECASE)
_SCOPE = re.compile(r"invalid.{0,3}scope", re.IGNORECASE)


def page_trouble(text: str, client: Registered) -> CredentialsRefused | None:
    """What an error page of Lightspeed means; None if it is none that is known."""
    if _CLIENT.search(text):
        return CredentialsRefused(
            f"Lightspeed ({client.host}) does not know the client {client.client_id} "
            '("Client not found").',
            _WHICH_CLIENT,
        )
    if _SCOPE.search(text):
        return _scope_refused(client.host, client.scope, "invalid_scope")
    if _REDIRECT.search(text):
        return CredentialsRefused(
            f"Lightspeed ({client.host}) does not accept the redirect address "
            f"{client.redirect_uri} for this client.",
            "Write redirect_uri under [lightspeed] to the letter as it was registered with the "
            "client, or have this one registered.",
        )
    return None


def redirect_trouble(target: str, client: Registered) -> TillbridgeError | None:
    """What it means that Lightspeed redirects at once, before anybody has signed in."""
    answer = dict(parse_qsl(urlsplit(target).query))
    return _refusal(answer, client) if "error" in answer else None


def refused_code(failure: Failure, host: str, redirect_uri: str) -> TillbridgeError:
    """Why a code brought nothing, for a person. A code works once, so it is never sent again."""
    if failure.why is Why.SPENT:
        return _useless_code(failure.text, host, redirect_uri)
    if failure.why in (Why.LOST, Why.BROKEN):
        return TryLater(
            f"{failure.error.message} The code works once, so this sign-in cannot be completed.",
            f"{_AGAIN}.",
        )
    if failure.why is Why.NOT_SENT:
        return TryLater(failure.error.message, f"{failure.error.remedy} {_AGAIN} then.")
    return failure.error


def _useless_code(said: str, host: str, redirect_uri: str) -> CredentialsRefused:
    words = said.lower()
    if "redirect" in words:
        return CredentialsRefused(
            f"Lightspeed ({host}) does not accept the redirect address {redirect_uri} ({said}).",
            "Write redirect_uri under [lightspeed] to the letter as it was registered.",
        )
    if "pkce" in words or "verifier" in words:
        return CredentialsRefused(
            f"Lightspeed ({host}) does not accept the proof key of this sign-in ({said}).",
            f"{_AGAIN}, and open the address that it prints, whole.",
        )
    if "used" in words or "already" in words:
        return used_code(f"Lightspeed ({host}) says: {said}")
    return CredentialsRefused(
        f"The code came too late: it lives about 15 seconds, and works once ({host} says: {said}).",
        f"{_AGAIN} and paste the address at once, or let `tillbridge authorize --listen` catch it.",
    )


def used_code(why: str) -> CredentialsRefused:
    """A code that somebody has exchanged before."""
    return CredentialsRefused(
        f"This code has been used already, and each code works once ({why}).",
        f"{_AGAIN} for a new one; `tillbridge authorize --status` says how the sign-in is.",
    )


def require_scope(granted: str | None, host: str) -> None:
    """Refuse a sign-in that may not read sales; a server that tells no scope is believed.

    Raises:
        CredentialsRefused: the scope is told, and the one that reads is not in it.
    """
    if granted is not None and READ_SCOPE not in granted.split():
        raise _scope_refused(host, READ_SCOPE, f"it granted only: {granted or 'nothing'}")
