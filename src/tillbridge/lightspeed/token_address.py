"""One exchange with Lightspeed's token address, and what its result means for the token sent.

Knows how V1 and V2 clients ask and which failures leave a single-use refresh token untouched.
Never here: the token file, a second try, or a token in a message.
"""

from enum import Enum, auto
from typing import Literal
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from tillbridge.clock import Clock
from tillbridge.errors import CredentialsRefused, TillbridgeError, TryLater
from tillbridge.http import Answer, Http, NoAnswer
from tillbridge.lightspeed.complaints import error_text, retry_after_s
from tillbridge.lightspeed.wire import TokenAnswer, decode_token
from tillbridge.log import redact

_BY_ITSELF = "It is tried again by itself."


class OAuthSettings(Struct, frozen=True):
    """How the client is registered at Lightspeed.

    Attributes:
        auth: "v2" sends parameters as a form, "v1" in the query; both identify with HTTP Basic.
        token_url: the full address.
        client_id: as registered.
        client_secret: as registered.
        redirect_uri: as registered, to the letter.
    """

    auth: Literal["v2", "v1"]
    token_url: str
    client_id: str
    client_secret: str
    redirect_uri: str


class Why(Enum):
    """Why nothing was granted, classed by what it means for the refresh token that was sent."""

    NOT_SENT = auto()  # untouched
    DECLINED = auto()  # the server turned the request away before looking at the token
    SPENT = auto()  # invalid_grant: the token is worth nothing
    BROKEN = auto()  # the server failed; it may have used the token up
    LOST = auto()  # no readable answer; it may have used the token up


class Failure(Struct, frozen=True):
    """Why nothing was granted, as an error, and what the server said, redacted."""

    why: Why
    error: TillbridgeError
    text: str = ""


class TokenAddress:
    """The token address of one client; see `OAuthSettings`. `host` names it in messages."""

    def __init__(self, http: Http, settings: OAuthSettings, clock: Clock) -> None:
        self.host = urlsplit(settings.token_url).netloc.rpartition("@")[2]
        self._http = http
        self._settings = settings
        self._clock = clock

    def ask(self, parameters: dict[str, str], what: str) -> TokenAnswer | Failure:
        """Send one request.

        Args:
            parameters: of the grant.
            what: names the credential in a message: "the stored sign-in".
        """
        basic = (self._settings.client_id, self._settings.client_secret)
        url = self._settings.token_url
        if self._settings.auth == "v1":
            query = {**parameters, "client_id": self._settings.client_id}
            answer = self._http.exchange("POST", url, params=query, basic=basic)
        else:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            content = urlencode(parameters).encode()
            answer = self._http.exchange("POST", url, headers=form, content=content, basic=basic)
        if isinstance(answer, NoAnswer):
            return self._no_answer(answer)
        granted = decode_token(answer.body) if answer.status == 200 else None
        return granted or self._failure(answer, what)

    def _no_answer(self, answer: NoAnswer) -> Failure:
        reason, remedy = redact(answer.reason), f"{answer.remedy} {_BY_ITSELF}".strip()
        if answer.not_sent:
            text = f"Lightspeed's sign-in server ({self.host}) cannot be reached: {reason}."
            return Failure(Why.NOT_SENT, TryLater(text, remedy))
        text = f"The answer of Lightspeed's sign-in server ({self.host}) was lost: {reason}."
        return Failure(Why.LOST, TryLater(text, remedy))

    def _failure(self, answer: Answer, what: str) -> Failure:
        status, text = answer.status, error_text(answer)
        who = f"Lightspeed's sign-in server ({self.host})"
        if "invalid_grant" in text and status < 500:
            refused = f"Lightspeed no longer accepts {what} ({self.host} says: {text})."
            error = CredentialsRefused(refused, "Run `tillbridge authorize`.")
            return Failure(Why.SPENT, error, text)
        if 200 <= status < 300:
            unreadable = f"The answer of {who} cannot be read (status {status})."
            return Failure(Why.LOST, TryLater(unreadable, _BY_ITSELF))
        if status == 429:
            wait_s = retry_after_s(answer, self._clock.now())
            busy = TryLater(f"{who} asks for a pause.", _BY_ITSELF, retry_after_s=wait_s)
            return Failure(Why.DECLINED, busy)
        if status >= 500 or status < 400 or status == 408:
            broken = f"{who} does not work now: it answered {status}, {text}."
            return Failure(Why.BROKEN, TryLater(broken, _BY_ITSELF))
        refused = f"{who} turned tillbridge away: it answered {status}, {text}."
        remedy = "Check client_id, client_secret, auth and environment in the configuration."
        return Failure(Why.DECLINED, CredentialsRefused(refused, remedy))
