"""Languages by their tags (BCP 47): `de`, `pt-BR`, `zh-Hant`."""

from __future__ import annotations

import re

_TAG = re.compile(r"(?P<code>[a-z]{2,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|\d{3}))?", re.IGNORECASE)


def tag(written: str) -> str | None:
    """Return the tag in its one form, or None if it names no language. Variants and extensions are not known."""
    parts = _TAG.fullmatch(written.strip().replace("_", "-"))
    known = _language(parts["code"].lower()) if parts else None
    if parts is None or known is None:
        return None
    code, script, region = known[0], (parts["script"] or "").title(), (parts["region"] or "").upper()
    return "-".join(part for part in (code, script, region) if part)


def name(tag: str) -> str:
    """Return the English name of a tag's language, with what the tag says of script and region: `Portuguese (BR)`."""
    code, *details = tag.split("-")
    known = _language(code)
    full = known[1] if known else code
    return f"{full} ({', '.join(details)})" if details else full


def _language(code: str) -> tuple[str, str] | None:
    """Return the shortest code of a language and its name, by ISO 639."""
    from iso639 import Language, LanguageNotFoundError  # half a second, which most processes never need

    try:
        found = Language.from_part1(code) if len(code) == 2 else Language.from_part3(code)
    except LanguageNotFoundError:
        return None
    return found.part1 or found.part3, found.name
