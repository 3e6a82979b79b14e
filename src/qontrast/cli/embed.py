"""The command that embeds a cohort."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from qontrast.basics.errors import QontrastError

app = App(name="embed", help="Embed every scan of a BIDS folder: one vector each, as BIDS derivatives.")


@app.default
def embed(
    source: Path,
    /,
    *,
    weights: str = "nano",
    out: Path = Path("embeddings"),
    suffix: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    features: bool = False,
    device: str = "auto",
    quiet: bool = False,
) -> None:
    """Embed every scan of a BIDS folder; run it again to go on, or to add scans.

    Parameters
    ----------
    source
        BIDS folder, one subject's folder, or one image of any name.
    weights
        Packed file, pretraining run's folder, short name, or owner/repo on the hub.
    out
        Folder of the derivatives.
    suffix
        BIDS suffixes of the scans to embed, such as T1w FLAIR; all usual ones where not given.
    features
        Write the deepest features too, as an image on their own grid.
    device
        auto, cpu or cuda.
    quiet
        Print nothing but errors.
    """
    from qontrast.tasks.embed import embed as task

    summary = task(source, weights, out, suffixes=suffix, features=features, device=device, quiet=quiet)
    if summary.failed:
        raise QontrastError(summary.complaint)
