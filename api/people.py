"""The caller, and the people of the account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint

from api.auth import caller, requires
from api.http.answers import answer
from api.http.errors import Problem
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas import MeSchema, NothingQuery, QuestionsSchema
from api.schemas.people import (
    ChangedColleagueSchema,
    ChangedPersonSchema,
    ColleagueSchema,
    NewPersonSchema,
    PeopleQuery,
    PeopleSchema,
)
from models import account, people
from models.account import Kind, Role
from models.feed.card import rfc3339
from models.handoff import questions
from models.people import Colleague
from models.transaction import administration, one_message, transaction

blueprint = Blueprint("people", __name__, url_prefix="/api/v1", description="Who is who")
blueprint.ARGUMENTS_PARSER = StrictParser()


@blueprint.get("/me")
@requires("viewer")
@blueprint.arguments(NothingQuery, location="query")
@blueprint.response(200, MeSchema)
@problems()
def me(_: dict[str, str]) -> Response:
    """Who you are, and the age limits of your account."""
    who = caller()
    within = {"id": str(who.account_id), "name": who.account_name}
    with transaction(who.account_id) as session:
        limits = account.age_limits(session, who.account_id)
    return answer({"id": str(who.user_id), "name": who.name, "role": who.role, "account": within, "limits": limits})


@blueprint.get("/me/questions")
@requires("viewer")
@blueprint.arguments(NothingQuery, location="query")
@blueprint.response(200, QuestionsSchema)
@problems()
def my_questions(_: dict[str, str]) -> Response:
    """What you are asked. A question is open until a step answers it, it is retracted, or its handoff is closed."""
    account_id = caller().account_id
    with one_message(account_id) as message:
        found = questions.waiting_for(message, account_id, caller().user_id)
    return answer({"items": found, "next_page": None})


@blueprint.get("/people")
@requires("viewer")
@blueprint.arguments(PeopleQuery, location="query")
@blueprint.response(200, PeopleSchema)
@problems()
def index(query: dict[str, Any]) -> Response:
    """Those whom a handoff may be meant for or reassigned to: active engineers and admins, by name."""
    account_id = caller().account_id
    if caller().is_admin:
        with administration(account_id) as session:
            found = people.everybody(session, account_id)
        return answer({"items": [show(each) for each in found if query["all"] or may_be_given_work(each)]})
    if query["all"]:
        raise Problem(403, "forbidden", "Only admins see everybody.")
    with transaction(account_id) as session:
        names = account.people(session, account_id)
    return answer({"items": [{"id": str(user.id), "name": user.name, "role": user.role} for user in names]})


def may_be_given_work(person: Colleague) -> bool:
    """Whether the list for everybody shows this person."""
    works = person.kind is Kind.PERSON and person.role.covers(Role.ENGINEER)
    return works and person.deactivated_at is None


@blueprint.post("/people")
@requires("admin")
@blueprint.arguments(NewPersonSchema)
@blueprint.response(201, ColleagueSchema)
@problems()
def add(body: dict[str, Any]) -> Response:
    """Add a person or a service account. They can do nothing before they have a token."""
    who, role, kind = caller(), Role(body["role"]), Kind(body["kind"])
    made = people.add(who.account_id, body["name"], role, kind, by=who.user_id)
    return answer(show(made), 201)


@blueprint.patch("/people/<uuid:person_id>")
@requires("admin")
@blueprint.arguments(ChangedPersonSchema)
@blueprint.response(200, ChangedColleagueSchema)
@problems(404, 409)
def change(body: dict[str, Any], person_id: UUID) -> Response:
    """Change a name or a role. What a new viewer has claimed goes back to the queue."""
    who, role = caller(), Role(body["role"]) if "role" in body else None
    changed, returned = people.change(who.account_id, person_id, name=body.get("name"), role=role, by=who.user_id)
    return answer(show(changed) | {"claims_returned": returned})


@blueprint.delete("/people/<uuid:person_id>")
@requires("admin")
@blueprint.response(200, ChangedColleagueSchema)
@problems(404, 409)
def deactivate(person_id: UUID) -> Response:
    """Take a person's access away for good. Their claims go back to the queue, their name stays where it is."""
    gone, returned = people.deactivate(caller().account_id, person_id, by=caller().user_id)
    return answer(show(gone) | {"claims_returned": returned})


def show(person: Colleague) -> dict[str, Any]:
    """Represent a person for admins."""
    return {
        "id": str(person.id),
        "name": person.name,
        "role": person.role,
        "kind": person.kind,
        "created_at": rfc3339(person.created_at),
        "last_seen_at": rfc3339(person.last_seen_at),
        "deactivated_at": rfc3339(person.deactivated_at),
        "claims": person.claims,
    }
