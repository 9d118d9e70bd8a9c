"""Logging: structlog, human on a terminal, JSON elsewhere, and no secret in any line.

Every line passes `redact`. A secret is registered once, when it is resolved or received
(`keep_secret`), and is then replaced wherever it appears: in messages, values, vendor bodies,
addresses and tracebacks.
"""

import html
import json as json_
import logging
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote, quote_plus

from tillbridge.journal import JournalHandler, is_journal

# structlog would load rich and a syntax highlighter, for tracebacks that are printed plainly here:
# 5 MB. It does without where it does not find it.
_found = sys.modules.get("rich")
sys.modules["rich"] = cast(Any, _found)
import structlog  # noqa: E402  # after the line above

if _found is None:
    del sys.modules["rich"]

_HIDDEN = "[hidden]"
_MIN_SECRET_CHARS = 4  # shorter ones would hide half of every line
_MAX_SECRETS = 800
_lasting: dict[str, None] = {}
_secrets: dict[str, None] = {}  # in the order of their last registration


def keep_secret(value: str, *, lasting: bool = False) -> None:
    """Register a secret; from now on it never appears in a log line or in `redact`'s result,
    neither plainly nor as addresses, JSON, HTML or Python would write it.

    Args:
        value: the secret.
        lasting: it stays in force for as long as this process lives, like an API key. Of the
            others the last few hundred are kept: tokens are renewed for years, and one that has
            long been replaced is no secret any more. Registering again keeps it for longer.
    """
    if len(value) < _MIN_SECRET_CHARS:
        return
    for form in _forms(value):
        if lasting:
            _lasting[form] = None
        _secrets.pop(form, None)
        if form not in _lasting:
            _secrets[form] = None
    while len(_secrets) > _MAX_SECRETS:
        del _secrets[next(iter(_secrets))]


@lru_cache(maxsize=16)
def _forms(value: str) -> frozenset[str]:
    escaped = quote(value, safe="")
    return frozenset({
        value,
        escaped,
        escaped.replace("%2F", "/"),
        quote_plus(value),
        json_.dumps(value)[1:-1],
        html.escape(value),
        repr(value)[1:-1],
    })  # fmt: skip


def redact(text: str) -> str:
    """The text with every registered secret replaced, longest first."""
    for secret in sorted(_lasting.copy() | _secrets.copy(), key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, _HIDDEN)
    return text


def _redact_value(value: Any) -> Any:  # noqa: ANN401  # log values are of any type
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(key)): _redact_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(item) for item in value]
    if isinstance(value, int | float | bool) or value is None:
        return value
    return redact(str(value))


def _redact_event(
    _logger: Any,  # noqa: ANN401  # structlog's signature
    _method: str,
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    for key in list(event):
        if key != "exc_info":
            event[key] = _redact_value(event[key])
    return event


def configure_logging(level: str | None = None, *, json: bool | None = None) -> None:
    """Send all log lines, ours and the libraries', to standard error, or to systemd's journal if
    that is where standard error leads.

    Args:
        level: a level's name; `TILLBRIDGE_LOG_LEVEL`, else info, where it is left out.
        json: one JSON document per line; where left out, yes unless standard error is a terminal.
    """
    name = (level or os.environ.get("TILLBRIDGE_LOG_LEVEL") or "info").upper()
    number = logging.getLevelNamesMapping().get(name, logging.INFO)
    to_journal = json is None and is_journal(os.environ)
    as_json = to_journal or (not sys.stderr.isatty() if json is None else json)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = JournalHandler() if to_journal else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    threading.excepthook = _say_thread_died
    root.setLevel(number)
    for noisy in ("httpx", "httpcore", "apscheduler", "alembic"):
        # Their lines name whole addresses with query strings; ours say the same in words.
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _say_thread_died(args: threading.ExceptHookArgs) -> None:
    """What Python would print itself, secrets hidden."""
    trace = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
    sys.stderr.write(redact("".join(trace)))


class Seldom:
    """Keeps a fault that repeats with every pass from filling the log: it is new once an hour."""

    EVERY_S = 3600.0

    def __init__(self) -> None:
        self._said_s: dict[object, float] = {}

    def is_new(self, what: object, now_s: float) -> bool:
        """Whether this has not been said within the hour; it counts as said then.

        Args:
            what: the fault and its place.
            now_s: boot time.
        """
        said_s = self._said_s.get(what)
        if said_s is not None and 0 <= now_s - said_s < self.EVERY_S:
            return False
        self._said_s[what] = now_s
        return True

    def forget(self, what: object) -> None:
        """The fault is over; when it comes back, it is new."""
        self._said_s.pop(what, None)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose first argument is the event's name and whose keywords are its values."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(name))
