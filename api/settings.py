"""The settings of the account, for its admins."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest import Blueprint

from api.auth import caller, requires
from api.http.answers import answer
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas.people import ChangedSettingsSchema, SettingsSchema
from models import account
from models.account import Account
from models.account.settings import FIXED, SETTINGS, Number, change
from models.settings import settings
from models.transaction import administration, transaction

blueprint = Blueprint("settings", __name__, url_prefix="/api/v1", description="How the account works")
blueprint.ARGUMENTS_PARSER = StrictParser()


@blueprint.get("/settings")
@requires("admin")
@blueprint.response(200, SettingsSchema)
@problems()
def read() -> Response:
    """Every setting: what the account has set, what counts, and what it does."""
    account_id = caller().account_id
    with transaction(account_id) as session:
        return answer(show(account.find_account(session, str(account_id))))


@blueprint.patch("/settings")
@requires("admin")
@blueprint.arguments(ChangedSettingsSchema)
@blueprint.response(200, SettingsSchema)
@problems()
def write(body: dict[str, Any]) -> Response:
    """Change some settings. null gives one back to the installation."""
    who = caller()
    with administration(who.account_id) as session:
        found = account.find_account(session, str(who.account_id))
        change(session, found, body, by=who.user_id)
    return answer(show(found))


def show(found: Account) -> dict[str, Any]:
    """Represent an account's settings, and what the installation decides for it."""
    own = {
        name: {
            "value": setting.value(found),
            "effective": setting.effective(found),
            "label": setting.label,
            "description": setting.effect,
            "unit": setting.unit if isinstance(setting, Number) else None,
            "least": setting.least if isinstance(setting, Number) else None,
            "most": setting.most if isinstance(setting, Number) else None,
        }
        for name, setting in SETTINGS.items()
    }
    fixed = {
        name: {"value": each.value(settings()), "label": each.label, "description": each.effect, "unit": each.unit}
        for name, each in FIXED.items()
    }
    return own | {"installation": fixed}
