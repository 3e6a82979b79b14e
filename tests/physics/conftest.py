"""White matter, grey matter and fluid at 3 T, one voxel each."""

import pytest
import torch

from qontrast.physics.tissue import TissueMaps


def _maps(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1, 1, 1)


@pytest.fixture
def brain() -> TissueMaps:
    """White matter, grey matter, fluid along the first axis, in double precision; no transmit or receive field."""
    return TissueMaps(
        pd=_maps(0.70, 0.82, 1.0),
        r1=_maps(1 / 0.85, 1 / 1.40, 1 / 4.3),
        r2=_maps(1 / 0.073, 1 / 0.100, 1 / 1.8),
        r2star=_maps(1 / 0.049, 1 / 0.060, 1 / 0.70),
        mt=_maps(0.0165, 0.0087, 0.0002),
    )


@pytest.fixture
def uneven(brain: TissueMaps) -> TissueMaps:
    """The same three tissues where the transmit field is 15 % too low, 20 % too high, and nominal."""
    return TissueMaps(**{**vars(brain), "b1_transmit": _maps(0.85, 1.2, 1.0)})
