"""Examples for the OpenAPI document: one bad morning at a clinic, request by request."""

from __future__ import annotations

from typing import Any

H = "/api/v1/handoffs/{handoff_id}"
JO = {"id": "0192f0c1-7a00-7000-8000-000000000001", "name": "Jo Junior"}
SAM = {"id": "0192f0c1-7a00-7000-8000-000000000002", "name": "Sam Senior"}

STEP = {"kind": "action", "text": "Sent a test scan to an outside address.", "outcome": "failed"}

INTAKE = {
    "intent": "escalate",
    "priority": "high",
    "reason": "I have run out of ideas and the clinic opens at eight.",
    "ask": "Is this the relay or the copier?",
    "session": {
        "external_id": "T-1042",
        "title": "Copier cannot send scans to e-mail",
        "problem": "Since this morning every scan to e-mail ends with error 2203 SMTP auth.",
        "category": "Printing",
        "client": "Northwind Clinic",
        "asset": "CP-1F",
        "steps": [STEP],
    },
}

CARD = {
    "id": "0192f0c1-7a00-7000-8000-00000000002a",
    "intent": "escalate",
    "status": "ready",
    "version": 2,
    "priority": "high",
    "reason": "I have run out of ideas and the clinic opens at eight.",
    "ask": "Is this the relay or the copier?",
    "session": {
        "external_id": "T-1042",
        "title": "Copier cannot send scans to e-mail",
        "problem": "Since this morning every scan to e-mail ends with error 2203 SMTP auth.",
        "category": "Printing",
        "client": "Northwind Clinic",
        "asset": "CP-1F",
        "steps_count": 1,
    },
    "handed_off_by": JO,
    "target": None,
    "claimed_by": None,
    "created_at": "2026-03-02T07:12:08.120000+00:00",
    "ready_at": "2026-03-02T07:12:09.310000+00:00",
    "claimed_at": None,
    "first_action_at": None,
    "lease_until": None,
    "snoozed_until": None,
    "snooze_reason": None,
    "resolved_at": None,
    "resolution": None,
    "seq": 318,
    "returns": 0,
    "overdue": False,
    "questions_open": 0,
    "assessment_state": "succeeded",
    "assessment": {
        "summary": "Scans to e-mail fail with an authentication error on one copier since this morning.",
        "likely_cause": {"text": "The copier signs in with a protocol that the relay refuses."},
        "confidence": "medium",
        "source": "extractive",
    },
}

GENERATION = {
    "state": {"value": "open", "evidence": ["step:1"]},
    "summary": "Scans to e-mail fail with an authentication error on one copier since this morning.",
    "what_we_know": [
        {
            "text": "Every scan to e-mail ends with error 2203.",
            "quote": "every scan to e-mail ends with error 2203 SMTP auth",
            "evidence": ["problem"],
        }
    ],
    "do_not_repeat": [
        {
            "text": "A test scan to an outside address",
            "quote": "Sent a test scan to an outside address",
            "evidence": ["step:1"],
            "outcome": "failed",
        }
    ],
    "likely_cause": None,
    "suggested_steps": [],
    "confidence": "low",
    "similar": [],
    "questions": ["Did anything change on the copier or the relay?"],
    "generation": 1,
    "assessment_state": "succeeded",
    "source": "openai:gpt-5-mini",
    "prompt_version": "2",
    "input_hash": "0f" * 32,
    "steps_seen": 1,
    "steps_newer": 0,
    "retracted_evidence": [],
    "queued_at": "2026-03-02T07:12:08.120000+00:00",
    "started_at": "2026-03-02T07:12:08.140000+00:00",
    "finished_at": "2026-03-02T07:12:09.310000+00:00",
    "attempts": 1,
    "provider_calls": 1,
    "dropped_evidence": 0,
    "tokens_in": 2410,
    "tokens_out": 385,
    "cost": 0.0014,
    "error_kind": None,
}

ROW = {**CARD, "unread": True}
LIMITS = {"amber_minutes": 15, "red_minutes": 60, "urgent_amber_minutes": 5, "urgent_red_minutes": 15}
SAMS_DETAILS = {
    **SAM,
    "role": "engineer",
    "kind": "person",
    "created_at": "2026-01-12T08:00:00.000000+00:00",
    "last_seen_at": "2026-03-02T07:11:40.000000+00:00",
    "deactivated_at": None,
    "claims": 2,
}

TOKEN = {
    "id": "0192f0c1-7a00-7000-8000-0000000000f1",
    "name": "Laptop",
    "prefix": "rf_Zk3vQ8sT",
    "person": SAM,
    "state": "active",
    "created_at": "2026-03-02T07:00:00.000000+00:00",
    "expires_at": "2026-05-31T07:00:00.000000+00:00",
    "revoked_at": None,
    "last_used_at": None,
}

BODIES: dict[tuple[str, str], Any] = {
    ("post", "/api/v1/handoffs"): INTAKE,
    ("put", f"{H}/read"): {"seq": 318},
    ("post", f"{H}/reassign"): {"user_id": SAM["id"], "reason": "You know this relay."},
    ("post", f"{H}/resolve"): {
        "resolution": "Set TLS 1.2 under Security > SMTP.",
        "root_cause": "A firmware update had switched the copier back to TLS 1.0.",
    },
    ("patch", H): {"priority": "urgent", "target_user_id": None},
    ("post", f"{H}/snooze"): {
        "until": "2026-03-03T08:00:00Z",
        "reason": "The copier room opens at eight.",
    },
    ("post", f"{H}/assessments/{{generation}}/feedback"): {"rating": "helpful", "comment": "Pointed at TLS at once."},
    ("post", "/api/v1/sessions/{external_id}/steps"): STEP,
    ("patch", "/api/v1/sessions/{external_id}"): {"title": "Copier CP-1F cannot send scans", "asset": None},
    ("post", "/api/v1/people"): {"name": "Noa Lind", "role": "engineer"},
    ("patch", "/api/v1/people/{person_id}"): {"role": "admin"},
    ("post", "/api/v1/people/{person_id}/tokens"): {"name": "Laptop", "expires_days": 90},
    ("patch", "/api/v1/settings"): {"claim_lease_minutes": 45, "language": "de"},
    ("post", "/api/v1/batches"): {"kind": "reassess", "filter": {"status": ["ready"]}, "dry_run": True},
}

ANSWERS: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/handoffs"): {"items": [ROW], "next_page": None},
    ("get", "/api/v1/queue"): {"items": [ROW], "next_page": None, "cursor": "MS4yZjFjLjMxOC5hbGw.5mJc0gq1x2c"},
    ("get", "/api/v1/feed"): {
        "events": [
            {"seq": 318, "type": "handoff.ready", "at": "2026-03-02T07:12:09.312000+00:00", "handoff": CARD},
        ],
        "from": 317,
        "to": 318,
        "head": 318,
        "has_more": False,
        "cursor": "MS4yZjFjLjMxOC5hbGw.5mJc0gq1x2c",
    },
    ("get", "/api/v1/me"): {
        **SAM,
        "role": "engineer",
        "account": {"id": JO["id"], "name": "Night Owl IT"},
        "limits": LIMITS,
    },
    ("put", f"{H}/read"): {"seq": 318},
    ("get", "/api/v1/queue/counts"): {
        "views": {
            "waiting": {"total": 12, "urgent": 1, "unread": 4},
            "for_me": {"total": 1, "urgent": 0, "unread": 1},
            "mine": {"total": 3, "urgent": 0, "unread": 0},
            "handed_off": {"total": 8, "urgent": 0, "unread": 2},
            "resolved": {"total": 214},
        },
        "seq": 318,
    },
    ("get", "/api/v1/people"): {"items": [{**JO, "role": "engineer"}, {**SAM, "role": "engineer"}]},
    ("get", "/api/v1/audit"): {
        "items": [
            {
                "seq": 41,
                "at": "2026-03-02T16:30:11.480000+00:00",
                "kind": "batch.started",
                "by": SAM,
                "handoff_id": None,
                "subject": "batch:0192f0c1-7a00-7000-8000-00000000003c",
                "note": "120 handoffs",
                "hash": "5e" * 32,
            },
        ],
        "next_page": None,
    },
    ("get", "/api/v1/me/questions"): {
        "items": [
            {
                "handoff_id": CARD["id"],
                "session": {"external_id": "T-1042", "title": "Copier cannot send scans to e-mail"},
                "step": 2,
                "text": "Which firmware does the copier have?",
                "asked_by": SAM,
                "at": "2026-03-02T07:20:41.500000+00:00",
            },
        ],
        "next_page": None,
    },
    ("patch", "/api/v1/people/{person_id}"): {**SAMS_DETAILS, "role": "admin", "claims_returned": 0},
    ("get", "/api/v1/people/{person_id}/tokens"): {"items": [TOKEN], "next_page": None},
    ("post", "/api/v1/people/{person_id}/tokens"): {**TOKEN, "token": "rf_Zk3vQ8sT…"},
    ("get", "/api/v1/tokens/{token_id}"): TOKEN,
    ("get", f"{H}/assessments"): {"items": [GENERATION], "next_page": None},
    ("get", f"{H}/timeline"): {
        "items": [
            {
                "at": "2026-03-02T07:12:08.120000+00:00",
                "kind": "handoff.created",
                "by": JO,
                "seq": 317,
                "note": None,
            },
        ],
        "next_page": None,
    },
}
