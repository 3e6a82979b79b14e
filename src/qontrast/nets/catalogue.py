"""Every encoder by its name."""

from collections.abc import Callable

from qontrast.basics.errors import InputError, nearest
from qontrast.nets.encoder import CNNEncoder

NETS: dict[str, Callable[[], CNNEncoder]] = {
    "cnn": lambda: CNNEncoder((64, 128, 256, 512, 768)),
    "cnn-nano": lambda: CNNEncoder((16, 32, 64, 128, 192)),
}


def build_encoder(name: str) -> CNNEncoder:
    """The named encoder with fresh weights.

    Raises:
        InputError: for an unknown name, with the nearest known one.
    """
    if name not in NETS:
        raise InputError("net", repr(name), "a known network", nearest(name, NETS))
    return NETS[name]()
