"""A queue in the middle of a busy shift: more than fifty open handoffs of every kind, some of them old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from models.transaction import transaction
from tests.conftest import environment
from tests.screens.service import Service, Team

# Minutes of waiting, priority, client, category, what is the matter, what is needed.
CASES = """
3|urgent|Harbour Logistics|Network|Tills at the harbour shop lose the card terminal|
8|urgent|Northwind Clinic|Security|Ransom note on the file server of the surgery|Isolate it or shut it down?
22|urgent|Harbour Logistics|Printing|Dispatch cannot print labels since the night|
4|high|Pine & Partners|Network|VPN drops for all of accounting|Find out which policy maps the drive
52|high|Northwind Clinic|Printing|Copier cannot send scans to e-mail, error 2203|Is it the relay or the copier?
340|high|Alder Foods|Backup|Backup of the terminal server has failed for three nights|
95|high|Pine & Partners|Mail|Calendar of the boardroom shows yesterday's meetings|
2|normal|Birch Architects|Accounts|New starter has no licence for the drawing program|
11|normal|Pine & Partners|Mail|Shared mailbox asks for a password again and again|Is it the cached profile?
17|normal|Birch Architects|Hardware|Two monitors stay black after the docking station's update|
33|normal|Harbour Logistics|Hardware|Scanner in the warehouse reads every code twice|
58|normal|Alder Foods|Applications|Invoices leave the system without a logo|Who owns the template?
64|normal|Northwind Clinic|Telephony|Phones ring once and then go to voicemail|
130|low|Birch Architects|Network|Wi-Fi in the attic is slow after four o'clock|
700|low|Alder Foods|Accounts|Wallpaper policy does not reach the tablets|
2900|low|Pine & Partners|Printing|An old printer is still listed on the print server|May it be deleted?
41|normal|Quayside Dental|Applications|X-ray viewer shows an empty list of patients|The vendor wants a remote session
14|high|Quayside Dental|Security|Somebody in reception has typed a password into a false page|
76|normal|Fern & Sons|Files|Folder of the year 2019 is read-only for everybody|
19|normal|Fern & Sons|Mail|Mails to one customer come back with code 550|Is our address on a list?
"""
PLACES = ("", ", second floor", ", branch office")
REASONS = (
    "I have run out of ideas.",
    "Only the domain admins can look at it.",
    "They need it before the shop opens.",
)


def busy(team: Team, service: Service, rounds: int = len(PLACES)) -> list[str]:
    """Hand off all cases several times and let them have waited; the ids, the longest waiting first."""
    cases = [line.split("|") for line in CASES.strip().splitlines()]
    wanted = sorted(
        ((int(case[0]) + 7 * turn, turn, case) for turn in range(rounds) for case in cases),
        key=lambda each: each[:2],
        reverse=True,
    )
    made = [_hand_off(team, number, turn, case) for number, (_, turn, case) in enumerate(wanted)]
    age(team, service, {each["id"]: minutes for each, (minutes, *_) in zip(made, wanted, strict=True)})
    return [each["id"] for each in made]


def _hand_off(team: Team, number: int, turn: int, case: list[str]) -> dict[str, Any]:
    _, priority, client, category, title, ask = case
    target = {9: team.senior, 30: team.senior, 14: team.senior2, 41: team.senior2}.get(number)
    step = {"kind": "action", "text": "Restarted it, and it is as before.", "outcome": "failed"}
    return team.junior.hand_off(
        f"T-{2000 + number}",
        title=f"{title}{PLACES[turn]}",
        client=client,
        category=category,
        priority=priority,
        reason=REASONS[number % len(REASONS)],
        ask=ask or None,
        steps=[step] * (number % 9),
        target_user_id=target.id if target else None,
    )


def age(team: Team, service: Service, minutes: dict[str, int]) -> None:
    """Let handoffs have been waiting for so long, as rows and as cards."""
    statement = text(
        "UPDATE handoffs SET created_at = now() - :ago, card = card || jsonb_build_object('created_at',"
        " rfc3339(now() - :ago)) WHERE account_id = :account AND id = :id"
    )
    with environment(service.variables), transaction(team.junior.account_id) as session:
        for handoff_id, each in minutes.items():
            values = {"ago": timedelta(minutes=each), "account": team.junior.account_id, "id": handoff_id}
            session.execute(statement, values)
