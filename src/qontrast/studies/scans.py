"""The scans that a study tests on: real ones as they are, simulated ones made once for all cells and kept."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from qontrast.anatomy.labelled_scans import LabelledScanSource
from qontrast.anatomy.priors import TISSUE_CLASSES
from qontrast.basics.atomic import publish
from qontrast.basics.grid import Grid
from qontrast.physics.clinical import protocol_of
from qontrast.studies.digests import Digest, fingerprint, session_digest
from qontrast.studies.people import Place, Session, scans_of
from qontrast.studies.plan import StudyPlan
from qontrast.studies.splits import Split
from qontrast.tasks.cases import label_maps
from qontrast.tasks.exam_segmentation import Test
from qontrast.views.whole_scan import simulate_scan

SCANS = "scans"


@dataclass(frozen=True)
class TestScan:
    """One scan to test on.

    Args:
        session: who, and at which site.
        contrast: as the site calls it.
        what: the protocol or the BIDS suffix.
        source: of a real scan; None for a simulated one.
        digest: of the data and of everything that a simulation depends on but the voxel size.
    """

    __test__ = False  # not a test of pytest's

    session: Session
    contrast: str
    what: str
    source: LabelledScanSource | None
    digest: str


def test_scans(
    plan: StudyPlan, split: Split, places: Mapping[str, Place], digests: Mapping[Path, Digest]
) -> list[TestScan]:
    """All scans of the test subjects, by site, contrast and session."""
    found = []
    for name, place in sorted(places.items()):
        tested = set(split.names(name, "test"))
        sessions = {s.name: s for s in place.sessions if s.name in tested}
        labels = {what: label for label, what in place.site.contrasts.items()}
        if place.site.simulated:
            for contrast, what in sorted(place.site.contrasts.items()):
                protocol = repr(protocol_of(what))
                for session in sessions.values():
                    data = session_digest(session, digests)
                    digest = fingerprint(data, protocol, plan.snr, plan.seed)
                    found.append(TestScan(session, contrast, what, None, digest))
            continue
        for source in scans_of(place.site, place.cohort):
            if source.subject in sessions:
                files = (source.scan.path, *(truth.path for truth in source.truth), *source.beside)
                digest = fingerprint(sorted(digests[file].sha256 for file in files))
                contrast = labels[source.scan.suffix]
                found.append(TestScan(sessions[source.subject], contrast, source.scan.suffix, source, digest))
    return sorted(found, key=lambda scan: (scan.session.site, scan.contrast, scan.session.name, scan.what))


test_scans.__test__ = False  # type: ignore[attr-defined]


def open_scan(scan: TestScan, plan: StudyPlan, place: Place, folder: Path, spacing: float) -> Test:
    """Read a real scan, or a simulated one at ``spacing`` mm, which is made and kept if it is not there.

    Raises:
        InputError: for data that cannot be used.
        WriteError: if the scan cannot be kept.
    """
    who = scan.session.person
    if scan.source is not None:
        real = scan.source.open()
        image, truth = torch.from_numpy(real.image)[None, None], torch.from_numpy(real.classes).long()
        origin = "automatic" if scan.source.automatic else "given"
        name = real.path.name
        return Test(who, scan.contrast, name, None, scan.session.site, image, truth, real.names, real.grid, origin)
    file = kept_file(scan, folder, spacing)
    stored = _stored(file, scan.digest)
    if stored is None:
        stored = _simulated(scan, plan, place, spacing)
        _keep(file, scan.digest, *stored)
    image, truth, grid = stored
    names = tuple(TISSUE_CLASSES)
    return Test(who, scan.contrast, scan.what, plan.snr, scan.session.site, image, truth, names, grid, "simulated")


def kept_file(scan: TestScan, folder: Path, spacing: float) -> Path:
    """Where a simulated scan is kept."""
    return folder / SCANS / f"{spacing:g}mm" / scan.session.site / scan.contrast / f"{scan.session.name}.npz"


def is_kept(scan: TestScan, folder: Path, spacing: float) -> bool:
    """Whether a scan need not be made: a real one, or one that is kept."""
    return scan.source is not None or _stored(kept_file(scan, folder, spacing), scan.digest) is not None


Stored = tuple[torch.Tensor, torch.Tensor, Grid]


def _simulated(scan: TestScan, plan: StudyPlan, place: Place, spacing: float) -> Stored:
    head = label_maps(place.chosen((scan.session.name,)), quiet=True)[0]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over several threads round otherwise
    try:
        made = simulate_scan(head, protocol_of(scan.what), spacing, plan.snr, plan.seed)
    finally:
        torch.set_num_threads(threads)
    return made.image, made.classes, made.grid


def _keep(file: Path, digest: str, image: torch.Tensor, truth: torch.Tensor, grid: Grid) -> None:
    arrays = {
        "image": image[0, 0].numpy().astype(np.float32),
        "classes": truth.numpy().astype(np.uint8),
        "affine": np.asarray(grid.affine, dtype=np.float64),
        "about": np.array(json.dumps({"digest": digest})),
    }
    publish(file, lambda part: np.savez(part, **arrays))  # type: ignore[arg-type]


def _stored(file: Path, digest: str) -> Stored | None:
    """The kept scan; None if there is none, or one of other data, or a damaged one."""
    try:
        with np.load(file, allow_pickle=False) as held:
            if json.loads(str(held["about"]))["digest"] != digest:
                return None
            image, classes, affine = held["image"], held["classes"], held["affine"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    x, y, z = classes.shape
    truth = torch.from_numpy(classes.astype(np.int64))
    return torch.from_numpy(image)[None, None], truth, Grid((x, y, z), affine)
