"""The example deploy/production/nginx.conf, run by a real nginx in front of a real web process."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path

import pytest

from deploy.local.servers import free_port
from tests.certificate import make_certificate
from tests.servers import Servers
from tests.stack import ROOT, signal_group, wait_for
from tests.web import Web, serving
from tests.world import Person

HOST = "escalation.example.com"
WRONG_TOKENS = 3
AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/example.conf;
}}
"""


@dataclass
class Proxy:
    """nginx and the web process behind it."""

    plain_port: int
    port: int
    trust: ssl.SSLContext
    web: Web

    def ask(
        self, method: str, path: str, body: object = None, *, by: Person | None = None, **headers: str
    ) -> HTTPResponse:
        """The answer to an HTTPS request; its body has not been read yet."""
        connection = HTTPSConnection("127.0.0.1", self.port, context=self.trust, timeout=20)
        sent = {"Host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if by is not None:
            sent["Authorization"] = f"Bearer {by.token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        return connection.getresponse()


@pytest.fixture(scope="module")
def proxy(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    plain_port, port = free_port(), free_port()
    with serving(servers, folder / "web", WRONG_TOKENS_PER_MINUTE=str(WRONG_TOKENS)) as web:
        make_certificate(folder / "escalation.pem", folder / "escalation.key", HOST)
        write_configuration(folder, {8000: web.port, 80: plain_port, 443: port})
        program = shutil.which("nginx")
        assert program, "this test needs nginx"
        nginx = subprocess.Popen([program, "-c", folder / "nginx.conf"], start_new_session=True)
        try:
            wait_for(lambda: listens(port), "nginx to listen", process=nginx)
            trust = ssl.create_default_context(cafile=folder / "escalation.pem")
            trust.check_hostname = False  # the test connects by address
            yield Proxy(plain_port, port, trust, web)
        finally:
            signal_group(nginx, signal.SIGTERM)
            nginx.wait(10)


def write_configuration(folder: Path, ports: dict[int, int]) -> None:
    """The example, with nothing but ports and folder changed."""
    example = (ROOT / "deploy/production/nginx.conf").read_text().replace("/etc/ssl/", f"{folder}/")
    for said, used in ports.items():
        example = example.replace(f":{said};", f":{used};").replace(f" {said};", f" {used};")
        example = example.replace(f":{said} ssl;", f":{used} ssl;").replace(f" {said} ssl;", f" {used} ssl;")
    (folder / "example.conf").write_text(example)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def unpacked(answer: HTTPResponse) -> str:
    body = answer.read()
    return (gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body).decode()


def test_a_handoff_goes_through_it_and_etags_hold_though_it_compresses(proxy: Proxy) -> None:
    world = proxy.web.world
    session = {"external_id": "T-1", "title": "A title", "problem": "A problem"}
    body = {"intent": "escalate", "reason": "a reason", "session": session}
    made = proxy.ask("POST", "/api/v1/handoffs", body, by=world.junior)
    assert made.status == 202
    path = made.headers["Location"]
    assert path.startswith("/api/v1/handoffs/")
    shown = proxy.ask("GET", path, by=world.senior, Accept_Encoding="gzip")
    assert shown.headers["Content-Encoding"] == "gzip"
    assert json.loads(unpacked(shown))["session"]["external_id"] == "T-1"
    tag = shown.headers["ETag"]
    assert proxy.ask("GET", path, by=world.senior, If_None_Match=tag).status == 304
    assert proxy.ask("POST", f"{path}/claim", {}, by=world.senior, If_Match=tag).status == 200
    assert proxy.ask("POST", f"{path}/release", {}, by=world.senior, If_Match=tag).status == 412
    queue = json.loads(unpacked(proxy.ask("GET", "/api/v1/queue", by=world.senior)))
    poll = f"/api/v1/feed?cursor={queue['cursor']}"
    known = proxy.ask("GET", poll, by=world.senior, Accept_Encoding="gzip")
    assert proxy.ask("GET", poll, by=world.senior, If_None_Match=known.headers["ETag"]).status == 304
    assert proxy.ask("GET", poll, by=world.senior, X_Forwarded_Prefix="/desk").status == 400


def test_the_browser_is_kept_to_https(proxy: Proxy) -> None:
    plain = HTTPConnection("127.0.0.1", proxy.plain_port, timeout=20)
    plain.request("GET", "/sign-in?next=/queue", headers={"Host": "elsewhere.example"})
    led = plain.getresponse()
    assert (led.status, led.headers["Location"]) == (308, f"https://{HOST}/sign-in?next=/queue")
    page = proxy.ask("GET", "/sign-in")
    assert page.status == 200
    assert page.headers["Strict-Transport-Security"]
    form = f"token={proxy.web.world.senior.token}"
    connection = HTTPSConnection("127.0.0.1", proxy.port, context=proxy.trust, timeout=20)
    headers = {"Host": HOST, "Origin": f"https://{HOST}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/sign-in", form, headers)
    signed_in = connection.getresponse()
    assert (signed_in.status, signed_in.headers["Location"]) == (303, "/queue")
    assert "; Secure" in signed_in.headers["Set-Cookie"]


def test_a_body_that_is_too_long_is_refused_by_the_service_with_its_reason(proxy: Proxy) -> None:
    refused = proxy.ask("POST", "/api/v1/handoffs", {"reason": "x" * 1_100_000}, by=proxy.web.world.junior)
    assert (refused.status, json.loads(unpacked(refused))["code"]) == (413, "too_large")


@pytest.mark.parametrize("path", ["/api/v1/queue", "/api/v1/feed?cursor=xxxxxxxxxx", "/sign-in", "/healthz"])
@pytest.mark.parametrize("prefix", ["/desk", "desk/", "/a/b"])
def test_a_prefix_is_refused_in_words(proxy: Proxy, path: str, prefix: str) -> None:
    refused = proxy.ask("GET", path, by=proxy.web.world.senior, X_Forwarded_Prefix=prefix)
    assert refused.status == 400
    assert "under a prefix" in unpacked(refused)
    assert proxy.ask("GET", "/api/v1/queue", by=proxy.web.world.senior, X_Forwarded_Prefix="/").status == 200


def test_wrong_tokens_count_for_the_address_that_the_proxy_names(proxy: Proxy) -> None:
    """A client cannot name another address: nginx does not pass its header on."""
    guess = Person(proxy.web.world.senior.id, "a guess", "rf_test_wrong", proxy.web.world.senior.client)
    asked = [proxy.ask("GET", "/api/v1/queue", by=guess, X_Forwarded_For=f"203.0.113.{n}") for n in range(5)]
    assert [answer.status for answer in asked] == [401] * WRONG_TOKENS + [429] * (5 - WRONG_TOKENS)
    line = "X-Forwarded-For: 203.0.113.77"  # sent by the proxy for another client
    assert proxy.web.ask(proxy.web.get("/api/v1/queue", line, "Connection: close", by=guess))[0] == 401
