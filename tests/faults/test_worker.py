"""Real workers: what they hold while waiting, how they end, what they survive, which lane they serve."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from models.addresses.redis import RedisAddress
from models.redis import connect
from tasks.worker.lifecycle import DEAF_EXIT_CODE
from tests.conftest import environment
from tests.faults.site import Load, Site
from tests.servers import Servers
from tests.stack import signal_group, wait_for
from tests.tasks.accepted import a_world, accept
from tests.world import intake


def states(site: Site) -> list[tuple[Any, ...]]:
    return site.ask("SELECT state, error_kind, attempts FROM assessments")


def in_calls(site: Site, count: int) -> None:
    wait_for(lambda: site.calls >= count, f"{count} calls of the model")


def test_no_connection_is_in_a_transaction_during_a_call(site: Site) -> None:
    site.worker()
    site.behave("slow", seconds=30)
    Load(site).post(8)
    in_calls(site, 8)
    open_transactions = f"""
        SELECT count(*) FROM pg_stat_activity WHERE datname = '{site.database}' AND pid <> pg_backend_pid()
        AND xact_start < clock_timestamp() - interval '1 second'"""
    wait_for(lambda: site.ask(open_transactions) == [(0,)], "every transaction to end", seconds=5)
    assert site.ask("SELECT count(*) FROM assessments WHERE state = 'running'") == [(8,)]


def test_a_worker_told_to_stop_is_out_in_time_with_its_work_given_back(site: Site) -> None:
    worker = site.worker()
    site.behave("slow", seconds=20)
    Load(site).post(4)
    in_calls(site, 4)
    signal_group(worker, signal.SIGTERM)
    assert worker.wait(10) == 0
    assert site.ask("SELECT count(*) FROM assessments WHERE state = 'queued' AND not_before <= now()") == [(4,)]
    # No beat runs here: the messages that were sent for them are enough.
    site.behave("good")
    site.worker("interactive")
    site.drained()
    assert states(site) == [("succeeded", None, 2)] * 4


def test_what_ends_within_the_grace_is_finished_and_not_given_back(site: Site) -> None:
    worker = site.worker(WORKER_GRACE_SECONDS="20")
    site.behave("slow", seconds=1)
    Load(site).post(4)
    in_calls(site, 4)
    signal_group(worker, signal.SIGTERM)
    assert worker.wait(15) == 0
    assert states(site) == [("succeeded", None, 1)] * 4


@pytest.mark.parametrize("blow", ["restart", "kill"])
def test_a_worker_survives_a_redis_restart_in_the_middle_of_a_task(site: Site, blow: str) -> None:
    """Gates upgrades of Celery, kombu and redis-py: with other versions a worker exits or stays deaf here."""
    worker = site.worker("interactive", concurrency=2)
    site.behave("slow", seconds=3)
    load = Load(site)
    load.post(1)
    in_calls(site, 1)
    getattr(site.servers.redis, blow)()
    site.servers.redis.start()
    site.drained()
    assert states(site) == [("succeeded", None, 1)]
    site.behave("good")

    def served() -> bool:
        # No sweep runs here, so a message that came before the worker was back is not sent again.
        load.post(1)
        return bool(site.ask("SELECT count(*) > 1 FROM assessments WHERE state = 'succeeded'")[0][0])

    wait_for(served, "the next task to be served")
    assert worker.poll() is None


@pytest.mark.parametrize("settings", [{"MODEL_CALL_SECONDS": "1", "ASSESS_DEADLINE_SECONDS": "4"}])
def test_a_model_that_hangs_costs_the_deadline_and_the_fallback_is_written(site: Site) -> None:
    site.worker()
    site.beat()
    site.behave("hang")
    Load(site).post(2)
    site.drained()
    for state, why, _ in states(site):
        assert state == "fallback"
        assert why in ("timeout", "deadline")
    assert site.ask("SELECT DISTINCT status FROM handoffs") == [("ready",)]


def test_a_flood_of_bulk_work_does_not_delay_a_person(site: Site) -> None:
    site.worker("interactive", concurrency=2)
    site.worker("bulk", concurrency=2)
    site.worker("maintenance", concurrency=2)
    site.beat()
    site.behave("slow", seconds=1)
    with environment(site.servers.environment(site.database)):
        for n in range(30):
            accept(site.world, f"B-{n}")
    connect(RedisAddress.parse(site.servers.redis.url)).delete(site.redis_key("interactive"))
    site.ask("UPDATE assessments SET lane = 'bulk' RETURNING id")
    wait_for(lambda: site.calls >= 2, "the bulk worker to be busy")
    Load(site).post(1)
    of_lane = "SELECT count(*) FROM assessments WHERE state IN ('queued', 'running') AND lane = '{}'"
    wait_for(lambda: site.ask(of_lane.format("interactive")) == [(0,)], "the person to be served")
    assert site.ask(of_lane.format("bulk"))[0][0] > 10


def test_a_flood_of_one_account_does_not_delay_the_first_of_another(site: Site) -> None:
    with environment(site.servers.environment(site.database)):
        other = a_world("Umbra")
    site.behave("slow", seconds=0.2)  # so that both threads are busy, and fairness has something to compare
    Load(site).post(24)
    assert site.call("POST", "/handoffs", intake("U-1"), **other.junior.headers)[0] == 202
    site.worker("interactive", concurrency=2)
    site.drained()
    order = site.ask("SELECT account_id::text FROM handoffs ORDER BY ready_at")
    # Its wake-up lay behind those of the whole flood.
    assert order.index((str(other.account_id),)) < 10
    assert states(site) == [("succeeded", None, 1)] * 25


@pytest.mark.parametrize("settings", [{"WORKER_DEAF_SECONDS": "2"}])
def test_a_deaf_worker_ends_to_be_started_anew(site: Site) -> None:
    deaf = site.worker(program=("-m", "tests.faults.deaf_worker", "-A", "tasks"))
    hearing = site.worker()
    assert deaf.wait(30) == DEAF_EXIT_CODE
    assert hearing.poll() is None


def test_deadlines_are_kept_without_beat_and_without_redis(site: Site) -> None:
    site.worker("maintenance", concurrency=2)
    site.servers.redis.stop()
    try:
        Load(site).post(2)
        site.ask("UPDATE assessments SET deadline_at = now() - interval '1 minute' RETURNING id")
        site.drained()
    finally:
        site.servers.redis.start()
    assert [(state, why) for state, why, _ in states(site)] == [("fallback", "deadline")] * 2


def test_gunicorn_ends_without_losing_what_it_accepted(site: Site) -> None:
    load = Load(site)
    with load.posting(60, seconds=2):
        wait_for(lambda: len(load.accepted) > 10, "some requests")
        site.web_process.send_signal(signal.SIGTERM)
        assert site.web_process.wait(15) == 0
    stored = {row[0] for row in site.ask("SELECT id::text FROM handoffs")}
    assert load.refused  # those that came too late were refused
    assert set(load.accepted) <= stored


def test_gunicorn_reloads_without_refusing_anybody(site: Site) -> None:
    load = Load(site)
    with load.posting(60, seconds=3):
        for _ in range(2):
            before = len(load.accepted)
            wait_for(lambda: len(load.accepted) > before + 10, "some requests")  # noqa: B023 - called at once
            site.web_process.send_signal(signal.SIGHUP)
    assert (len(load.accepted), load.refused) == (60, [])


def parts(site: Site) -> tuple[int, dict[str, Any]]:
    """Status and body of /readyz, whatever the status is."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def read_metrics(site: Site) -> str:
    return str(urllib.request.urlopen(f"http://127.0.0.1:{site.metrics_port}/metrics", timeout=5).read().decode())


def test_readyz_names_the_part_that_is_away_and_intake_does_without_redis(site: Site, doomed: Servers) -> None:
    load = Load(site)
    site.worker("maintenance")
    wait_for(lambda: parts(site)[1]["status"] == "ok", "all parts to be there")
    assert parts(site)[1]["heartbeat_age_seconds"]
    metrics = read_metrics(site)
    assert "escalation_heartbeat_age_seconds" in metrics
    doomed.redis.freeze()
    load.post(3)
    status, body = parts(site)
    assert (status, body["status"], body["parts"]["redis"]) == (200, "degraded", "away")
    doomed.redis.thaw()
    doomed.redis.stop()
    load.post(3)
    status, body = parts(site)
    assert (status, body["parts"]["redis"], body["parts"]["database"]) == (200, "away", "ok")
    doomed.redis.start()
    assert (len(load.accepted), load.refused) == (6, [])
    doomed.postgres.stop()
    status, body = parts(site)
    assert (status, body["status"], body["parts"]["database"]) == (503, "away", "away")
    doomed.postgres.start()
    wait_for(lambda: parts(site)[0] == 200, "the database to be back")
    assert 'escalation_unfinished{lane="interactive"' in read_metrics(site)


def test_a_postgres_restart_is_not_seen_by_readers_and_a_bare_write_may_be_sent_again(
    site: Site, doomed: Servers
) -> None:
    assert site.call("GET", "/queue")[0] == 200
    doomed.postgres.stop()
    with ThreadPoolExecutor(3) as pool:
        read = pool.submit(site.call, "GET", "/queue")
        keyed = pool.submit(site.call, "POST", "/handoffs", intake("T-1"), **{"Idempotency-Key": "k"})
        assert pool.submit(site.call, "POST", "/handoffs", intake("T-2")).result()[0] == 503
        doomed.postgres.start()
        assert read.result()[0] == 200
        assert keyed.result()[0] == 202
    assert site.call("POST", "/handoffs", intake("T-2"))[0] == 202


def test_a_free_slot_takes_the_next_message_at_once(site: Site) -> None:
    """With one slot that idled a second after each task, a hundred of them would outlast the wait."""
    Load(site).post(100)
    site.behave("good")
    site.worker("interactive", concurrency=1)
    wait_for(lambda: states(site) == [("succeeded", None, 1)] * 100, "a hundred assessments", seconds=60)
