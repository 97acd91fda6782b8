"""The fastest faults with a small load; `make faults` runs all of them at full length."""

from __future__ import annotations

import pytest

from tests.faults import faults
from tests.faults.faults import SHORT, Fault
from tests.faults.site import Load, Site


@pytest.mark.parametrize(
    "fault",
    [
        faults.worker_killed_in_a_call,
        faults.redis_killed_and_empty,
        faults.postgres_restarted,
        faults.broker_refuses_at_intake,
        faults.five_messages_at_once,
    ],
    ids=lambda fault: fault.__name__,
)
def test_nothing_is_lost_or_told_twice(site: Site, fault: Fault) -> None:
    load = Load(site)
    cuts = fault(site, load, SHORT)
    site.drained()
    count = site.count(fault.__name__, load, cuts=cuts)
    assert count.accepted == count.load == count.ready
    assert count.wrong() == []
