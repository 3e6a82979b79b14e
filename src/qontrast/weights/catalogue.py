"""Weights by a short name: those that come with the library, and those on the hub."""

from importlib.resources import files
from pathlib import Path

CATALOGUE: dict[str, str] = {}
"""Short name to the repository on the hub that holds the weights, ``owner/repo@revision``."""

FOLDER = Path(str(files("qontrast"))) / "weights" / "shipped"


def shipped() -> dict[str, Path]:
    """Short name to file of the weights that come with the library."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}
