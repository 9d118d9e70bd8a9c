"""A vendor that repeats in every answer all that it was sent: headers, address, body."""

import base64
import html
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_plus


class Echo:
    """What it answers can be changed while it runs.

    Attributes:
        status: of every answer.
        shape: "json", "page" or "text".
        seen: everything that was sent to it, so that a test can know that there was something.
    """

    def __init__(self) -> None:
        self.status = 400
        self.shape = "json"
        self.seen = ""
        self.url = ""

    def answer(self, path: str, headers: str, body: str) -> bytes:
        sent = f"{path} {headers} {body}"
        # The text of the header "Basic" once more, as a server would log it.
        words = sent.split()
        pairs = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "Basic"]
        plain = [base64.b64decode(pair).decode() for pair in pairs]
        said = f"invalid_grant: you sent {sent} {unquote_plus(path)} {unquote_plus(body)} {' '.join(plain)}"
        self.seen += said
        if self.shape == "page":
            return f"<html><title>{html.escape(said)}</title>{said}</html>".encode()
        if self.shape == "text":
            return said.encode()
        return json.dumps(
            {
                "error": said, "error_description": said, "detail": [{"loc": [said], "msg": said}],
                "request_id": said, "nextPageToken": said, "message": said,
            }
        ).encode()  # fmt: skip


@contextmanager
def echoing() -> Iterator[Echo]:
    echo = Echo()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode("utf-8", "replace")
            content = echo.answer(self.path, str(self.headers), body)
            self.send_response(echo.status)
            self.send_header("Content-Type", "text/html" if echo.shape == "page" else "text/plain")
            self.send_header("Content-Length", str(len(content)))
            request_id = content[:300].decode("latin-1").replace("\n", " ").replace("\r", " ")
            self.send_header("X-Request-Id", request_id)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_PUT = do_GET  # noqa: N815  # the base class's names

        def log_message(self, *_args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        echo.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield echo
        finally:
            server.shutdown()
            thread.join()
