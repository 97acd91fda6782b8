"""An account after a working day: handoffs of every kind, one with hostile ticket text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp, sin
from typing import Any

from sqlalchemy import insert, inspect, select

from models.assessment import Assessment
from models.database import new_id
from models.handoff import Handoff, Status
from models.transaction import transaction
from tests.conftest import environment
from tests.screens.service import Service, Team

COPIER_STEPS = [
    {"kind": "question", "text": "Did anything change over the weekend?", "author": "Jo"},
    {"kind": "observation", "text": "The vendor installed firmware 4.1.2 on Sunday.", "author": "Jo"},
    {
        "kind": "action",
        "text": "Entered the mailbox password again. Same error 2203 SMTP auth.",
        "outcome": "failed",
        "author": "Jo",
    },
    {"kind": "action", "text": "Sent a scan to a USB stick, that works.", "outcome": "worked", "author": "Jo"},
    {"kind": "action", "text": "Restarted the copier twice. No change.", "outcome": "failed", "author": "Jo"},
]


def past_case(team: Team) -> dict[str, Any]:
    """A resolved case that later ones may cite."""
    old = team.junior.ready(
        "DEMO-1001",
        title="Scan to e-mail fails on the third floor copier, error 2203 SMTP auth",
        problem="Scan to e-mail on the copier CP-3F stopped on Monday. The panel shows error 2203 SMTP auth.",
        category="Printing",
        client="Northwind Clinic",
        steps=[
            {"kind": "action", "text": "Restarted the copier and sent a test scan.", "outcome": "failed"},
            {"kind": "observation", "text": "Firmware 4.1.2 was installed by the vendor on the day before."},
        ],
    )
    team.senior2.call("POST", f"/handoffs/{old['id']}/claim")
    team.senior2.call(
        "POST",
        f"/handoffs/{old['id']}/resolve",
        {
            "resolution": "The firmware update had switched the copier back to TLS 1.0, which the mail relay "
            "refuses. Set TLS 1.2 under Security > SMTP and the scans to e-mail went out.",
            "root_cause": "Firmware 4.1.2 resets the TLS setting.",
        },
    )
    return old


def copier(team: Team) -> dict[str, Any]:
    """The case that most screens show."""
    return team.junior.ready(
        "DEMO-1002",
        title="Copier cannot send scans to e-mail, error 2203 SMTP auth",
        problem="Since this morning the copier CP-1F shows error 2203 SMTP auth for every scan to e-mail.\n\n"
        "Everybody on the first floor is affected. The clinic opens at eight and needs it for referrals.",
        category="Printing",
        client="Northwind Clinic",
        asset="CP-1F",
        priority="high",
        reason="I have run out of ideas and the clinic opens at eight.",
        ask="Please tell me whether this is the relay or the copier.",
        steps=COPIER_STEPS,
    )


OTHERS: tuple[dict[str, Any], ...] = (
    {
        "external_id": "DEMO-1003",
        "title": "Drive H: is missing after sign-in",
        "problem": "Four people in accounting have no drive H: since the move to new laptops. Windows 11 24H2.",
        "category": "Files",
        "client": "Harbour Logistics",
        "reason": "Only the domain admins can look at the policy.",
        "ask": "Find out which policy maps the drive.",
    },
    {
        "external_id": "DEMO-1004",
        "title": "Site down: no internet at the warehouse",
        "problem": "The warehouse has been offline since 06:40. The firewall's WAN light is off.",
        "category": "Network",
        "client": "Harbour Logistics",
        "priority": "urgent",
        "reason": "Nobody can ship. The carrier says their line is fine.",
    },
    {
        "external_id": "DEMO-1005",
        "title": "Shared mailbox asks for a password again and again",
        "problem": "Outlook asks for the password of the shared mailbox every few minutes.",
        "category": "Mail",
        "client": "Pine & Partners",
        "priority": "low",
        "reason": "Not urgent, but it keeps coming back.",
    },
)


def working_day(team: Team) -> dict[str, Any]:
    """Several open handoffs, one back for the third time; returns the copier's."""
    past_case(team)
    shown = copier(team)
    for other in OTHERS:
        team.junior.ready(**other)
    for _ in range(2):
        again = team.junior.hand_off(
            "DEMO-1006", title="VPN drops every hour", category="Network", client="Pine & Partners"
        )
        team.junior.call("POST", f"/handoffs/{again['id']}/withdraw")
    team.junior.ready("DEMO-1006", title="VPN drops every hour", category="Network", client="Pine & Partners")
    return shown


def past_weeks(service: Service, team: Team) -> None:
    """Resolved handoffs of the last four weeks, so that the plots have something to draw."""
    with environment(service.variables), transaction(team.junior.account_id) as session:
        pattern = session.scalars(select(Handoff).where(Handoff.status == Status.RESOLVED)).first()
        assert pattern is not None
        written = session.scalars(
            select(Assessment).filter_by(handoff_id=pattern.id, generation=pattern.generation)
        ).first()
        assert written is not None
        now = datetime.now(UTC)
        for number in range(160):
            began = now - timedelta(days=number % 28, minutes=7 * number % 600)
            wave = 1 + 0.6 * sin(number)
            times = {
                "created_at": began,
                "ready_at": began + timedelta(seconds=2 + 9 * wave),
                "claimed_at": began + timedelta(minutes=43 * exp(1.6 * sin(3 * number))),
                "first_action_at": began + timedelta(minutes=43 * exp(1.6 * sin(3 * number)) + 8 * wave),
            }
            copy = {"id": new_id(), "search": ""}
            session.execute(insert(Handoff).values(**columns(pattern) | times | copy))
            state = "failed" if number % 53 == 0 else "fallback" if number % 9 == 0 else "succeeded"
            its_own = {"id": new_id(), "handoff_id": copy["id"], "state": state, "queued_at": began}
            session.execute(insert(Assessment).values(**columns(written) | its_own))


def columns(row: Any) -> dict[str, Any]:
    """What a row holds, without what the database makes itself."""
    names = [each.key for each in inspect(type(row)).column_attrs if each.key not in ("card", "search")]
    return {name: getattr(row, name) for name in names}


def household(team: Team) -> None:
    """People of every kind with tokens in every state, and an account with settings of its own."""
    admin = team.admin
    service = admin.call("POST", "/people", {"name": "Night import", "role": "engineer", "kind": "service"})
    admin.call("POST", f"/people/{service['id']}/tokens", {"name": "Cron on srv-app02", "expires_days": None})
    admin.call("POST", "/people", {"name": "Maximiliane Freifrau von der Mühlenbruch-Oberhausen", "role": "viewer"})
    gone = admin.call("POST", "/people", {"name": "Robin Former", "role": "engineer"})
    admin.call("DELETE", f"/people/{gone['id']}")
    for name in ("Laptop", "Phone", "Kiosk in the warehouse, which is shared by everybody on the late shift"):
        made = admin.call("POST", f"/people/{team.senior.id}/tokens", {"name": name})
    admin.call("DELETE", f"/tokens/{made['id']}")
    admin.call("PATCH", "/settings", {"claim_lease_minutes": 45, "model_tokens_per_day": 9_000_000})
