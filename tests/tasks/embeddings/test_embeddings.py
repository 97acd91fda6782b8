"""The models that embed texts: which one is built, what their vectors say, and what happens when there are none."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from models.assessment.case import Case
from models.assessment.vectors import cosine, pack
from models.settings import SettingsError, settings
from tasks import embeddings
from tasks.embeddings import EmbeddingError, build, meaning_of
from tests.conftest import environment

SOME = UUID(int=1)
NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


@contextmanager
def chosen(value: str, **more: str) -> Iterator[None]:
    with environment({**NOWHERE, "EMBEDDINGS": value, **more}):
        yield


def a_case(problem: str, title: str = "") -> Case:
    return Case(SOME, SOME, SOME, title, problem, reason="")


def alike(one: str, two: str) -> float:
    embedder = build(settings())
    assert embedder
    return cosine(*map(pack, embedder.embed([one, two])))


def test_a_paraphrase_is_nearer_than_another_topic(model_folder: str) -> None:
    with chosen(f"onnx:{model_folder}"):
        asked = "Nothing comes out of the copier on the second floor."
        paraphrase = alike(asked, "The printer upstairs does not print any more.")
        foreign = alike(asked, "The VPN asks for a token that has expired.")
    assert paraphrase > 0.4
    assert foreign < 0.2


def test_a_text_has_the_same_vector_alone_and_among_others_of_any_length(model_folder: str) -> None:
    texts = ["Outlook hangs.", "The share on the file server is read only since the update. " * 40, ""]
    with chosen(f"onnx:{model_folder}"):
        embedder = build(settings())
        assert embedder
        together = embedder.embed(texts)
        assert [len(vector) for vector in together] == [384] * 3
        for text, vector in zip(texts, together, strict=True):
            assert cosine(pack(vector), pack(embedder.embed([text])[0])) > 0.999


def test_the_name_follows_the_content_of_the_model_and_not_its_place(model_folder: str, tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(Path(model_folder, name).read_bytes())
    names = []
    for folder in (model_folder, str(tmp_path)):
        with chosen(f"onnx:{folder}"):
            names.append(getattr(build(settings()), "name", None))
    assert names[0] == names[1]
    (tmp_path / "tokenizer.json").write_text(Path(model_folder, "tokenizer.json").read_text() + "\n")
    with chosen(f"onnx:{tmp_path}"):
        assert getattr(build(settings()), "name", None) != names[0]


def test_off_builds_nothing_and_a_process_builds_a_model_once(model_folder: str) -> None:
    with chosen("off"):
        assert build(settings()) is None
        assert meaning_of(a_case("The printer is offline.")) is None
    with chosen(f"onnx:{model_folder}"):
        assert build(settings()) is build(settings())


@pytest.mark.parametrize("value", ["on", "onnx", "onnx:", "onnx: ", "word2vec:x"])
def test_a_value_that_is_none_is_refused_in_one_line(value: str) -> None:
    with chosen(value), pytest.raises(SettingsError, match="EMBEDDINGS") as refused:
        settings()
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with chosen(f"onnx:{tmp_path}"), pytest.raises(SettingsError, match=r"has no model\.onnx"):
        build(settings())
    (tmp_path / "model.onnx").write_bytes(b"no model")
    (tmp_path / "tokenizer.json").write_text("{}")
    with chosen(f"onnx:{tmp_path}"), pytest.raises(SettingsError, match="cannot be read") as refused:
        build(settings())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "library", "named"),
    [
        ("onnx:x", "onnxruntime", r"requirements-embeddings\.txt"),
        ("fastembed:BAAI/bge-small-en-v1.5", "fastembed", "the package fastembed"),
        ("openai:text-embedding-3-small", "openai", r"requirements-ai\.txt"),
    ],
)
def test_a_missing_library_is_named_in_one_line(
    value: str, library: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"tasks.embeddings.{value.partition(':')[0]}", raising=False)
    monkeypatch.delattr(embeddings, value.partition(":")[0], raising=False)
    with chosen(value), pytest.raises(SettingsError, match=named) as refused:
        build(settings())
    assert "\n" not in str(refused.value)


def test_a_language_that_the_model_does_not_know_is_left_to_the_words(model_folder: str) -> None:
    german = a_case("Der Drucker im zweiten Stock druckt seit dem Update nicht mehr, obwohl er angeschaltet ist.")
    english = a_case("The printer on the second floor has not printed since the update, although it is on.")
    with chosen(f"onnx:{model_folder}"):
        assert meaning_of(german) is None
        assert meaning_of(english)
    for languages in ("de", "*"):
        with chosen(f"onnx:{model_folder}", EMBEDDINGS_LANGUAGES=languages):
            assert meaning_of(german)
    with chosen(f"onnx:{model_folder}", EMBEDDINGS_LANGUAGES="de"):
        assert meaning_of(english) is None


def test_a_model_that_cannot_be_loaded_leaves_a_case_to_the_words(tmp_path: Path) -> None:
    with chosen(f"onnx:{tmp_path}"):
        assert meaning_of(a_case("The printer is offline.")) is None


class Server(BaseHTTPRequestHandler):
    """A server of embeddings that repeats how long each text is, or fails."""

    asked: list[dict[str, Any]]
    status: int
    numbers: int

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, **body})
        # In another order than asked, as the index allows.
        data = [{"index": n, "embedding": [len(text)] * self.numbers} for n, text in enumerate(body["input"])][::-1]
        answer = json.dumps({"object": "list", "model": body["model"], "data": data}).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[type[Server]]:
    handler = type("Own", (Server,), {"asked": [], "status": 200, "numbers": 384})
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{listening.server_address[1]}/v1"
    with chosen("openai:small", OPENAI_API_KEY="sk-none", OPENAI_BASE_URL=url):
        yield handler
    listening.shutdown()
    listening.server_close()


def test_a_server_gets_redacted_texts_and_its_vectors_keep_their_order(server: type[Server]) -> None:
    embedder = build(settings())
    assert embedder
    vectors = embedder.embed(["Mail to anna@example.com bounces.", "Hi"])
    (asked,) = server.asked
    assert (asked["path"], asked["model"], asked["dimensions"]) == ("/v1/embeddings", "small", 384)
    assert asked["input"] == ["Mail to [email-1] bounces.", "Hi"]
    assert [vector[0] for vector in vectors] == [len("Mail to [email-1] bounces."), 2]
    assert embedder.name == "openai:small"


def test_a_server_that_fails_is_left_alone_for_a_while_and_words_count(server: type[Server]) -> None:
    server.status = 500
    embedder = build(settings())
    assert embedder
    with pytest.raises(EmbeddingError, match="status_500"):
        embedder.embed(["one"])
    server.status = 200
    with pytest.raises(EmbeddingError, match="paused"):
        embedder.embed(["one"])
    assert meaning_of(a_case("The printer is offline.")) is None
    assert len(server.asked) == 1


def test_vectors_of_another_length_are_refused(server: type[Server]) -> None:
    server.numbers = 3
    embedder = build(settings())
    assert embedder
    with pytest.raises(EmbeddingError, match="invalid_reply"):
        embedder.embed(["one"])


def test_a_server_needs_a_key() -> None:
    with chosen("openai:small", OPENAI_API_KEY=""), pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        build(settings())


FASTEMBED = """
class TextEmbedding:
    def __init__(self, model_name, threads=None):
        if model_name != "known":
            raise ValueError(f"Model {model_name} is not supported\\nSee the list.")

    def embed(self, documents):
        return ([float(len(text)), 1.0] for text in documents)
"""


def test_a_model_of_fastembed_is_used_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the package, whose models come from the internet."""
    (tmp_path / "fastembed.py").write_text(FASTEMBED)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("fastembed", "tasks.embeddings.fastembed"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with chosen("fastembed:known"):
        embedder = build(settings())
        assert embedder
        assert (embedder.name, embedder.embed(["one", "three"])) == ("fastembed:known", [[3.0, 1.0], [5.0, 1.0]])
    with chosen("fastembed:unknown"), pytest.raises(SettingsError, match="unknown is not supported") as refused:
        build(settings())
    assert "\n" not in str(refused.value)
    for name in ("fastembed", "tasks.embeddings.fastembed"):
        sys.modules.pop(name, None)
