"""The Lightspeed sign-in: gives out access tokens and renews them with single-use refresh tokens.

The order of a renewal is the whole point: mark in the token file that the refresh token is about
to be used, send it, store the new one, and only then give out the new access token. A crash or a
lost answer at any step leaves a file that says what a person must know. Lifetimes are the ones
that the server gives, never assumed. Nothing here retries by itself, and no token is ever logged.
"""

import hashlib
from contextlib import suppress
from datetime import timedelta

from tillbridge.clock import Clock
from tillbridge.errors import CredentialsRefused, TillbridgeError, TryLater
from tillbridge.http import Http
from tillbridge.lightspeed.claims import person_of
from tillbridge.lightspeed.token_address import Failure, OAuthSettings, TokenAddress, Why
from tillbridge.lightspeed.token_status import MOST_LOST, TokenStatus, margin_s, status_of
from tillbridge.lightspeed.tokens import TokenFile, TokenState
from tillbridge.lightspeed.wire import TokenAnswer
from tillbridge.log import get_logger, keep_secret

_IDLE = timedelta(days=1)

_log = get_logger(__name__)


class Authenticator:
    """One per process; safe for any number of threads and processes on the same token file.

    Args:
        http: reaches the token address.
        settings: see `OAuthSettings`.
        token_file: where the sign-in is kept.
        clock: tells how old an access token is.
    """

    def __init__(
        self, http: Http, settings: OAuthSettings, token_file: TokenFile, clock: Clock
    ) -> None:
        self._address = TokenAddress(http, settings, clock)
        self._redirect_uri = settings.redirect_uri
        self._file = token_file
        self._clock = clock
        # What the server granted and the disk refused, with the refresh token in the file that it
        # replaces (None: any). Storing is tried again; until then nobody gets the access token.
        self._unsaved: tuple[str | None, TokenState] | None = None
        keep_secret(settings.client_secret)

    def access_token(self, *, force: bool = False, rejected: str = "") -> str:
        """An access token that should work, renewed first if need be.

        Args:
            force: renew even if the present one looks good.
            rejected: an access token that Lightspeed just turned away; if another thread or
                process has a newer one by now, that is given instead of renewing once more.

        Raises:
            CredentialsRefused: a person must sign in.
            TryLater: the token address or the disk does not work now.
        """
        state = self._file.read()
        usable = self._usable(state)
        if usable and not force and usable != rejected:
            return usable
        if force and state is not None:
            rejected = rejected or state.access_token or ""
        with self._file.locked(self._clock):
            self._store_unsaved()
            state = self._file.read()
            usable = self._usable(state)
            if usable and usable != rejected:  # somebody else renewed while we waited
                return usable
            if state is None:
                raise CredentialsRefused(
                    "There is no Lightspeed sign-in yet.", "Run `tillbridge authorize`."
                )
            return self._renew(state)

    def import_refresh_token(self, token: str) -> None:
        """Exchange a refresh token from elsewhere at once and keep what comes back.

        The sign-in stored so far stays until the exchange has succeeded.

        Raises:
            CredentialsRefused: Lightspeed does not accept the token.
            TryLater: the token address or the disk does not work now.
        """
        keep_secret(token)
        self._begin_anew(
            {"grant_type": "refresh_token", "refresh_token": token}, token, "this token"
        )

    def exchange_code(self, code: str, verifier: str | None) -> None:
        """Exchange the code of a sign-in in the browser; it lives about 15 seconds.

        The sign-in stored so far stays until the exchange has succeeded.

        Args:
            code: from the redirect.
            verifier: the PKCE verifier that belongs to the challenge of this sign-in; None for a
                server that takes none.

        Raises:
            CredentialsRefused: Lightspeed does not accept the code, or gives too little for it.
            TryLater: the token address or the disk does not work now.
        """
        from tillbridge.lightspeed import signing_in  # noqa: PLC0415  # only with a person

        keep_secret(code)
        parameters = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
        }
        if verifier is not None:
            keep_secret(verifier)
            parameters["code_verifier"] = verifier
        with self._file.locked(self._clock):
            result = self._address.ask(parameters, "this code")
            if isinstance(result, Failure):
                raise signing_in.refused_code(result, self._address.host, self._redirect_uri)
            signing_in.require_scope(result.scope, self._address.host)
            self._keep(result, sent="", replaces=None, former=None, code=code)

    def knows_code(self, code: str) -> bool:
        """Whether the stored sign-in began with this very code."""
        state = self._file.read_if_whole()
        return state is not None and state.code_digest == _digest(code)

    def keep_alive(self) -> bool:
        """Renew a sign-in that nobody has used for long: at half of the time that the server
        gives it, and at least daily, because some servers end what is idle without saying when.

        Returns:
            Whether it was due, and was renewed.

        Raises: as `access_token`.
        """
        state = self._file.read()
        if state is None:
            return False
        due = _IDLE
        if state.refresh_expires_at is not None:
            due = min(due, (state.refresh_expires_at - state.obtained_at) / 2)
        if self._clock.now() - state.obtained_at < due:
            return False
        self.access_token(force=True)
        return True

    def status(self) -> TokenStatus:
        """See `TokenStatus`. Raises what `TokenFile.read` raises."""
        return status_of(self._file.read())

    def _usable(self, state: TokenState | None) -> str | None:
        if state is None or not state.access_token:
            return None
        if state.lifetime_s is None:
            return state.access_token  # without a countdown it is good until it is turned away
        age_s = state.age_s(self._clock.now(), self._clock.boot_s(), self._clock.boot_id)
        return state.access_token if 0 <= age_s < state.lifetime_s - margin_s(state) else None

    def _renew(self, state: TokenState) -> str:
        if state.lost >= MOST_LOST:
            raise self._answer_was_lost()
        # Durable before the token leaves: if we die now, the next process knows.
        self._file.write(state.model_copy(update={"refreshing": True, "lost": state.lost + 1}))
        parameters = {"grant_type": "refresh_token", "refresh_token": state.refresh_token}
        result = self._address.ask(parameters, "the stored sign-in")
        if isinstance(result, TokenAnswer):
            sent = state.refresh_token
            return self._keep(result, sent=sent, replaces=sent, former=state)
        raise self._after_failure(state, result)

    def _answer_was_lost(self) -> CredentialsRefused:
        return CredentialsRefused(
            f"The answer of Lightspeed ({self._address.host}) to a renewal of the sign-in was "
            "lost, and with it the only token that could renew it again.",
            "Run `tillbridge authorize`: a person must sign in again.",
        )

    def _after_failure(self, state: TokenState, failure: Failure) -> TillbridgeError:
        """Put the marks right for what is known now; the error to raise."""
        if failure.why is Why.SPENT and state.refreshing:
            self._mark(state.model_copy(update={"refreshing": True, "lost": MOST_LOST}))
            return self._answer_was_lost()
        if failure.why is Why.BROKEN:
            # A long outage of the server must not use up the one more try.
            self._mark(state.model_copy(update={"refreshing": True}))
        elif failure.why is not Why.LOST:
            self._mark(state)
        return failure.error

    def _mark(self, state: TokenState) -> None:
        # If the disk refuses, the more careful marks stay; the failure itself matters more.
        with suppress(TryLater):
            self._file.write(state)

    def _begin_anew(self, parameters: dict[str, str], token: str, what: str) -> None:
        with self._file.locked(self._clock):
            result = self._address.ask(parameters, what)
            if isinstance(result, Failure):
                raise result.error
            self._keep(result, sent=token, replaces=None, former=None)

    def _keep(
        self,
        answer: TokenAnswer,
        *,
        sent: str,
        replaces: str | None,
        former: TokenState | None,
        code: str | None = None,
    ) -> str:
        """Store what was granted; only then is the access token given out."""
        refresh_token = answer.refresh_token or sent
        if not refresh_token:
            raise CredentialsRefused(
                f"Lightspeed ({self._address.host}) gave no refresh token for this sign-in.",
                "Ask Lightspeed to allow the scope offline_access for this client, and run "
                "`tillbridge authorize` again.",
            )
        keep_secret(refresh_token)
        keep_secret(answer.access_token)
        now = self._clock.now()
        countdown_s = answer.refresh_expires_in or None  # 0 means "no countdown"
        state = TokenState(
            refresh_token=refresh_token,
            access_token=answer.access_token,
            issued_at=now,
            issued_boot_s=self._clock.boot_s(),
            boot_id=self._clock.boot_id,
            lifetime_s=answer.expires_in,
            scope=answer.scope or (former.scope if former else None),
            obtained_at=now,
            refresh_expires_at=now + timedelta(seconds=countdown_s) if countdown_s else None,
            person=person_of(answer.access_token) or (former.person if former else None),
            code_digest=_digest(code) if code else former.code_digest if former else None,
        )
        self._unsaved = (replaces, state)
        self._file.write(state)
        self._unsaved = None
        _log.debug(
            "lightspeed_sign_in_renewed", host=self._address.host, lifetime_s=answer.expires_in
        )
        return answer.access_token

    def _store_unsaved(self) -> None:
        if self._unsaved is None:
            return
        replaces, state = self._unsaved
        stored = self._file.read() if replaces is not None else None
        if stored is None or stored.refresh_token == replaces:
            self._file.write(state)
        self._unsaved = None  # stored, or a person signed in again meanwhile


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
