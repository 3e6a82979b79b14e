"""The real maps of a multi-parameter protocol against the echoes that were simulated from them, noise added."""

import json
import math
from pathlib import Path

import numpy as np
import torch

from qontrast.physics.gradient_echo import SPGR
from qontrast.physics.tissue import TissueMaps
from qontrast.scans.nifti import read_image


def residuals(folder, *, mt=False):
    """What is left of each echo inside the mask once the signal model is taken away.

    Args:
        folder: of the subject: maps and echoes in ``anat``, the transmit field in ``fmap``.
        mt: the MT-weighted echoes instead of the T1- and PD-weighted ones.

    Returns:
        For each echo its name, the residual's median and its standard deviation, in the echoes' own unit.
    """
    anat = Path(folder) / "anat"

    def image(path):
        return torch.from_numpy(read_image(path).data).double()[None, None]

    def of(suffix):
        return image(next(anat.glob(f"*_{suffix}.nii.gz")))

    mask = read_image(next(p for p in anat.glob("*_mask.nii.gz") if "desc" not in p.name)).data > 0
    tissue = TissueMaps(
        pd=of("PDmap"),  # in the echoes' own unit
        r1=of("R1map").clamp(min=1e-6),
        r2star=of("R2starmap").clamp(min=1e-6),
        mt=of("MTsat") / 100,
        b1_transmit=image(next((Path(folder) / "fmap").glob("*_TB1map.nii.gz"))) / 100,
    )
    tissue = TissueMaps(**{**vars(tissue), "pd": tissue.pd * torch.from_numpy(mask)})
    found = []
    for path in sorted(anat.glob(f"*_mt-{'on' if mt else 'off'}_MPM.nii.gz")):
        about = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        protocol = SPGR(
            about["EchoTime"], about["RepetitionTimeExcitation"], math.radians(about["FlipAngle"]), mt_pulse=mt
        )
        rest = (image(path) - protocol.signal(tissue))[0, 0].numpy()[mask]
        found.append((path.name.replace("_MPM.nii.gz", ""), float(np.median(rest)), float(rest.std())))
    return found
