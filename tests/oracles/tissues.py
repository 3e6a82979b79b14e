"""Random tissues and protocols to try the sequences on."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from qontrast.basics.randomness import derive
from qontrast.physics.protocols import draw_protocol
from qontrast.physics.tissue import TissueMaps

FIELDS = (0.064, 0.55, 1.5, 3.0, 7.0)


@dataclass(frozen=True)
class Tissues:
    """A row of random tissues.

    Args:
        maps: as the library wants them, ``[1, 1, tissue, 1, 1]`` in double precision.
    """

    maps: TissueMaps

    def __getattr__(self, name):
        """A map by name as an array ``[tissue]``."""
        return getattr(self.maps, name).flatten().numpy()

    def __len__(self):
        return self.maps.pd.numel()


def random_tissues(count, seed):
    """T1 of 0.2 to 5 s, T2 of 12 ms to 2 s (never above T1), T2* below T2, B1+ of 0.6 to 1.4, offsets of 60 Hz."""
    rng = np.random.default_rng(seed)
    t1 = np.exp(rng.uniform(np.log(0.2), np.log(5.0), count))
    t2 = np.minimum(np.exp(rng.uniform(np.log(0.012), np.log(2.0), count)), t1)
    t2star = t2 * rng.uniform(0.3, 1.0, count)

    def row(values):
        return torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1, 1, 1)

    return Tissues(
        TissueMaps(
            pd=row(rng.uniform(0.4, 1.0, count)),
            r1=row(1 / t1),
            r2=row(1 / t2),
            r2star=row(1 / t2star),
            mt=row(rng.uniform(0.0, 0.03, count)),
            b1_transmit=row(rng.uniform(0.6, 1.4, count)),
            b0=row(rng.normal(0.0, 60.0, count)),
        )
    )


def random_protocols(name, count):
    """Draws of the default prior over all fields; readout trains have an even number of excitations.

    (An odd train has its middle between two excitations, where a loop of events has none.)
    """
    drawn = [draw_protocol(name, FIELDS[i % len(FIELDS)], derive(11, name, i)) for i in range(count)]
    if name == "spgr":  # with its MT pulse it is the sequence mt
        drawn = [replace(p, mt_pulse=False) for p in drawn]
    if hasattr(drawn[0], "excitations"):
        drawn = [replace(p, excitations=2.0 * (p.excitations // 2)) for p in drawn]
    return drawn
