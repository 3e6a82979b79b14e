"""Tiny subjects on disk for every room's tests: measured maps of one head, label maps of two."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

MAPS = {
    # suffix: white matter, grey matter, fluid, as the hMRI toolbox writes them (p.u., 1/s, 1/s, p.u.)
    "PDmap": (70.0, 82.0, 100.0),
    "R1map": (1.18, 0.69, 0.233),
    "R2starmap": (20.0, 16.7, 1.4),
    "MTsat": (1.65, 0.87, 0.02),
}
MAPS_SHAPE = (24, 28, 22)


def _affine(shape: tuple[int, ...], spacing: float) -> np.ndarray:
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(shape) - 1) / 2
    return affine


def _radius(shape: tuple[int, ...], axes: Sequence[float], centre: Sequence[float] = (0, 0, 0)) -> np.ndarray:
    """Distance from the grid's middle plus ``centre`` (voxels), 1 on the ellipsoid with the semi-axes ``axes``."""
    index = np.indices(shape, dtype=float)
    parts = [(i - (n - 1) / 2 - c) / a for i, n, a, c in zip(index, shape, axes, centre, strict=True)]
    return np.sqrt(sum(p**2 for p in parts))


def _brain_maps() -> dict[str, np.ndarray]:
    """White matter inside grey matter inside fluid, 2 % noise within each; zero around the brain."""
    radius = _radius(MAPS_SHAPE, [0.45 * n for n in MAPS_SHAPE])
    rng = np.random.default_rng(7)
    maps = {}
    for suffix, (white, grey, fluid) in MAPS.items():
        clean = np.select([radius < 0.6, radius < 0.88, radius < 1.0], [white, grey, fluid], 0.0)
        maps[suffix] = (clean * (1 + 0.02 * rng.standard_normal(MAPS_SHAPE))).astype(np.float32)
    return maps


def _head_labels(stretch: Sequence[float]) -> np.ndarray:
    """A head of 40³ voxels in FreeSurfer's labels, left below the middle of the first axis."""
    shape = (40, 40, 40)
    radius = _radius(shape, [17 * s for s in stretch])
    right = np.broadcast_to(np.arange(40)[:, None, None] >= 20, shape)
    labels = np.zeros(shape, np.int16)
    labels[radius < 1.0] = 258
    labels[radius < 0.88] = 24
    labels[radius < 0.80] = np.where(right, 42, 3)[radius < 0.80]
    labels[radius < 0.62] = np.where(right, 41, 2)[radius < 0.62]
    for left, other, centre in ((10, 49, (0, 0, -3)), (4, 43, (0, 0, 3))):
        inside = _radius(shape, (5, 6, 3), centre) < 1
        labels[inside] = np.where(right, other, left)[inside]
    return labels


@pytest.fixture(scope="session")
def maps_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that writes a new folder of sub-01's maps (24 x 28 x 22 at 2 mm) and returns it.

    ``maps_folder(omit=("MTsat",))`` leaves maps out; ``maps_folder(change={"R1map": lambda r1: 1 / r1})`` changes
    their values. The files are ``sub-01/anat/sub-01_<suffix>.nii.gz``, without sidecars.
    """

    def write(omit: Sequence[str] = (), change: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None) -> Path:
        folder = tmp_path_factory.mktemp("maps")
        anat = folder / "sub-01" / "anat"
        anat.mkdir(parents=True)
        for suffix, data in _brain_maps().items():
            if suffix not in omit:
                changed = (change or {}).get(suffix, np.asarray)(data)
                nib.save(nib.Nifti1Image(changed, _affine(changed.shape, 2.0)), anat / f"sub-01_{suffix}.nii.gz")
        return folder

    return write


@pytest.fixture(scope="session")
def new_labels_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A function that writes a new folder with the label maps of sub-01 and sub-02 (40³ at 2 mm) and returns it."""

    def write() -> Path:
        folder = tmp_path_factory.mktemp("labels")
        for name, stretch in (("sub-01", (1.0, 1.1, 1.0)), ("sub-02", (0.9, 1.0, 1.12))):
            anat = folder / name / "anat"
            anat.mkdir(parents=True)
            data = _head_labels(stretch)
            nib.save(nib.Nifti1Image(data, _affine(data.shape, 2.0)), anat / f"{name}_dseg.nii.gz")
        return folder

    return write


@pytest.fixture
def labels_folder(new_labels_folder: Callable[[], Path]) -> Path:
    """A folder of two subjects' FreeSurfer label maps, ``sub-XX/anat/sub-XX_dseg.nii.gz``; each test has its own."""
    return new_labels_folder()


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For thousands of tiny draws: on a busy machine threads would wait for one another most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


HOLD = """
import pathlib, sys
from qontrast.basics.holding import hold
with hold(pathlib.Path(sys.argv[1])) as alone:
    print(alone, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held() -> Callable[[Path], AbstractContextManager[None]]:
    """``with held(file):`` another process holds the file; it is killed at the block's end."""

    @contextmanager
    def hold(file: Path) -> Iterator[None]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], **pipes) as other:
            try:
                assert other.stdout.readline() == "True\n"
                yield
            finally:
                other.kill()

    return hold


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a pretraining leaves it: a small encoder with fresh weights (crop 32, 2 mm), and a journal."""
    from qontrast.nets.encoder import CNNEncoder
    from qontrast.views.normalise import NORMALISATION
    from qontrast.weights.encoder import save_encoder

    run = tmp_path_factory.mktemp("finished")
    torch.manual_seed(3)
    plan = {"cohort.data": "/data/site/cohort", "views.arm": "seqinv", "others": [{"data": "C:\\data\\more"}]}
    encoder = CNNEncoder((4, 4, 8, 8, 12))
    save_encoder(run / "encoder.safetensors", encoder, spacing=2.0, crop=32, normalisation=NORMALISATION, plan=plan)
    (run / "journal.jsonl").write_text("".join(f'{{"step": {step}, "loss": 2.5}}\n' for step in range(7)))
    return run


@pytest.fixture(scope="session")
def packed(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run's encoder, packed (not to be written to)."""
    from qontrast.tasks.pack import pack

    out = tmp_path_factory.mktemp("packed") / "tiny.safetensors"
    return pack(finished_run, out, licence="cc-by-4.0", data_licence="CC0", description="For tests.")
