"""Seconds per pair of views that MONAI, TorchIO and cornucopia need for the same kinds of operation, from disk.

    python -m pip install --target peers --no-deps -r benchmarks/requirements.txt
    PYTHONPATH=peers python benchmarks/peers.py [--crops 48 96] [--pairs 9]

A pair is: four tissue maps of one head read from disk, two contrasts simulated of them (the same plain formula for
everyone), one random warp for both views (left-right flip, rotation, scale, shear where the library has it, elastic),
artefacts of each view's own, percentiles clipped, mean 0 and standard deviation 1. Each library does it in the cheapest
of its own idioms that we know:

* Maps are read uncompressed, which is several times as fast as ``.nii.gz`` (``main`` prints both).
* "Crop first" cuts a box a third longer than the view out of the maps. What a warp wants from beyond it is not there:
  zeros or repeated borders. Larger voxels are averaged from the signals before the warp, which then has less to do.
* Affine and elastic are one resampling, and where the library can say so, of the view's voxels alone.
* Coarser voxels (Gibbs ringing in MONAI, thick slices in the others) spoil half of the views and motion (which MONAI
  has not) 15 % of them: about as often as ours.

"MONAI, whole volume first" is what published pipelines commonly do: resample, clip and warp all of it, and then crop.
"""

import argparse
import importlib
import json
import math
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from qontrast.anatomy.mni_heads import mni_head
from qontrast.basics.randomness import derive, uniform
from qontrast.geometry.sample import whole
from qontrast.scans.nifti import read_image, write_image

MAPS = ("pd", "r1", "r2star", "mt")
SPACING = {48: 2.0, 96: 1.0}
DEGREES, SCALE, SHEAR, KNOTS = 12.0, 0.1, 0.05, 7
ELASTIC = 2.5  # mm, standard deviation of the control displacements of a spline
SMOOTH = 0.33  # what a three-dimensional cubic spline leaves of it
COARSE, MOVED = 0.5, 0.15  # shares of the views
LOW, HIGH = 0.5, 99.5  # percentiles
INSTALL = "python -m pip install --target peers --no-deps -r benchmarks/requirements.txt; then PYTHONPATH=peers"

Pair = tuple[Tensor, Tensor]
Peer = Callable[[int], Pair]


def write_head(folder: Path) -> None:
    """Write the four maps of the first embedded head, in SI units, to ``folder`` as ``pd.nii.gz`` and so on."""
    head = mni_head(1)
    tissue = head.draw(derive(0, head.name)).block(whole(head.grid.shape))
    for name in MAPS:
        values = getattr(tissue, name)[0, 0].numpy().astype(np.float32)
        write_image(folder / f"{name}.nii.gz", values, head.grid)


def peers(folder: Path, crop: int, spacing: float) -> dict[str, Peer]:
    """What makes a pair ``[1, crop, crop, crop]`` twice for a step, by name; what is not installed is left out.

    Writes uncompressed copies of the maps beside them.

    Args:
        folder: holds ``pd.nii.gz``, ``r1.nii.gz``, ``r2star.nii.gz`` and ``mt.nii.gz`` of 1 mm.
        crop: voxels along each edge of a view.
        spacing: their size, mm, a multiple of the maps'.
    """
    files = _uncompressed(folder)
    made: dict[str, Peer] = {}
    builders = (
        ("MONAI, crop first", "monai", _monai),
        ("MONAI, whole volume first", "monai", _monai_whole),
        ("TorchIO", "torchio", _torchio),
        ("cornucopia", "cornucopia", _cornucopia),
    )
    for name, package, build in builders:
        try:
            importlib.import_module(package)
        except ImportError as error:
            print(f"{name} is left out ({error}). To install it: {INSTALL}", file=sys.stderr)
            continue
        made[name] = build(files, crop, spacing)
    return made


def _uncompressed(folder: Path) -> dict[str, str]:
    files = {}
    for name in MAPS:
        plain = folder / f"{name}.nii"
        if not plain.exists():
            image = read_image(folder / f"{name}.nii.gz")
            write_image(plain, image.data, image.grid)
        files[name] = str(plain)
    return files


def _box(crop: int, spacing: float) -> int:
    """Edge of the box of 1 mm maps that "crop first" cuts out: a third longer than the view."""
    return round(crop * 4 / 3) * round(spacing)


def contrasts(maps: Tensor, step: int) -> Tensor:
    """Two spoiled gradient echoes ``[2, x, y, z]`` of PD, R1, R2*, MTsat ``[4, x, y, z]``, one in two with an MT pulse.

    Helms et al. 2008 (doi:10.1002/mrm.21732). Their means are 1, so that noise can be told in one unit.
    """
    draw = derive(0, "peers", step)
    pd, r1, r2star, mt = maps
    out = torch.empty(2, *pd.shape)
    for view in range(2):
        repetition, echo = uniform((0.01, 0.04), draw), uniform((0.002, 0.01), draw)
        flip = math.radians(uniform((4.0, 30.0), draw))
        signal = torch.mul(r2star, -echo, out=out[view]).exp_().mul_(pd)
        stays = torch.mul(r1, -repetition).exp_()
        returns = stays.mul(math.cos(flip))
        if uniform((0.0, 1.0), draw) < 0.5:
            returns.sub_(returns * mt)
        signal.mul_(stays.neg_().add_(1)).div_(returns.neg_().add_(1))
        signal.div_(signal.mean().clamp(min=1e-6))
    return out


def _averaged(image: Tensor, spacing: float) -> Tensor:
    return torch.nn.functional.avg_pool3d(image, round(spacing)) if spacing > 1 else image


def _monai_load() -> list[object]:
    from monai import transforms as mt

    load = mt.LoadImaged(MAPS, reader="NibabelReader", image_only=True)
    return [load, mt.EnsureChannelFirstd(MAPS, channel_dim="no_channel")]


def _monai_ranges(crop: int, spacing: float) -> tuple[dict[str, object], dict[str, object]]:
    """Arguments of an affine and of an elastic warp. White noise is weakened by its Gaussian filter (deviation sigma)
    by (2 sqrt(pi) sigma)^-1.5, and uniform noise has a deviation of 1 / sqrt(3)."""
    affine: dict[str, object] = {
        "rotate_range": (math.radians(DEGREES),) * 3,
        "shear_range": (SHEAR,) * 6,
        "scale_range": (SCALE,) * 3,
    }
    sigma = 0.6 * crop / KNOTS  # as smooth as a spline with so many knots
    strength = ELASTIC * SMOOTH / spacing * math.sqrt(3) * (2 * math.sqrt(math.pi) * sigma) ** 1.5
    return affine, {"sigma_range": (sigma, sigma), "magnitude_range": (strength, strength), "prob": 1.0}


def _monai_artefacts() -> list[object]:
    from monai import transforms as mt

    return [
        mt.RandBiasField(degree=3, coeff_range=(0.0, 0.1), prob=1.0),
        mt.RandGibbsNoise(prob=COARSE, alpha=(0.0, 0.6)),
        mt.RandRicianNoise(prob=1.0, std=0.2, relative=True),
    ]


def _monai(files: dict[str, str], crop: int, spacing: float) -> Peer:
    from monai import transforms as mt

    box = mt.RandSpatialCropd(MAPS, (_box(crop, spacing),) * 3, random_size=False)
    read = mt.Compose([*_monai_load(), mt.EnsureTyped(MAPS, track_meta=False), box, mt.ConcatItemsd(MAPS, "maps")])
    affine, elastic = _monai_ranges(crop, spacing)
    both = mt.Rand3DElastic(**elastic, **affine, spatial_size=(crop,) * 3, padding_mode="zeros")
    warp = mt.Compose([mt.RandFlip(prob=0.5, spatial_axis=0), both])
    clip = mt.ScaleIntensityRangePercentiles(LOW, HIGH, 0.0, 1.0, clip=True)
    spoil = mt.Compose([*_monai_artefacts(), clip, mt.NormalizeIntensity()])

    def pair(step: int) -> Pair:
        for part in (read, warp, spoil):
            part.set_random_state(step)
        views = warp(_averaged(contrasts(read(files)["maps"], step), spacing))
        return _plain(spoil(views[:1])), _plain(spoil(views[1:]))

    return pair


def _monai_whole(files: dict[str, str], crop: int, spacing: float) -> Peer:
    from monai import transforms as mt

    resample = [mt.Spacingd(MAPS, (spacing,) * 3)] if spacing > 1 else []
    read = mt.Compose([*_monai_load(), *resample, mt.ConcatItemsd(MAPS, "maps")])
    affine, elastic = _monai_ranges(crop, spacing)
    clip = mt.ScaleIntensityRangePercentiles(LOW, HIGH, 0.0, 1.0, clip=True, channel_wise=True)
    moved = [mt.RandAffine(prob=1.0, **affine, padding_mode="zeros"), mt.Rand3DElastic(**elastic, padding_mode="zeros")]
    box = mt.RandSpatialCrop((crop,) * 3, random_size=False)
    warp = mt.Compose([clip, mt.RandFlip(prob=0.5, spatial_axis=0), *moved, box])
    spoil = mt.Compose([*_monai_artefacts(), mt.NormalizeIntensity()])

    def pair(step: int) -> Pair:
        for part in (read, warp, spoil):
            part.set_random_state(step)
        views = warp(contrasts(read(files)["maps"], step))
        return _plain(spoil(views[:1])), _plain(spoil(views[1:]))

    return pair


def _plain(image: Tensor) -> Tensor:
    return image.as_tensor() if hasattr(image, "as_tensor") else image


def _torchio(files: dict[str, str], crop: int, spacing: float) -> Peer:
    import SimpleITK as sitk
    import torchio as tio

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    sampler = tio.UniformSampler(_box(crop, spacing))
    affine = {"scales": SCALE, "degrees": DEGREES}
    elastic = {"num_control_points": KNOTS, "max_displacement": ELASTIC * math.sqrt(3)}
    both = tio.RandomAffineElasticDeformation(affine_kwargs=affine, elastic_kwargs=elastic, copy=False)
    warp = tio.Compose([tio.RandomFlip(axes=0, copy=False), both, tio.CropOrPad(crop, copy=False)])
    spoil = tio.Compose(
        [
            tio.RandomBiasField(coefficients=0.2, copy=False),
            tio.RandomAnisotropy(downsampling=(1.5, 3), p=COARSE, copy=False),
            tio.RandomMotion(degrees=2.5, translation=2.5, p=MOVED, copy=False),
            tio.RandomNoise(std=(0.0, 0.1), copy=False),
            tio.RescaleIntensity(percentiles=(LOW, HIGH), copy=False),
            tio.ZNormalization(copy=False),
        ]
    )

    def pair(step: int) -> Pair:
        torch.manual_seed(step)
        subject = tio.Subject({name: tio.ScalarImage(file) for name, file in files.items()})
        patch = next(sampler(subject, 1))
        both = _averaged(contrasts(torch.cat([patch[name].data for name in MAPS]), step), spacing)
        moved = warp(tio.ScalarImage(tensor=both, affine=np.diag([spacing, spacing, spacing, 1.0])))
        a, b = (spoil(tio.ScalarImage(tensor=view[None], affine=moved.affine)).data for view in moved.data)
        return a, b

    return pair


def _cornucopia(files: dict[str, str], crop: int, spacing: float) -> Peer:
    import cornucopia as cc

    load, box = cc.LoadTransform(dtype=torch.float32), cc.RandomPatchTransform(_box(crop, spacing))
    warp = cc.SequentialTransform(
        [
            cc.MaybeTransform(cc.FlipTransform(0), 0.5, shared=True),
            cc.RandomAffineElasticTransform(
                dmax=cc.Fixed(ELASTIC * math.sqrt(3) / spacing),
                shape=cc.Fixed(KNOTS),
                rotations=DEGREES,
                shears=SHEAR,
                zooms=SCALE,
                unit="vox",
                patch=crop,
            ),
        ]
    )
    motion = cc.IntraScanMotionTransform(translations=0.02, rotations=2.5)
    spoil = cc.SequentialTransform(
        [
            cc.RandomMulFieldTransform(shape=cc.Fixed(4), vmax=0.3, symmetric=1.0),
            cc.MaybeTransform(cc.RandomLowResSliceTransform(3), COARSE),
            cc.MaybeTransform(motion, MOVED),
            cc.RandomChiNoiseTransform(sigma=0.1, nb_channels=2),
            cc.QuantileTransform(LOW / 100, HIGH / 100, clip=True),
            cc.ZTransform(),
        ]
    )

    def pair(step: int) -> Pair:
        torch.manual_seed(step)
        random.seed(step)
        maps = box(*(load(files[name]) for name in MAPS))
        views = warp(_averaged(contrasts(torch.cat(maps), step), spacing))
        return spoil(views[:1]), spoil(views[1:])

    return pair


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print, one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=int, nargs="+", default=[48, 96])
    parser.add_argument("--pairs", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_head(folder)
        _uncompressed(folder)
        for ending in (".nii.gz", ".nii"):
            reading = median(
                _seconds(lambda e=ending: [read_image(folder / f"{n}{e}") for n in MAPS]) for _ in range(3)
            )
            print(json.dumps({"reading four maps": ending, "seconds": round(reading, 3)}), flush=True)
        for crop in given.crops:
            for peer, pair in peers(folder, crop, SPACING.get(crop, 2.0)).items():
                pair(0)
                times = [_seconds(lambda step=step, pair=pair: pair(step)) for step in range(1, 1 + given.pairs)]
                row = {"peer": peer, "crop": crop, "median": round(median(times), 3), "mean": round(mean(times), 3)}
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
