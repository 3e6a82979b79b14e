"""Embeddings of a cohort: every scan of a BIDS folder to one vector, as BIDS derivatives."""

from pathlib import Path

from qontrast.engine.memory import keep_memory
from qontrast.tasks.derivatives import Maker, Summary, claim_derivatives, make_each, scans_below
from qontrast.tasks.embedding_files import EmbeddingFiles
from qontrast.tasks.loading import Loaded, load
from qontrast.tasks.speaking import say


def embed(
    source: Path,
    weights: str | Path | Loaded,
    out: Path,
    *,
    suffixes: tuple[str, ...] = (),
    features: bool = False,
    device: str = "auto",
    quiet: bool = False,
) -> Summary:
    """Embed every scan below a folder; run it again to go on, or to add scans.

    A scan that was embedded by the same weights, and has not changed since, is left as it is. One that cannot be
    embedded costs itself alone.

    Args:
        source: a BIDS folder, a subject's, or one image.
        weights: what :func:`qontrast.tasks.loading.load` takes, or gives.
        out: the derivatives' folder.
        suffixes: BIDS suffixes of the scans to embed; empty for all usual ones (T1w, T2w, FLAIR, ...).
        features: write the deepest features of each scan, too.
        device: ``auto``, ``cpu`` or ``cuda``.
        quiet: print nothing.

    Returns:
        The tables that were written and kept, and the scans that failed.

    Raises:
        InputError: if there is no scan, the weights cannot be used, or ``out`` holds something else.
        WriteError: if the disk is full or the folder cannot be written.
    """
    source, out = Path(source), Path(out)
    keep_memory()
    targets, lost = find_scans(source, out, suffixes)
    loaded = weights if isinstance(weights, Loaded) else load(weights, device=device)
    maker = Maker.of("embeddings", loaded.contract, loaded.path, loaded.digest)
    claim_derivatives(out, source, maker)
    summary = make_each(
        targets,
        lambda scan: scan.table,
        lambda scan: scan.done(maker, features=features),
        lambda scan: scan.write(loaded.encode(scan.scan.path), maker, features=features),
        "embedding",
        lost=lost,
        quiet=quiet,
    )
    where = (summary.written + summary.kept)[0] if len(targets) == 1 and not summary.failed else out
    say(f"{where}: {summary.told('embedded')}", quiet=quiet)
    return summary


def find_scans(
    source: Path, out: Path, suffixes: tuple[str, ...]
) -> tuple[list[EmbeddingFiles], list[tuple[Path, str]]]:
    """The scans below a folder, with where their embeddings go, and what cannot be read; see :func:`scans_below`."""
    found, lost = scans_below(source, out, suffixes)
    return [EmbeddingFiles(target.scan, target.place) for target in found], lost
