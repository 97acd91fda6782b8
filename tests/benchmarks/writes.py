"""Rows about writing: intake and claims."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from tests.benchmarks import load
from tests.benchmarks import population as people
from tests.benchmarks.population import account_id, handoff_id, intakes, token
from tests.benchmarks.stage import Service, Stage, rate, warm_up
from tests.benchmarks.table import Row, alternate

CONNECTIONS = 16
CLAIMS = 1000
ROUNDS = 7  # of about a second
FIRST_CLAIMS = 200  # before them: VACUUM makes PostgreSQL forget the plans of every connection
ACCOUNTS = 20


def intake(stage: Stage) -> list[Row]:
    """POST /handoffs with 10 steps."""
    with stage.service(accounts=ACCOUNTS) as service:
        service.web()
        reference = service.bare_flask()
        ours, theirs = _ours("r"), _theirs("b")
        for port, requests in ((service.port, ours), (reference, theirs)):
            warm_up(port, requests)
        service.settle()
        result = alternate(
            lambda: rate(service.port, ours, connections=CONNECTIONS, seconds=stage.seconds, allowed=(202,)),
            lambda: rate(reference, theirs, connections=CONNECTIONS, seconds=stage.seconds, allowed=(202,)),
        )
    return [Row("intake of 10 steps", *result, "req/s", "bare Flask, same rows, one commit", 0.4)]


def _ours(prefix: str) -> Iterator[bytes]:
    for n, body in zip(count(), intakes(prefix), strict=False):
        yield load.post("/api/v1/handoffs", body, token(n % ACCOUNTS + 1))


def _theirs(prefix: str) -> Iterator[bytes]:
    for n, body in zip(count(), intakes(prefix), strict=False):
        account = n % ACCOUNTS + 1
        # With a token, because the front reads no body without one.
        yield load.post(f"/handoffs/{account_id(account)}/{people.user_id(account)}", body, token(account))


def claim(stage: Stage) -> list[Row]:
    """One claim each of 1,000 handoffs: of one account, whose claims wait for each other, and of many."""
    return [_claims(stage, accounts) for accounts in (1, ACCOUNTS)]


def _claims(stage: Stage, accounts: int) -> Row:
    each = (FIRST_CLAIMS + CLAIMS) // accounts
    handoffs = [(account, n) for n in range(1, each + 1) for account in range(1, accounts + 1)]
    with stage.service(accounts=accounts, people=2) as service:
        for account in range(1, accounts + 1):
            kind = {"account": account, "first": 1, "count": each, "status": "ready", "words": True}
            people.add_handoffs(stage.servers, service.name, **kind)
        service.web()
        reference = service.bare_flask()
        ours = [
            load.post(f"/api/v1/handoffs/{handoff_id(account, n)}/claim", b"{}", token(account, 2))
            for account, n in handoffs
        ]
        theirs = [
            load.post(f"/claim/{account_id(account)}/{people.user_id(account, 2)}/{handoff_id(account, n)}", b"")
            for account, n in handoffs
        ]
        _claim_all(service, service.port, ours)
        _claim_all(service, reference, theirs)
        result = alternate(
            lambda: _claim_all(service, service.port, ours), lambda: _claim_all(service, reference, theirs), ROUNDS
        )
    named = f"claims of {CLAIMS:,} handoffs, {'one account' if accounts == 1 else f'{accounts} accounts'}"
    return Row(named, *result, "req/s", "bare conditional update", 0.4)


def _claim_all(service: Service, port: int, requests: list[bytes]) -> float:
    """Claims per second, every one of them won, in a service that has made some already."""
    service.sql(
        "UPDATE handoffs SET status = 'ready', claimed_by_id = NULL, claimed_at = NULL WHERE status = 'claimed'",
        "VACUUM handoffs, feed_events, feeds",
    )
    first, rest = requests[:FIRST_CLAIMS], requests[FIRST_CLAIMS:]
    rate(port, iter(first), connections=CONNECTIONS, seconds=60)
    return rate(port, iter(rest), connections=CONNECTIONS, seconds=60)
