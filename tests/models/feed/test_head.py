"""The hint of a feed's head: what Redis answers, and what happens if it does not."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis as redis_py

from deploy.local.servers import Redis
from models import redis
from models.addresses.redis import RedisAddress
from models.feed import head
from models.feed.head import POLL_BURST, Guard, Heads
from models.redis import redis_key
from tests.servers import Servers
from tests.stack import wait_for

EPOCH = "e1"


@pytest.fixture(autouse=True)
def as_a_process_of_the_service(shared_database: str) -> None:
    """Keys in Redis carry the installation's name, which is a setting."""


@pytest.fixture
def heads(servers: Servers) -> Heads:
    """Hints in the run's Redis, with time enough for a busy machine."""
    return Heads(redis_py.Redis.from_url(servers.redis.url))


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis of the test's own, to be frozen and killed."""
    server = Redis(tmp_path / "redis", durable=False)
    server.start()
    yield server
    server.thaw()
    server.stop()


def known(heads: Heads, account: UUID, number: int, epoch: str = EPOCH) -> None:
    """A hint, as a reader leaves it."""
    lease = heads.lease(account)
    assert lease is not None
    heads.fill(account, lease, number, epoch, 1.0, 0.0)


def write(heads: Heads, account: UUID, number: int, epoch: str = EPOCH, pace: float = 1.0) -> None:
    heads.committed(account, heads.announce(account), number, epoch, pace)


def test_a_raised_hint_is_what_the_next_poll_gets(heads: Heads) -> None:
    account, token = uuid4(), uuid4()
    assert heads.poll(account, token, EPOCH).missing
    known(heads, account, 6)
    write(heads, account, 7, pace=2.0)
    polled = heads.poll(account, token, EPOCH)
    assert polled.hint is not None
    assert (polled.hint.head, polled.hint.pace) == (7, 2.0)
    assert not polled.missing


def test_no_hint_is_believed_while_anybody_writes(heads: Heads) -> None:
    account, token = uuid4(), uuid4()
    known(heads, account, 6)
    first, second = heads.announce(account), heads.announce(account)
    heads.committed(account, first, 7, EPOCH, 1.0)
    assert heads.poll(account, token, EPOCH) == head.Polled(0.0, None, missing=False)
    assert heads.look(account, EPOCH) is None
    heads.withdraw(account, second)
    assert heads.poll(account, token, EPOCH).hint.head == 7  # type: ignore[union-attr]
    assert heads.look(account, EPOCH).head == 7  # type: ignore[union-attr]


def test_the_announcement_of_a_dead_writer_stands_until_every_hint_it_made_wrong_has_ended(servers: Servers) -> None:
    heads, account = Heads(redis_py.Redis.from_url(servers.redis.url), ttl_seconds=2, write_seconds=1), uuid4()
    dead = heads.announce(account)
    last_moment = head.Lease("reader", dead.since + 1)  # it committed right after this reader's lease
    heads.client.set(redis_key("feed-lease", account.hex), last_moment.token)
    heads.fill(account, last_moment, 7, EPOCH, 1.0, 0.0)
    hints, writers = redis_key("feed", account.hex, EPOCH), redis_key("feed-writers", account.hex)
    left = heads.client.pttl(hints)
    assert 0 < left <= heads.client.pttl(writers) + 1
    assert heads.client.zscore(writers, dead.token) == pytest.approx(dead.since + 3)


def test_announcements_that_have_ended_count_for_nothing_and_are_cleared_away(servers: Servers) -> None:
    client, account = redis_py.Redis.from_url(servers.redis.url), uuid4()
    short = Heads(client, ttl_seconds=0, write_seconds=-1)
    dead = short.announce(account)
    client.persist(redis_key("feed-writers", account.hex))
    client.zadd(redis_key("feed-writers", account.hex), {dead.token: dead.since - 1})
    known(Heads(client), account, 6)
    assert Heads(client).poll(account, uuid4(), EPOCH).hint is not None
    assert Heads(client).look(account, EPOCH) is not None
    alive = Heads(client).announce(account)
    assert client.zrange(redis_key("feed-writers", account.hex), 0, -1) == [alive.token.encode()]


def test_a_hint_never_falls(heads: Heads) -> None:
    account = uuid4()
    known(heads, account, 7)
    write(heads, account, 6)
    known(heads, account, 5)
    assert heads.look(account, EPOCH).head == 7  # type: ignore[union-attr]


def test_a_late_second_call_does_not_bring_a_hint_back_after_redis_was_wiped(heads: Heads) -> None:
    account = uuid4()
    known(heads, account, 6)
    writing = heads.announce(account)
    heads.client.flushdb()
    heads.committed(account, writing, 7, EPOCH, 1.0)
    assert not heads.client.exists(redis_key("feed", account.hex, EPOCH))


def test_a_hint_of_an_older_epoch_is_not_seen_and_not_kept_alive(heads: Heads) -> None:
    account = uuid4()
    known(heads, account, 7, "old")
    assert heads.poll(account, uuid4(), "new").missing
    before = heads.client.pttl(redis_key("feed", account.hex, "old"))
    known(heads, account, 7, "new")
    write(heads, account, 8, "new")
    assert heads.look(account, "old").head == 7  # type: ignore[union-attr]
    assert heads.client.pttl(redis_key("feed", account.hex, "old")) <= before


def test_only_who_holds_the_lease_fills_a_missing_hint(heads: Heads) -> None:
    account = uuid4()
    lease = heads.lease(account)
    assert lease is not None
    assert heads.lease(account) is None
    heads.fill(account, lease, 7, EPOCH, 1.0, 3.0)
    hint = heads.look(account, EPOCH)
    assert hint is not None
    assert hint.head == 7
    assert hint.quiet_seconds >= 3


def test_a_writer_ends_the_lease_of_a_reader(heads: Heads) -> None:
    account = uuid4()
    lease = heads.lease(account)
    assert lease is not None
    write(heads, account, 8)
    heads.fill(account, lease, 7, EPOCH, 1.0, 0.0)
    assert heads.look(account, EPOCH) is None


def test_a_hint_ends_ten_seconds_after_its_writer_knew_and_readers_do_not_prolong_it(heads: Heads) -> None:
    account = uuid4()
    key = redis_key("feed", account.hex, EPOCH)
    known(heads, account, 6)
    heads.client.pexpire(key, 60_000)
    writing = heads.announce(account)
    heads.committed(account, head.Writing(writing.token, writing.since - 5), 7, EPOCH, 1.0)
    first = heads.client.pttl(key)
    assert 0 < first <= 5000
    heads.poll(account, uuid4(), EPOCH)
    assert heads.client.pttl(key) <= first


def test_a_slow_reader_fills_for_what_is_left_since_its_lease(heads: Heads) -> None:
    account = uuid4()
    lease = heads.lease(account)
    assert lease is not None
    late = head.Lease(lease.token, lease.taken_at - 8)
    heads.fill(account, late, 7, EPOCH, 1.0, 0.0)
    assert 0 < heads.client.pttl(redis_key("feed", account.hex, EPOCH)) <= 2000


def test_a_call_that_a_frozen_redis_carries_out_too_late_leaves_no_hint(own_redis: Redis) -> None:
    account, patient = uuid4(), redis_py.Redis.from_url(own_redis.url)
    late = Heads(redis.connect(RedisAddress.parse(own_redis.url)), ttl_seconds=0.3)
    writing = late.announce(account)  # and connects
    known(Heads(patient), account, 6)
    own_redis.freeze()
    late.committed(account, writing, 7, EPOCH, 1.0)
    assert late.guard.failures == 1
    end = time.time() + 0.4
    wait_for(lambda: time.time() > end, "the hint's end to pass")
    own_redis.thaw()
    writers = redis_key("feed-writers", account.hex)
    wait_for(lambda: not patient.exists(writers), "the late call to be carried out")
    assert not patient.exists(redis_key("feed", account.hex, EPOCH))


def test_a_silent_redis_is_left_alone_after_two_calls(own_redis: Redis) -> None:
    heads = Heads(redis.connect(RedisAddress.parse(own_redis.url)))
    own_redis.freeze()
    account = uuid4()
    for _ in range(2):
        assert heads.poll(account, uuid4(), EPOCH) == head.Polled(0.0, None, missing=False)
    heads.guard.paused_until += 60  # the pause does not end within this test
    before = head.FAILURES._value.get()
    assert heads.poll(account, uuid4(), EPOCH) == head.Polled(0.0, None, missing=False)
    heads.announce(account)
    assert head.FAILURES._value.get() == before


def test_after_a_pause_redis_is_asked_again(own_redis: Redis) -> None:
    heads = Heads(redis.connect(RedisAddress.parse(own_redis.url)))
    own_redis.kill()
    account = uuid4()
    for _ in range(2):
        heads.poll(account, uuid4(), EPOCH)
    own_redis.start()
    wait_for(lambda: heads.poll(account, uuid4(), EPOCH).missing, "Redis to be asked again")
    assert heads.guard.failures == 0


def test_a_restart_of_redis_between_two_polls_of_a_thread_fails_neither(own_redis: Redis) -> None:
    heads, account, token = Heads(redis.connect(RedisAddress.parse(own_redis.url))), uuid4(), uuid4()
    assert heads.poll(account, token, EPOCH).missing
    own_redis.kill()
    own_redis.start()  # knows neither the connection nor the script
    before = head.FAILURES._value.get()
    assert heads.poll(account, token, EPOCH).missing
    assert head.FAILURES._value.get() == before


def test_a_guard_pauses_only_after_failures_in_a_row() -> None:
    guard = Guard()

    def refused() -> None:
        raise redis_py.ConnectionError

    guard(refused)
    assert guard(lambda: 1) == 1
    guard(refused)
    assert guard(lambda: 1) == 1
    guard(refused)
    guard(refused)
    assert guard(lambda: 1) is None


@pytest.mark.parametrize(
    "error", [redis_py.ReadOnlyError, redis_py.TimeoutError, redis_py.BusyLoadingError, redis_py.OutOfMemoryError]
)
def test_every_error_of_redis_is_counted_and_ignored(error: type[redis_py.RedisError]) -> None:
    def failing() -> None:
        raise error

    before = head.FAILURES._value.get()
    assert Guard()(failing) is None
    assert head.FAILURES._value.get() == before + 1


def test_a_token_may_poll_a_hundred_times_at_once_and_then_waits(servers: Servers) -> None:
    # Two processes' clients: Redis has the count.
    heads = [Heads(redis_py.Redis.from_url(servers.redis.url)) for _ in range(2)]
    account, token = uuid4(), uuid4()
    waits = [heads[n % 2].poll(account, token, EPOCH).wait_seconds for n in range(POLL_BURST + 20)]
    assert waits[:POLL_BURST] == [0.0] * POLL_BURST
    assert 0 < max(waits[POLL_BURST:]) <= 0.2
    assert heads[0].poll(account, uuid4(), EPOCH).wait_seconds == 0


def test_who_waited_as_told_may_poll_again(heads: Heads) -> None:
    account, token = uuid4(), uuid4()
    while not (wait := heads.poll(account, token, EPOCH).wait_seconds):
        pass
    end = time.monotonic() + wait
    wait_for(lambda: time.monotonic() >= end, "the time to pass")
    assert heads.poll(account, token, EPOCH).wait_seconds == 0


def test_a_script_that_redis_refuses_raises_and_leaves_no_answer_for_the_next_call(own_redis: Redis) -> None:
    connections = redis.ThreadConnections(redis.connect(RedisAddress.parse(own_redis.url)))
    connections.send("RPUSH", "a-list", "1")
    with pytest.raises(redis_py.ResponseError):
        redis.Script(connections, "return redis.call('INCR', KEYS[1])")(["a-list"], [])
    assert connections.send("ECHO", "mine") == b"mine"


def test_a_redis_that_says_nothing_is_waited_for_once_by_a_thread_that_is_new_to_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connections = redis.ThreadConnections(
            redis.connect(RedisAddress.parse(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        )
        with pytest.raises(redis_py.TimeoutError):
            connections.send("PING")
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
