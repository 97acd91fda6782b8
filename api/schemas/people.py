"""Requests and responses about the people of an account, their tokens and its settings."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from api.schemas import Filled, PersonSchema, Text, one_of
from models.account import Kind, Role
from models.account.settings import FIXED, SETTINGS, Number
from models.people import TOKEN_DAYS, TokenState

MOST_DAYS = 3650


def _time() -> fields.String:
    return fields.String(metadata={"format": "date-time"}, allow_none=True)


class PeopleQuery(Schema):
    """Which people a list shows."""

    all = fields.Boolean(
        load_default=False,
        metadata={
            "description": "Also viewers, service accounts and people who have been deactivated. For admins alone."
        },
    )


class NewPersonSchema(Schema):
    """Somebody who joins the account."""

    name = Filled(most=200, required=True)
    role = one_of(Role, required=True)
    kind = one_of(
        Kind,
        load_default=Kind.PERSON.value,
        metadata={"description": "A service has tokens, but cannot sign in to the pages."},
    )


class ChangedPersonSchema(Schema):
    """What is different about a person now."""

    name = Filled(most=200)
    role = one_of(Role)


class ColleagueSchema(PersonSchema):
    """A person that work may go to. Admins see more: when one of their tokens was used last, and what they hold."""

    role = one_of(Role)
    kind = one_of(Kind)
    created_at = _time()
    last_seen_at = _time()
    deactivated_at = _time()
    claims = fields.Integer()


class ChangedColleagueSchema(ColleagueSchema):
    """A person after a change, and how many of their claims went back to the queue by it."""

    claims_returned = fields.Integer()


class PeopleSchema(Schema):
    """People by name."""

    items = fields.List(fields.Nested(ColleagueSchema))


class NewTokenSchema(Schema):
    """What a token is for, and how long it works."""

    name = Filled(most=200, required=True)
    expires_days = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=TOKEN_DAYS,
        validate=validate.Range(1, MOST_DAYS),
        metadata={"description": "null: until it is revoked."},
    )


class TokenSchema(Schema):
    """A token without its secret, of which `prefix` is the beginning."""

    id = fields.UUID()
    name = fields.String(allow_none=True)
    prefix = fields.String()
    person = fields.Nested(PersonSchema)
    state = one_of(TokenState)
    created_at = _time()
    expires_at = _time()
    revoked_at = _time()
    last_used_at = _time()


class IssuedTokenSchema(TokenSchema):
    """A new token with its secret, which is shown this once."""

    token = fields.String()


class TokenPageSchema(Schema):
    """A page of somebody's tokens, the newest first."""

    items = fields.List(fields.Nested(TokenSchema))
    next_page = fields.String(allow_none=True)


class TokensQuery(Schema):
    """Which page of the tokens."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    page = Text(most=1000)


class SettingSchema(Schema):
    """A setting: what the account has set (null: the installation's counts), what counts, and its effect in words."""

    value = fields.Raw(allow_none=True)
    effective = fields.Raw(allow_none=True)
    label = fields.String()
    description = fields.String()
    unit = fields.String(allow_none=True)
    least = fields.Integer(allow_none=True)
    most = fields.Integer(allow_none=True)


class FixedSchema(Schema):
    """What the installation decides for every account."""

    value = fields.Raw()
    label = fields.String()
    description = fields.String()
    unit = fields.String(allow_none=True)


def _wanted(setting: Any) -> fields.Field[Any]:
    described = {"description": f"{setting.effect} null: the installation's."}
    if isinstance(setting, Number):
        within = validate.Range(setting.least, setting.most)
        return fields.Integer(strict=True, allow_none=True, validate=within, metadata=described)
    return Text(most=35, allow_none=True, metadata=described)


ChangedSettingsSchema = Schema.from_dict(
    {name: _wanted(setting) for name, setting in SETTINGS.items()}, name="ChangedSettings"
)
_FIXED: dict[str, fields.Field[Any]] = {name: fields.Nested(FixedSchema) for name in FIXED}
InstallationSchema = Schema.from_dict(_FIXED, name="Installation")
_OWN: dict[str, fields.Field[Any]] = {name: fields.Nested(SettingSchema) for name in SETTINGS}
SettingsSchema = Schema.from_dict(_OWN | {"installation": fields.Nested(InstallationSchema)}, name="Settings")
