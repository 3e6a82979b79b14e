"""MONAI's BasicUNet, and the files that the method's own code would write of it."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.nets import BasicUNet

FEATURES = (8, 16, 32, 64, 96)
ENCODER = ("conv_0", "down_1", "down_2", "down_3", "down_4")
CONFIG = {
    "spatial_dims": 3,
    "in_channels": 1,
    "features": FEATURES,
    "act": "GELU",
    "norm": "instance",
    "bias": True,
    "dropout": 0.2,
}


@pytest.fixture(scope="session")
def basic_unet() -> BasicUNet:
    """The network of the configuration below, at rest."""
    torch.manual_seed(0)
    features = (*FEATURES, FEATURES[0])
    return BasicUNet(3, 1, 2, features, act="GELU", norm="instance", bias=True, dropout=0.2).eval()


@pytest.fixture(scope="session")
def scan() -> torch.Tensor:
    """Two images."""
    return torch.randn((2, 1, 32, 32, 16), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def checkpoint(tmp_path: Path, basic_unet: BasicUNet) -> Callable[..., Path]:
    """``checkpoint()`` writes the method's checkpoint of BasicUNet's encoder and returns its path.

    ``prefix`` goes before every name, ``decoder`` keeps the decoder, ``change`` edits the weights, and any other
    argument the configuration (None: leaves it out).
    """

    def write(
        *,
        prefix: str = "",
        decoder: bool = False,
        change: Callable[[dict[str, Any]], None] | None = None,
        name: str = "checkpoint.pt",
        **config: Any,
    ) -> Path:
        state = OrderedDict(
            (prefix + key, value.clone())
            for key, value in basic_unet.state_dict().items()
            if decoder or key.startswith(ENCODER)
        )
        if change:
            change(state)
        stated = {key: value for key, value in {**CONFIG, **config}.items() if value is not None}
        torch.save({"config": stated, "state_dict": state}, tmp_path / name)
        return tmp_path / name

    return write
