"""Packed weights from and to the hub (huggingface_hub): its address is HF_ENDPOINT, its token HF_TOKEN."""

import os
import re
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from qontrast.basics.errors import InputError, QontrastError
from qontrast.weights.card import CARD, model_card, packed
from qontrast.weights.contract import read_weights
from qontrast.weights.seal import seal_of

FILE = "model.safetensors"
"""Name of the weights in a repository."""

_REPOSITORY = re.compile(r"^([\w.-]+/[\w.-]+)(?:@([\w./-]+))?$", re.ASCII)


def is_repository(name: str) -> bool:
    """Whether a name may be that of a repository: ``owner/repo`` or ``owner/repo@revision``."""
    match = _REPOSITORY.match(name)
    try:
        huggingface_hub.utils.validate_repo_id(match.group(1) if match else "")
    except HFValidationError:
        return False
    return match is not None


def cached(name: str) -> Path | None:
    """The file of a repository that was pulled before; None if there is none."""
    repo, revision = _parts(name)
    found = huggingface_hub.try_to_load_from_cache(repo, FILE, cache_dir=_cache(), revision=revision)
    return Path(found) if isinstance(found, str) else None


def pull(name: str) -> Path:
    """Download the weights of a repository, or find them in the cache, and check every byte.

    A connection that breaks is taken up again where it broke. A file that does not have its own checksum is deleted.

    Args:
        name: ``owner/repo`` or ``owner/repo@revision``.

    Returns:
        The file in the cache (``HF_HUB_CACHE``, else below ``HF_HOME``, else in ``~/.cache/huggingface``).

    Raises:
        InputError: if there is no such repository or file, no connection, or the file is not whole.
    """
    repo, revision = _parts(name)
    try:
        found = huggingface_hub.hf_hub_download(
            repo, FILE, revision=revision, cache_dir=_cache(), endpoint=_endpoint(), library_name="qontrast"
        )
    except Exception as error:  # the library raises errors of its own, its HTTP client's and the system's
        raise _explained(name, error) from error
    path = Path(found)
    try:
        read_weights(path, "encoder")
    except InputError as error:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise InputError(
            name, f"a download that cannot be used ({error})", "packed weights", "It was deleted: pull again."
        ) from error
    return path


def push(file: Path, repo: str, *, private: bool = False) -> str:
    """Upload packed weights with their model card, in one commit; the repository is made if there is none.

    Args:
        file: that `qontrast weights pack` wrote.
        repo: ``owner/repo``.
        private: make a new repository private.

    Returns:
        The commit's address.

    Raises:
        InputError: if the file is not packed weights, or the hub refuses it.
    """
    repo, revision = _parts(repo)
    tensors, contract = read_weights(file, "encoder")
    packed(contract, file)
    half = any(value.element_size() == 2 for value in tensors.values())
    card = model_card(contract, seal_of(file), repo, half=half)
    api = huggingface_hub.HfApi(endpoint=_endpoint(), library_name="qontrast")
    add = huggingface_hub.CommitOperationAdd
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        operations = [add(FILE, str(file)), add(CARD, card.encode())]
        commit = api.create_commit(repo, operations, commit_message="Upload weights", revision=revision)
    except Exception as error:  # see pull
        raise _explained(repo, error) from error
    return str(commit.commit_url)


def _parts(name: str) -> tuple[str, str | None]:
    match = _REPOSITORY.match(name)
    if match is None or not is_repository(name):
        raise InputError(
            name, "no name of a repository", "owner/repo or owner/repo@revision", "For instance me/brains."
        )
    return match.group(1), match.group(2)


def _endpoint() -> str | None:
    """Read at every call: the library reads it once, when it is imported."""
    return os.environ.get("HF_ENDPOINT") or None


def _cache() -> str | None:
    return os.environ.get("HF_HUB_CACHE") or None


def _explained(name: str, error: Exception) -> QontrastError:
    """What went wrong at the hub, in the user's terms."""
    if isinstance(error, QontrastError):
        return error
    where = f"{name} at {_endpoint() or huggingface_hub.constants.ENDPOINT}"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else 0
    if isinstance(error, GatedRepoError):
        return InputError(where, "a gated repository", "access to it", "Accept its terms there, and set HF_TOKEN.")
    if isinstance(error, LocalEntryNotFoundError):
        return InputError(
            where, "no answer", "a connection", "Check the network and HF_ENDPOINT; what was pulled before still loads."
        )
    if isinstance(error, RevisionNotFoundError):
        return InputError(where, "no such revision", "a branch, tag or commit", "Leave out @revision for the newest.")
    if isinstance(error, EntryNotFoundError):
        return InputError(
            where, f"a repository without {FILE}", "packed weights", "Did `qontrast weights push` make it?"
        )
    if isinstance(error, RepositoryNotFoundError):
        return InputError(
            where,
            "no such repository, or a private one",
            "a repository",
            "Check the name; for private ones set HF_TOKEN.",
        )
    if status in (401, 403):
        return InputError(where, f"status {status}", "leave to do so", "Set HF_TOKEN to a token that may write there.")
    said = str(error).strip().split("\n")[0] or type(error).__name__
    return InputError(where, f"a transfer that failed ({said})", "a whole transfer", "Try again; check the network.")
