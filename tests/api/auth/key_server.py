"""A key server of the main product over real HTTP, which can misbehave in every way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


def public(name: str, key: Any) -> dict[str, Any]:
    """The public half of a key, under its name as key id."""
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    written: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
    return written | {"kid": name, "alg": algorithm, "use": "sig"}


class KeyServer:
    """Serves the public halves of `keys`. `behaviour` names how; `count` is how many requests came."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self.keys = keys
        self.behaviour = "good"
        self.count = 0
        self.redirect_to = ""
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.count += 1
                try:
                    getattr(server, f"_{server.behaviour}")(self)
                except OSError:
                    self.close_connection = True  # the client has left

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def body(self) -> bytes:
        """The key set."""
        return json.dumps({"keys": [public(name, key) for name, key in self.keys.items()]}).encode()

    def _good(self, handler: Any, body: bytes | None = None, status: int = 200) -> None:
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(self.body() if body is None else body)

    def _silent(self, handler: Any) -> None:
        self.closing.wait()

    def _dripping_head(self, handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while not self.closing.wait(0.05):
            handler.wfile.write(b"x")

    def _dripping_body(self, handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not self.closing.wait(0.05):
            handler.wfile.write(b" ")

    def _huge(self, handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not self.closing.is_set():
            handler.wfile.write(b" " * 65536)

    def _packed(self, handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(b"\x1f\x8b")

    def _redirecting(self, handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", self.redirect_to)
        handler.end_headers()

    def _failing(self, handler: Any) -> None:
        self._good(handler, status=500)

    def _no_json(self, handler: Any) -> None:
        self._good(handler, b"<html>")

    def _nested(self, handler: Any) -> None:
        self._good(handler, b"[" * 200_000)

    def _a_list(self, handler: Any) -> None:
        self._good(handler, b"[1]")

    def _no_keys(self, handler: Any) -> None:
        self._good(handler, b'{"keys": []}')

    def _strange_keys(self, handler: Any) -> None:
        self._good(handler, b'{"keys": [1, {"kty": "RSA", "n": 5, "e": null, "kid": ["x"]}, {"kty": "oct"}]}')

    def _rude(self, handler: Any) -> None:
        handler.wfile.write(b"\x00\xff no HTTP at all\r\n\r\n")


MISBEHAVIOURS = [
    name.removeprefix("_")
    for name in vars(KeyServer)
    if name.startswith("_") and not name.startswith("__") and name not in ("_good", "_handler")
]


@contextmanager
def serving(keys: dict[str, Any]) -> Iterator[KeyServer]:
    """A key server for a while."""
    server = KeyServer(keys)
    threading.Thread(target=server._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.closing.set()
        server._server.shutdown()
        server._server.server_close()
