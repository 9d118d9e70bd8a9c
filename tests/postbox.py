"""A server on loopback that people's messages and pings arrive at: what Apprise's json:// posts."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Postbox:
    """Keeps what arrives; `status` is what it answers, `delay_s` how long it takes."""

    def __init__(self):
        self.messages = []
        self.pings = 0
        self.status = 200
        self.delay_s = 0.0
        box = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(box.delay_s)
                if box.status == 200:
                    box.messages.append(json.loads(body))
                self._answer()

            def do_GET(self):
                box.pings += 1
                self._answer()

            def _answer(self):
                try:
                    self.send_response(box.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # whoever asked was ended meanwhile

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self):
        """In Apprise's notation, with something secret in it."""
        return f"json://127.0.0.1:{self.port}/a-secret-path"

    @property
    def ping_url(self):
        return f"http://127.0.0.1:{self.port}/ping/a-secret-check"

    @property
    def titles(self):
        return [message["title"] for message in self.messages]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
