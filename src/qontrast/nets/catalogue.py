"""Every encoder by its name, and every family of them by its."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qontrast.basics.errors import InputError, nearest
from qontrast.nets.contract import Encoder
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.residual import ResidualEncoder
from qontrast.nets.vit import ViTEncoder

NETS: dict[str, Callable[[], Encoder]] = {
    "cnn": lambda: CNNEncoder((64, 128, 256, 512, 768)),
    "cnn-small": lambda: CNNEncoder((24, 48, 96, 160, 240)),
    "cnn-nano": lambda: CNNEncoder((16, 32, 64, 128, 192)),
    "cnn-pico": lambda: CNNEncoder((16, 32, 64, 64, 96)),
    "residual": lambda: ResidualEncoder((32, 64, 128, 192, 224), (1, 2, 3, 3, 4)),
    "vit": lambda: ViTEncoder((16, 32, 64, 128, 768)),
}

FAMILIES: dict[str, Callable[..., Encoder]] = {
    family.family: family for family in (CNNEncoder, ResidualEncoder, ViTEncoder)
}


def build_encoder(name: str) -> Encoder:
    """The named encoder with fresh weights.

    Raises:
        InputError: for an unknown name, with the nearest known one.
    """
    if name not in NETS:
        raise InputError("net", repr(name), "a known network", nearest(name, NETS))
    return NETS[name]()


def rebuild(features: Sequence[int], settings: Mapping[str, Any]) -> Encoder:
    """An encoder with fresh weights from its ``features_per_level`` and ``settings``; without a family, a CNN.

    Raises:
        InputError: for an unknown family, or settings that make no encoder.
        TypeError: for settings that the family does not know.
    """
    given = dict(settings)
    family = str(given.pop("family", "cnn"))
    if family not in FAMILIES:
        raise InputError("family", repr(family), "a known family of encoders", nearest(family, FAMILIES))
    return FAMILIES[family](features, **given)
