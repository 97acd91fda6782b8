"""Our messages are Celery's, by what Celery itself writes and reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from celery import Celery
from celery.worker.request import Request
from kombu import Connection
from redis import RedisError

from models.addresses.redis import RedisAddress
from models.redis import Script, ThreadConnections, client, connect, redis_key
from tasks import celery, message
from tasks.message import send

IDS = "01a2-account", "01a2-assessment"


@pytest.fixture
def queue(shared_database: str) -> Iterator[str]:
    """A queue that no worker reads."""
    name = "bulk"
    client().delete(redis_key(name))
    yield name
    client().delete(redis_key(name))


def theirs(queue: str) -> None:
    app = Celery("theirs", broker=os.environ["REDIS_URL"])
    app.conf.broker_transport_options = {"global_keyprefix": redis_key("")}
    app.send_task("assess", args=list(IDS), queue=queue, ignore_result=True)
    app.close()


def keys(raw: bytes) -> dict[str, set[str]]:
    envelope = json.loads(raw)
    return {part: set(envelope[part]) for part in ("headers", "properties")} | {"envelope": set(envelope)}


def test_it_has_nothing_that_celerys_has_not_and_lacks_only_what_is_told(queue: str) -> None:
    send("assess", *IDS, queue=queue)
    theirs(queue)
    ours, celerys = (client().rpop(redis_key(queue)) for _ in range(2))
    assert isinstance(ours, bytes)
    assert isinstance(celerys, bytes)
    mine, other = keys(ours), keys(celerys)
    assert mine["envelope"] == other["envelope"]
    assert mine["properties"] == other["properties"]
    assert mine["headers"] <= other["headers"]
    # What is only shown in logs, or for what is not used here.
    told = {"argsrepr", "kwargsrepr", "origin", "shadow", "group_index"}
    assert other["headers"] - mine["headers"] <= told | {"replaced_task_nesting", "stamped_headers", "stamps"}
    assert json.loads(ours)["body"] == json.loads(celerys)["body"]


def test_celery_reads_it(queue: str) -> None:
    send("assess", *IDS, queue=queue)
    options = {"global_keyprefix": redis_key("")}
    with (
        Connection(os.environ["REDIS_URL"], transport_options=options) as broker,
        broker.SimpleQueue(queue) as waiting,
    ):
        found = waiting.get(timeout=5)
        request = Request(found, app=celery, decoded=False, headers=found.headers)
        assert (request.name, request.args, request.kwargs) == ("assess", list(IDS), {})
        assert request.task_id == found.properties["correlation_id"]
        assert request.request_dict["ignore_result"] is True
        found.reject(requeue=True)
        assert waiting.get(timeout=5).payload[0] == list(IDS)


def test_every_message_is_another(queue: str) -> None:
    for _ in range(2):
        send("assess", *IDS, queue=queue)
    one, other = (json.loads(client().rpop(redis_key(queue)) or "") for _ in range(2))  # type: ignore[arg-type]
    assert one["headers"]["id"] != other["headers"]["id"]
    assert one["properties"]["delivery_tag"] != other["properties"]["delivery_tag"]


def test_a_queue_with_enough_messages_gets_no_more(queue: str) -> None:
    assert [send("assess", *IDS, queue=queue, most=2) for _ in range(3)] == [True, True, False]
    assert client().llen(redis_key(queue)) == 2


def test_it_says_when_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    away = ThreadConnections(connect(RedisAddress.parse("redis://127.0.0.1:1/0")))
    monkeypatch.setattr(message, "_put", lambda: Script(away, ""))
    with pytest.raises(RedisError):
        send("assess", *IDS, queue="bulk")
