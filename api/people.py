"""The caller, and the people who can be given work."""

from __future__ import annotations

from flask import Response
from flask_smorest import Blueprint

from api.auth import caller, requires
from api.http.answers import answer
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas import MeSchema, NothingQuery, PeopleSchema, QuestionsSchema
from models import account
from models.handoff import questions
from models.transaction import one_message, transaction

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
@blueprint.arguments(NothingQuery, location="query")
@blueprint.response(200, PeopleSchema)
@problems()
def index(_: dict[str, str]) -> Response:
    """Those whom a handoff may be meant for or reassigned to: active engineers and admins, by name."""
    account_id = caller().account_id
    with transaction(account_id) as session:
        found = account.people(session, account_id)
    return answer({"items": [{"id": str(user.id), "name": user.name, "role": user.role} for user in found]})
