"""Static files: browsers keep them as long as their content is unchanged."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from api import assets


def test_the_address_of_a_file_holds_its_version_and_is_kept_for_a_year(client: FlaskClient) -> None:
    page = client.get("/sign-in").text
    address = re.search(r'href="(/static/v-\w+/css/base.css)"', page)
    assert address
    answer = client.get(address[1])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/static/css/base.css", "/static/v-000000000000/css/base.css"])
def test_another_version_is_answered_and_asked_for_again(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_another_content_has_another_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = []
    for text in ("one", "two", "one"):
        folder = tmp_path_factory.mktemp("static")
        (folder / "a.js").write_text(text)
        monkeypatch.setattr(assets, "FOLDER", folder)
        assets.digest.cache_clear()
        found.append(assets.digest())
    assets.digest.cache_clear()
    assert found[0] == found[2] != found[1]


def test_a_browser_is_told_of_every_module_that_a_script_imports() -> None:
    named = set(assets.imported_by("queue.js"))
    assert {"api.js", "feed.js", "card.js", "words.js", "dom.js"} <= named
    imports = re.compile(r'from "\./([a-z]+\.js)"')
    texts = [(assets.FOLDER / "js" / name).read_text() for name in (*named, "queue.js")]
    assert {found for text in texts for found in imports.findall(text)} == named
