"""Names of weights to files: a path, a run's folder, a short name, a repository of the hub."""

from pathlib import Path

from qontrast.basics.errors import InputError, nearest
from qontrast.weights.catalogue import CATALOGUE, shipped
from qontrast.weights.encoder import ENCODER
from qontrast.weights.hub import cached, is_repository, pull

PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib")


def find_weights(name: str | Path) -> Path:
    """The file of the named weights; what is not on this machine is pulled from the hub.

    Args:
        name: an existing file; a folder of a pretraining run; the short name of weights that come with the library or
            are in the catalogue; or ``owner/repo``, which is taken from the cache where it was pulled before
            (``qontrast weights pull`` looks for a newer one).

    Raises:
        InputError: if nothing is called so, or it is a pickle.
    """
    path = Path(name)
    if path.is_dir():
        path = path / ENCODER
        if not path.is_file():
            raise InputError(
                path, "no such file", "a run's encoder", "Has the pretraining finished? (--resume goes on)"
            )
    if path.exists():
        refuse_pickle(path)
        return path
    name = str(name)
    there = shipped()
    if name in there:
        return there[name]
    if name in CATALOGUE:
        name = CATALOGUE[name]
    elif not is_repository(name) or path.parent.is_dir() or path.suffix in (".safetensors", *PICKLES):
        # In a folder that is there, a name is a path that is wrong; the hub is not asked.
        names = [*there, *CATALOGUE]
        known = nearest(name, names) if names else "No weights are published under short names yet."
        raise InputError(name, "nothing of that name", "a file, a run's folder or owner/repo", known)
    return cached(name) or pull(name)


def refuse_pickle(path: Path) -> None:
    """Refuse a pickle by its ending or its first bytes, without unpacking any of it.

    Raises:
        InputError: naming the file.
    """
    with path.open("rb") as stream:
        begin = stream.read(9)
    # A safetensors file begins with the length of its header, any bytes at all, and the header with a brace.
    pickled = begin[:1] == b"\x80" and begin[8:] != b"{"
    if path.suffix.lower() in PICKLES or pickled or begin[:4] == b"PK\x03\x04":
        raise InputError(
            path,
            "a pickle or archive, which can hold code",
            "safetensors",
            "For the method's own checkpoints use qontrast.load_encoder: it reads plain tensors and nothing else.",
        )


def pull_named(name: str) -> Path:
    """Download a catalogue's weights or a repository's, the newest there are, and check every byte.

    Raises:
        InputError: see :func:`qontrast.weights.hub.pull`.
    """
    return pull(CATALOGUE.get(name, name))
