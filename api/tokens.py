"""API tokens of the account's people, for its admins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint

from api.auth import caller, requires
from api.http.answers import answer, page_position, page_token
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas.people import IssuedTokenSchema, NewTokenSchema, TokenPageSchema, TokenSchema, TokensQuery
from models import account, people
from models.account import ApiToken, User
from models.feed.card import rfc3339
from models.transaction import administration

blueprint = Blueprint("tokens", __name__, url_prefix="/api/v1", description="Who gets in")
blueprint.ARGUMENTS_PARSER = StrictParser()


@blueprint.post("/people/<uuid:person_id>/tokens")
@requires("admin")
@blueprint.arguments(NewTokenSchema)
@blueprint.response(201, IssuedTokenSchema)
@problems(404, 409)
def issue(body: dict[str, Any], person_id: UUID) -> Response:
    """Issue a token. Its secret is in this answer alone: it is not stored."""
    days = body["expires_days"]
    lifetime = None if days is None else timedelta(days=days)
    who = caller()
    made, person, secret = people.issue_token(
        who.account_id, person_id, name=body["name"], expires_in=lifetime, by=who.user_id
    )
    return answer(show(made, person) | {"token": secret}, 201)


@blueprint.get("/people/<uuid:person_id>/tokens")
@requires("admin")
@blueprint.arguments(TokensQuery, location="query")
@blueprint.response(200, TokenPageSchema)
@problems(404)
def index(query: dict[str, Any], person_id: UUID) -> Response:
    """Somebody's tokens, the newest first, those that have ended too."""
    account_id, limit, page = caller().account_id, query["limit"], query.get("page")
    whose = {"person": person_id}
    before = UUID(page_position(account_id, "tokens", whose, page)[0]) if page else None
    with administration(account_id) as session:
        found = people.tokens(session, account_id, person_id, before=before, most=limit + 1)
        items = [show(token, person) for token, person in found[:limit]]
    more = page_token(account_id, "tokens", whose, [items[-1]["id"]]) if len(found) > limit else None
    return answer({"items": items, "next_page": more})


@blueprint.get("/tokens/<uuid:token_id>")
@requires("admin")
@blueprint.response(200, TokenSchema)
@problems(404)
def read(token_id: UUID) -> Response:
    """One token, without its secret."""
    with administration(caller().account_id) as session:
        shown = show(*account.find_token(session, token_id, caller().account_id))
    return answer(shown)


@blueprint.delete("/tokens/<uuid:token_id>")
@requires("admin")
@blueprint.response(200, TokenSchema)
@problems(404)
def revoke(token_id: UUID) -> Response:
    """Revoke a token. It writes nothing more, and reads nothing within 30 seconds."""
    token, person, _ = people.revoke_token(caller().account_id, token_id, by=caller().user_id)
    return answer(show(token, person))


def show(token: ApiToken, person: User) -> dict[str, Any]:
    """Represent a token without its secret."""
    return {
        "id": str(token.id),
        "name": token.name,
        "prefix": token.prefix,
        "person": {"id": str(person.id), "name": person.name},
        "state": people.state_of(token, person),
        "created_at": rfc3339(token.created_at),
        "expires_at": rfc3339(token.expires_at),
        "revoked_at": rfc3339(token.revoked_at),
        "last_used_at": rfc3339(token.last_used_at),
    }
