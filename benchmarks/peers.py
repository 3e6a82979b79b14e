"""Seconds per pair of views that MONAI, TorchIO and cornucopia need for the same kinds of operation, from disk.

    python -m pip install --target peers --no-deps -r benchmarks/requirements.txt
    PYTHONPATH=peers python benchmarks/peers.py [--crops 48 96] [--pairs 9]

A pair: four tissue maps of one head read from disk, two contrasts simulated of them (one plain formula for everyone),
one random warp of both views (flip, rotation, scale, elastic, and shear but in TorchIO), artefacts of each view's own,
percentiles clipped, mean 0 and standard deviation 1. Each library does it in the cheapest of its own idioms we know:

* Maps are read uncompressed, which is several times as fast as ``.nii.gz`` (``main`` prints both).
* A box a third longer than the view is cut out first. What a warp wants from beyond it is not there: zeros or repeated
  borders. Larger voxels are averaged from the signals before the warp, which then has less to do.
* Affine and elastic are one resampling, in MONAI and cornucopia of the view's voxels alone.
* Coarse voxels (MONAI: Gibbs ringing; others: thick slices) spoil half of the views and motion (not in MONAI) 15 %.

"MONAI, whole volume first" is what published pipelines commonly do: resample, clip and warp all of it, and then crop.
"""

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import nibabel as nib
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
    for name, build in BUILDERS.items():
        try:
            made[name] = build(files, crop, spacing)
        except ImportError as error:
            print(f"{name} is left out ({error}). To install it: {INSTALL}", file=sys.stderr)
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


def contrasts(maps: Iterable[Tensor], step: int, factor: int = 1) -> Tensor:
    """Two spoiled gradient echoes ``[2, x, y, z]`` of PD, R1, R2* and MTsat, half of them with an MT pulse.

    Helms et al. 2008 (doi:10.1002/mrm.21732). The mean over ``factor``³ voxels; the whole mean is 1, to tell noise by.
    """
    draw = derive(0, "peers", step)
    pd, r1, r2star, mt = maps
    views = []
    for _ in range(2):
        repetition, echo = uniform((0.01, 0.04), draw), uniform((0.002, 0.01), draw)
        flip = math.radians(uniform((4.0, 30.0), draw))
        signal = r2star.mul(-echo).exp_().mul_(pd)
        stays = r1.mul(-repetition).exp_()
        returns = stays.mul(math.cos(flip))
        if uniform((0.0, 1.0), draw) < 0.5:
            returns.addcmul_(returns, mt, value=-1.0)
        signal.mul_(stays.neg_().add_(1)).div_(returns.neg_().add_(1))
        signal = torch.nn.functional.avg_pool3d(signal, factor) if factor > 1 else signal
        views.append(signal.div_(signal.mean().clamp(min=1e-6)))
    return torch.cat(views)


def _monai(files: dict[str, str], crop: int, spacing: float, crop_first: bool = True) -> Peer:
    from monai import transforms as mt

    load = mt.LoadImaged(MAPS, reader="NibabelReader", image_only=True)
    reading: list[object] = [load, mt.EnsureChannelFirstd(MAPS, channel_dim="no_channel")]
    if crop_first:
        box = mt.RandSpatialCropd(MAPS, (_box(crop, spacing),) * 3, random_size=False)
        reading += [mt.EnsureTyped(MAPS, track_meta=False), box]
    elif spacing > 1:
        reading.append(mt.Spacingd(MAPS, (spacing,) * 3))

    affine = {"shear_range": (SHEAR,) * 6, "scale_range": (SCALE,) * 3, "rotate_range": (math.radians(DEGREES),) * 3}
    # As smooth as a spline with so many knots, but no wider than the tutorials' least: a wide filter is slow here.
    # A Gaussian filter leaves (2 sqrt(pi) sigma)^-1.5 of white noise, uniform noise has a deviation of 1 / sqrt(3).
    sigma = min(0.6 * crop / KNOTS, 5.0)
    strength = ELASTIC * SMOOTH / spacing * math.sqrt(3) * (2 * math.sqrt(math.pi) * sigma) ** 1.5
    elastic = {"sigma_range": (sigma, sigma), "magnitude_range": (strength, strength), "prob": 1.0}
    clip = mt.ScaleIntensityRangePercentiles(LOW, HIGH, 0.0, 1.0, clip=True, channel_wise=True)
    moving: list[object] = [mt.RandFlip(prob=0.5, spatial_axis=0)]
    if crop_first:
        moving.append(mt.Rand3DElastic(**elastic, **affine, spatial_size=(crop,) * 3, padding_mode="zeros"))
    else:
        moving = [clip, *moving, mt.RandAffine(prob=1.0, **affine, padding_mode="zeros")]
        moving.append(mt.Rand3DElastic(**elastic, padding_mode="zeros"))
        moving.append(mt.RandSpatialCrop((crop,) * 3, random_size=False))

    bias = mt.RandBiasField(degree=3, coeff_range=(0.0, 0.1), prob=1.0)
    gibbs, noise = mt.RandGibbsNoise(COARSE, (0.0, 0.6)), mt.RandRicianNoise(1.0, std=0.2, relative=True)
    last = [clip] if crop_first else []
    read, warp = mt.Compose(reading), mt.Compose(moving)
    spoil = mt.Compose([bias, gibbs, noise, *last, mt.NormalizeIntensity(), mt.ToTensor(track_meta=False)])

    def pair(step: int) -> Pair:
        for part in (read, warp, spoil):
            part.set_random_state(step)
        maps = read(files)
        views = warp(contrasts((maps[name] for name in MAPS), step, round(spacing) if crop_first else 1))
        return spoil(views[:1]), spoil(views[1:])

    return pair


def _torchio(files: dict[str, str], crop: int, spacing: float) -> Peer:
    import SimpleITK as sitk
    import torchio as tio

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    own = {"copy": False}
    sampler = tio.UniformSampler(_box(crop, spacing))
    affine = {"scales": SCALE, "degrees": DEGREES}
    elastic = {"num_control_points": KNOTS, "max_displacement": ELASTIC * math.sqrt(3)}
    both = tio.RandomAffineElasticDeformation(affine_kwargs=affine, elastic_kwargs=elastic, **own)
    warp = tio.Compose([tio.RandomFlip(axes=0, **own), both, tio.CropOrPad(crop, **own)])
    bias, noise = tio.RandomBiasField(coefficients=0.2, **own), tio.RandomNoise(std=(0.0, 0.1), **own)
    thick = tio.RandomAnisotropy(downsampling=(1.5, 3), p=COARSE, **own)
    motion = tio.RandomMotion(degrees=2.5, translation=2.5, p=MOVED, **own)
    clip = tio.RescaleIntensity(percentiles=(LOW, HIGH), **own)
    spoil = tio.Compose([bias, thick, motion, noise, clip, tio.ZNormalization(**own)])

    def reader(file: Path) -> tuple[Tensor, np.ndarray]:
        image = nib.load(file)  # mapped into memory: twice as fast as TorchIO's own reader
        return torch.from_numpy(np.asarray(image.dataobj))[None], image.affine

    def pair(step: int) -> Pair:
        torch.manual_seed(step)
        subject = tio.Subject({name: tio.ScalarImage(file, reader=reader) for name, file in files.items()})
        patch = next(sampler(subject, 1))
        views = contrasts((patch[name].data for name in MAPS), step, round(spacing))
        moved = warp(tio.ScalarImage(tensor=views, affine=np.diag([spacing, spacing, spacing, 1.0])))
        a, b = (spoil(tio.ScalarImage(tensor=view[None], affine=moved.affine)).data for view in moved.data)
        return a, b

    return pair


def _cornucopia(files: dict[str, str], crop: int, spacing: float) -> Peer:
    import cornucopia as cc

    load, box = cc.LoadTransform(to_ras=False), cc.RandomPatchTransform(_box(crop, spacing))
    affine = {"rotations": DEGREES, "shears": SHEAR, "zooms": SCALE, "unit": "vox"}
    elastic = {"dmax": cc.Fixed(ELASTIC * math.sqrt(3) / spacing), "shape": cc.Fixed(KNOTS)}
    both = cc.RandomAffineElasticTransform(**affine, **elastic, patch=crop)
    warp = cc.SequentialTransform([cc.MaybeTransform(cc.FlipTransform(0), 0.5, shared=True), both])
    bias = cc.RandomMulFieldTransform(shape=cc.Fixed(4), vmax=0.3, symmetric=1.0)
    thick = cc.MaybeTransform(cc.RandomLowResSliceTransform(3), COARSE)
    motion = cc.MaybeTransform(cc.IntraScanMotionTransform(translations=0.02, rotations=2.5), MOVED)
    noise = cc.RandomChiNoiseTransform(sigma=0.1, nb_channels=2)
    clip = cc.QuantileTransform(LOW / 100, HIGH / 100, clip=True)
    spoil = cc.SequentialTransform([bias, thick, motion, noise, clip, cc.ZTransform()])

    def pair(step: int) -> Pair:
        torch.manual_seed(step)
        random.seed(step)
        maps = box(*(load(files[name]) for name in MAPS))  # in double precision
        views = warp(contrasts((values.float() for values in maps), step, round(spacing)))
        return spoil(views[:1]), spoil(views[1:])

    return pair


BUILDERS: dict[str, Callable[[dict[str, str], int, float], Peer]] = {
    "MONAI, crop first": _monai,
    "MONAI, whole volume first": partial(_monai, crop_first=False),
    "TorchIO": _torchio,
    "cornucopia": _cornucopia,
}


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Of the wall's clock and of the processor, which other people's work on the machine disturbs less."""
    begin = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


def _row(times: list[tuple[float, float]]) -> dict[str, float]:
    wall, processor = zip(*times, strict=True)
    found = {"seconds": median(wall), "mean": mean(wall), "processor_seconds": median(processor)}
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Measure and print medians and the mean, one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=int, nargs="+", default=[48, 96])
    parser.add_argument("--pairs", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_head(folder)
        _uncompressed(folder)
        for ending in (".nii.gz", ".nii"):
            files = [folder / f"{name}{ending}" for name in MAPS]
            times = [_seconds(lambda files=files: [read_image(file) for file in files]) for _ in range(3)]
            print(json.dumps({"reading four maps": ending, **_row(times)}), flush=True)
        for crop in given.crops:
            for peer, pair in peers(folder, crop, SPACING.get(crop, 2.0)).items():
                pair(0)
                times = [_seconds(lambda step=step, pair=pair: pair(step)) for step in range(1, 1 + given.pairs)]
                print(json.dumps({"peer": peer, "crop": crop, **_row(times)}), flush=True)


if __name__ == "__main__":
    main()
