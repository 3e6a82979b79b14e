"""The command that fits maps to what a scanner gives."""

from pathlib import Path
from typing import Literal


def fit(
    source: Path,
    /,
    *,
    out: Path,
    series: Literal["MPM", "VFA", "MP2RAGE", "UNIT1", "MESE", "MEGRE"] | None = None,
    sigma: float | None = None,
    spoiling: Literal["auto", "published", "ideal"] = "auto",
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Fit quantitative maps with their standard errors to raw echoes, flip angles or inversions.

    Parameters
    ----------
    source
        BIDS folder, or one subject's, with _MPM, _VFA, _MP2RAGE, _UNIT1, _MESE or _MEGRE images and their sidecars.
    out
        Folder of the derivatives.
    series
        Fit only images of this suffix; without it all that there are.
    sigma
        Standard deviation of the noise, in the images' units; without it, it is estimated.
    spoiling
        auto corrects R1 for imperfect spoiling where a correction was published for the protocol; ideal does not.
    overwrite
        Replace maps that are already there.
    quiet
        Print nothing.
    """
    from qontrast.tasks.fit import fit as task

    task(source, out, series=series, sigma=sigma, spoiling=spoiling, overwrite=overwrite, quiet=quiet)
