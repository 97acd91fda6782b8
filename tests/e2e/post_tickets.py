"""Hands real tickets off over HTTP and watches the feed until all of them are ready.

python -m tests.e2e.post_tickets --url http://127.0.0.1:8000 --token rf_… tickets.jsonl --count 50
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

FIRST_STEPS = 10


@dataclass
class Service:
    """The API as one person sees it."""

    url: str
    token: str

    def call(self, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """GET, or POST when there is a body; returns the status and the JSON answer."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)


@dataclass
class Watch:
    """The feed's contents: the numbers in order, and the events of each handoff."""

    seqs: list[int] = field(default_factory=list)
    events: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def follow(self, service: Service, cursor: str) -> str:
        """One poll; returns the next cursor."""
        _, page = service.call(f"/feed?cursor={cursor}")
        for event in page["events"]:
            self.seqs.append(event["seq"])
            self.events[event["handoff"]["id"]].append(event["type"])
        return str(page["cursor"])

    def ready(self) -> set[str]:
        """The handoffs that became ready."""
        return {handoff for handoff, types in self.events.items() if "handoff.ready" in types}


def intakes(path: Path, count: int, run: str) -> Iterator[dict[str, Any]]:
    """Bodies for POST /handoffs. What was filled in after the ticket was closed is not looked at."""
    with path.open(encoding="utf-8") as lines:
        for ticket in map(json.loads, islice(lines, count)):
            steps = [
                {"kind": "note", "text": step["text"][:8000], "at": step["at"], "author": step["author"]}
                for step in ticket["steps"][:FIRST_STEPS]
                if step["text"].strip()
            ]
            yield {
                "intent": "escalate",
                "reason": f"No way forward after {len(steps)} steps.",
                "session": {
                    "external_id": f"{ticket['id']}{run}",
                    "title": ticket["title"][:200],
                    "problem": ticket["body"][:20_000],
                    "category": ticket["category"],
                    "opened_at": ticket["opened_at"],
                    "steps": steps,
                },
            }


def post_and_watch(service: Service, bodies: Iterator[dict[str, Any]], *, seconds: float) -> tuple[list[str], Watch]:
    """Hand all of them off, then poll until each is ready; returns their ids in order and what was seen."""
    cursor = service.call("/queue?limit=1&priority=urgent&mine=true")[1]["cursor"]
    watch, accepted = Watch(), []
    for body in bodies:
        status, handoff = service.call("/handoffs", body)
        assert status == 202, (status, handoff)
        accepted.append(handoff["id"])
    end = time.monotonic() + seconds
    while time.monotonic() < end and not set(accepted) <= watch.ready():
        cursor = watch.follow(service, cursor)
        time.sleep(0.2)
    return accepted, watch


def main() -> int:
    """Print what happened; 0 when every handoff was created and ready once, in order, without a gap."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--token", required=True)
    arguments.add_argument("--count", type=int, default=50)
    given = arguments.parse_args()
    started = time.monotonic()
    run = f"-{int(time.time())}"  # so that it can be run again
    accepted, watch = post_and_watch(
        Service(given.url, given.token), intakes(given.file, given.count, run), seconds=120
    )
    once = sum(watch.events[each] == ["handoff.created", "handoff.ready"] for each in accepted)
    gapless = watch.seqs == list(range(watch.seqs[0], watch.seqs[0] + len(watch.seqs)))
    order = [each for each in watch.events if each in set(accepted)] == accepted
    sys.stdout.write(
        f"accepted {len(accepted)}, ready {len(watch.ready() & set(accepted))}, seen created then ready once each"
        f" {once}, numbers without gap or repeat {gapless}, created in order {order},"
        f" {time.monotonic() - started:.1f} s\n"
    )
    return 0 if once == len(accepted) and gapless and order else 1


if __name__ == "__main__":
    sys.exit(main())
