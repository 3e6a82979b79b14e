"""Packed weights go to a hub and come back, by the real client against a server on loopback."""

import hashlib
import os

import huggingface_hub
import pytest
import yaml
from loopback.hub import Hub, serve

from qontrast.basics.errors import InputError
from qontrast.weights import catalogue
from qontrast.weights.find import find_weights, pull_named
from qontrast.weights.hub import cached, is_repository, pull, push


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub that the environment points to, with an empty cache; nothing waits before it tries again."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    held = Hub()
    server = serve(held)
    monkeypatch.setenv("HF_ENDPOINT", held.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.file_download.time, "sleep", lambda _: None)
    yield held
    huggingface_hub.close_session()
    server.shutdown()
    server.server_close()


@pytest.fixture
def held(hub, packed):
    """The hub with the packed weights in ``me/brains``."""
    hub.repos["me/brains"] = {"model.safetensors": packed.read_bytes()}
    return hub


def test_what_is_pushed_is_pulled_byte_by_byte(hub, packed):
    url = push(packed, "me/brains")
    assert url == f"{hub.url}/me/brains/commit/{hub.commit_of('me/brains')}"
    assert set(hub.repos["me/brains"]) == {"model.safetensors", "README.md"}
    assert hub.tokens == {"Bearer hf_made_up"}
    found = pull("me/brains")
    assert found.read_bytes() == packed.read_bytes() == hub.blobs[hashlib.sha256(packed.read_bytes()).hexdigest()]


def test_the_card_on_the_hub_has_front_matter_and_says_what_it_is_not(hub, packed):
    push(packed, "me/brains")
    _, front, text = hub.repos["me/brains"]["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "cc-by-4.0"
    assert 'qontrast.load("me/brains")' in text
    assert "Not a medical device" in text
    assert "/data/site" not in text


def test_pushing_again_goes_into_the_same_repository(hub, packed):
    assert push(packed, "me/brains") == push(packed, "me/brains")
    assert list(hub.repos) == ["me/brains"]


def test_what_was_pulled_needs_no_hub(held):
    assert cached("me/brains") is None
    first = find_weights("me/brains")
    held.refuse["/"] = 503
    asked = len(held.asked)
    assert find_weights("me/brains") == cached("me/brains") == first
    assert len(held.asked) == asked


def test_a_revision_is_a_commit(held):
    commit = held.commit_of("me/brains")
    assert pull(f"me/brains@{commit}") == pull("me/brains")
    with pytest.raises(InputError, match=r"me/brains@v9 at .*found no such revision.*Leave out @revision"):
        pull("me/brains@v9")


def test_a_short_name_stands_for_its_repository(held, monkeypatch):
    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", "me/brains")
    assert find_weights("tiny") == pull_named("tiny") == pull("me/brains")
    with pytest.raises(InputError, match=r"tinny: found nothing of that name.*Did you mean 'tiny'"):
        find_weights("tinny")


def test_a_connection_that_breaks_is_taken_up_where_it_broke(held, packed, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 500)  # it goes on at whole pieces of 10 MB
    held.cut = [3000, 1000]
    assert pull("me/brains").read_bytes() == packed.read_bytes()
    ranges = [r for command, _, r in held.asked if command == "GET"]
    assert ranges == [None, "bytes=3000-", "bytes=4000-"]


def test_a_body_that_is_always_cut_short_is_refused_and_leaves_nothing(held, tmp_path):
    held.cut = [3000] + [0] * 20
    with pytest.raises(InputError, match=r"me/brains at http://127\.0\.0\.1.*a transfer that failed.*Try again"):
        pull("me/brains")
    assert cached("me/brains") is None
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.stat().st_size > 200] == []


def test_a_file_that_was_altered_on_its_way_is_refused_and_deleted(held, packed):
    size = packed.stat().st_size
    held.alter = {size - 100: packed.read_bytes()[size - 100] ^ 1}
    with pytest.raises(InputError, match=r"me/brains: found a download that cannot be used .*SHA-256.*deleted: pull"):
        pull("me/brains")
    assert cached("me/brains") is None
    held.alter = {}
    assert pull("me/brains").read_bytes() == packed.read_bytes()


REFUSALS = {
    "no repository": ("me/absent", "no such repository, or a private one.*HF_TOKEN"),
    "no file": ("me/empty", "a repository without model.safetensors.*weights push"),
    "no name": ("brains", "no name of a repository; wanted owner/repo"),
    "other name": ("me/bra ins", "no name of a repository"),
}


@pytest.mark.parametrize(("name", "pattern"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_not_there_is_said(held, name, pattern):
    held.repos["me/empty"] = {}
    with pytest.raises(InputError, match=pattern) as caught:
        pull(name)
    assert str(caught.value).startswith(name)


def test_without_a_connection_the_remedy_is_said(hub, packed, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.utils._http.time, "sleep", lambda _: None)
    with pytest.raises(InputError, match=r"found no answer; wanted a connection. Check the network and HF_ENDPOINT"):
        pull("me/brains")
    with pytest.raises(InputError, match=r"a transfer that failed.*check the network"):
        push(packed, "me/brains")


def test_a_hub_that_refuses_an_upload_is_told_with_what_to_do(hub, packed):
    hub.refuse["/api/repos/create"] = 403
    with pytest.raises(InputError, match=r"found status 403.*Set HF_TOKEN to a token that may write"):
        push(packed, "me/brains")


def test_only_packed_weights_are_pushed(hub, finished_run):
    with pytest.raises(InputError, match=r"weights that were not packed.*weights pack"):
        push(finished_run / "encoder.safetensors", "me/brains")
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("a/b", True),
        ("a/b@v1", True),
        ("a", False),
        ("a/b/c", False),
        ("../b", False),
        ("-a/b", False),
        ("a/b..c", False),
        ("a/b c", False),
        ("", False),
    ],
)
def test_names_of_repositories(name, is_one):
    assert is_repository(name) is is_one
