"""Embeddings of a cohort: every scan of a BIDS folder to one vector, as BIDS derivatives."""

from dataclasses import dataclass, replace
from pathlib import Path

from qontrast.anatomy.observed import IMAGE_SUFFIXES
from qontrast.basics.errors import InputError, WriteError
from qontrast.scans.names import Named, find_images, stem
from qontrast.tasks.embedding_files import Target, claim_derivatives
from qontrast.tasks.fit_output import Place
from qontrast.tasks.loading import Loaded, load
from qontrast.tasks.speaking import say, track

NOT_RAW = {"derivatives", "sourcedata", "code"}


@dataclass(frozen=True)
class Summary:
    """What became of the scans.

    Args:
        written: tables that were written.
        kept: tables that were there already.
        failed: scans that could not be embedded, each with the reason.
    """

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    failed: tuple[tuple[Path, str], ...]


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

    Raises:
        InputError: if there is no scan, the weights cannot be used, or ``out`` holds something else.
        WriteError: if the disk is full or the folder cannot be written.
    """
    source, out = Path(source), Path(out)
    targets = find_scans(source, out, suffixes)
    loaded = weights if isinstance(weights, Loaded) else load(weights, device=device)
    claim_derivatives(out, source, loaded)
    written, kept, failed, taken = [], [], [], set()
    for target in track(targets, "embedding", quiet=quiet):
        try:
            if target.table in taken:
                raise InputError(target.scan.path, "a second scan of that name", "one", "Tell them apart by an entity.")
            taken.add(target.table)
            if target.done(loaded, features=features):
                kept.append(target.table)
                continue
            target.write(loaded.encode(target.scan.path), loaded, features=features)
            written.append(target.table)
        except WriteError:
            raise
        except Exception as error:  # whatever is wrong with one scan costs that scan alone
            failed.append((target.scan.path, str(error) or type(error).__name__))
    where = (written + kept)[0] if len(targets) == 1 and not failed else out
    say(f"{where}: {len(written)} embedded, {len(kept)} were there already, {len(failed)} failed", quiet=quiet)
    return Summary(tuple(written), tuple(kept), tuple(failed))


def find_scans(source: Path, out: Path, suffixes: tuple[str, ...]) -> list[Target]:
    """The scans below a folder, with where their results go; derivatives in it are passed over.

    One image is taken whatever its name is, unless suffixes are asked for; it is its own subject if it names none.

    Raises:
        InputError: if there is none.
    """
    wanted, found = suffixes or IMAGE_SUFFIXES, find_images(source)
    if source.is_file() and not suffixes:
        found = [file if file.subject.startswith("sub-") else replace(file, named=stem(file.path)) for file in found]
    else:
        found = [file for file in found if file.suffix in wanted and not _apart(file, source, out)]
    if not found:
        raise InputError(source, "no scan", f"files named _{', _'.join(wanted)}", "Name others with --suffix.")
    return [Target(file, Place(out, file, source)) for file in found]


def _apart(file: Named, source: Path, out: Path) -> bool:
    inside = out.resolve() in file.path.resolve().parents
    return inside or (source.is_dir() and bool(NOT_RAW & set(file.path.relative_to(source).parts[:-1])))
