"""Weights that prepare their images by themselves: ``qontrast.load(name)``, then ``.embed("scan.nii.gz")``."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Embeddings, Volume
from qontrast.engine.device import pick_device
from qontrast.geometry.sample import occupied, whole
from qontrast.nets.encoder import STRIDE
from qontrast.nets.padding import pool
from qontrast.scans.nifti import image_of
from qontrast.tasks.resampling import at_spacing, check_head, foreground
from qontrast.tasks.windows import Tiling, tile
from qontrast.views.normalise import NORMALISATION, normalise
from qontrast.weights.contract import Contract, read_weights
from qontrast.weights.encoder import build, fill, split
from qontrast.weights.find import find_weights
from qontrast.weights.probe import check_recipe, probe_scan
from qontrast.weights.seal import seal_of

ORIENTATION, UNITS = "RAS", "mm"
BATCH = 4


@dataclass(frozen=True)
class Encoded:
    """What an encoder made of a scan.

    Args:
        embedding: float32 ``[feature]``.
        features: float32 ``[channel, x, y, z]``, the deepest level over the head.
        grid: where the features lie (millimetres, RAS+).
        windows: how many were averaged.
    """

    embedding: np.ndarray
    features: np.ndarray
    grid: Grid
    windows: int


@dataclass(frozen=True)
class Loaded:
    """An encoder that was checked, with the contract of its input.

    Args:
        encoder: in ``eval``, on the device.
        contract: spacing, window, normalisation, origin.
        path: of its file.
        digest: SHA-256 that the file states and has; of older files, which state none, simply theirs.
        device: ``cpu`` or ``cuda``.
    """

    encoder: nn.Module
    contract: Contract
    path: Path
    digest: str
    device: str

    def embed(self, scan: Any, affine: np.ndarray | None = None) -> np.ndarray:
        """One vector for a scan of a head, float32 ``[feature]``.

        The scan is reoriented to right, anterior, superior, and resampled to the contract's spacing. Windows of the
        training crop's size cover the head, and each is normalised and embedded by itself: instance norm takes its
        statistics over the field of view, so a whole head in one piece would look different to the network from
        anything that it was trained on. The embedding is the mean of the windows', each weighted by its share of the
        head: a window in air says little. Computed in single precision.

        Args:
            scan: a file (NIfTI, MGH) of any orientation and voxel size, a nibabel image, or an array ``[x, y, z]``.
            affine: of an array, voxel index to world millimetres (RAS+).

        Raises:
            InputError: for what is no 3D scan of a head in millimetres, with finite voxels.
        """
        return self.encode(scan, affine).embedding

    def features(self, scan: Any, affine: np.ndarray | None = None) -> tuple[np.ndarray, Grid]:
        """The deepest features over the head, float32 ``[channel, x, y, z]``, and the grid that they lie on.

        Where windows of :meth:`embed` overlap, their features are averaged.

        Raises:
            InputError: see :meth:`embed`.
        """
        found = self.encode(scan, affine)
        return found.features, found.grid

    def encode(self, scan: Any, affine: np.ndarray | None = None) -> Encoded:
        """Embedding and features of a scan at once; see :meth:`embed`.

        Raises:
            InputError: see :meth:`embed`.
        """
        image, grid = prepared(scan, affine, self.contract.spacing)
        bright = foreground(image)
        box = occupied(bright) or whole(grid.shape)
        return self._over(image, bright, grid, tile(box, self.contract.crop))

    @torch.inference_mode()
    def embed_tensor(self, image: Volume, *, spacing: float, orientation: str) -> Embeddings:
        """The embeddings ``[batch, feature]`` of windows that were cut elsewhere; they are normalised here.

        Args:
            image: ``[batch, 1, crop, crop, crop]``.
            spacing: of its voxels, millimetres.
            orientation: of its axes, such as ``RAS``.

        Raises:
            InputError: if spacing, orientation or size are not those of the contract, or a voxel is not finite.
        """
        contract, shape = self.contract, tuple(image.shape[2:])
        if not math.isclose(spacing, contract.spacing, rel_tol=1e-3):
            raise InputError("spacing", f"{spacing:g} mm", f"{contract.spacing:g} mm", "Resample it, or use embed.")
        if orientation != contract.orientation:
            raise InputError("orientation", repr(orientation), repr(contract.orientation), "Reorient it, or use embed.")
        if shape != (contract.crop,) * 3:
            raise InputError("image", f"a shape of {shape}", f"windows of {contract.crop}³ voxels", "Use embed.")
        if not torch.isfinite(image).all():
            raise InputError("image", "voxels that are NaN or infinite", "finite values everywhere")
        return pool(self.encoder(normalise(image.float()).to(self.device))).cpu()

    @torch.inference_mode()
    def _over(self, image: Volume, bright: Bool[Tensor, "x y z"], grid: Grid, tiling: Tiling) -> Encoded:
        head = bright[None, None].float()
        starts, stride = tiling.windows(), 0
        vectors, shares, summed, counted = [], [], torch.zeros(0), torch.zeros(0)
        for begin in range(0, len(starts), BATCH):
            some = starts[begin : begin + BATCH]
            windows = torch.cat([normalise(tiling.cut(image, start)) for start in some])
            deepest = self.encoder(windows.to(self.device)).float().cpu()
            if not stride:
                stride = tiling.crop // deepest.shape[2]
                summed = torch.zeros(deepest.shape[1], *tiling.feature_shape(stride))
                counted = torch.zeros(tiling.feature_shape(stride))
            for start, found in zip(some, deepest, strict=True):
                place = tiling.feature_slices(start, stride)
                summed[..., *place] += found
                counted[place] += 1
                shares.append(float(tiling.cut(head, start).mean()))
            vectors.append(pool(deepest))
        weights = torch.tensor(shares) + 1e-6
        embedding = (torch.cat(vectors) * (weights / weights.sum())[:, None]).sum(dim=0)
        features = summed / counted.clamp(min=1)
        return Encoded(embedding.numpy(), features.numpy(), tiling.feature_grid(grid, stride), len(starts))


def load(name: str | Path, *, device: str = "auto") -> Loaded:
    """Load an encoder that prepares its images by itself, after everything about its file was checked.

    Args:
        name: a packed file, a pretraining run's folder or its ``encoder.safetensors``, a short name of the catalogue,
            or ``owner/repo`` on the hub.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: naming the file, if it is a pickle, is cut short, has an altered byte, a contract of an unknown
            version or one that this library does not keep, weights of another network, or if the network does not
            give the probe the embedding that it had when it was packed.
        PlanError: if the device is not there.
    """
    path = find_weights(name)
    tensors, contract = read_weights(path, "encoder")
    check_contract(contract, path)
    encoder = build(path, contract.features, contract.encoder)
    fill(encoder, split(tensors)[0], path)
    encoder.eval()
    check_probe(encoder, contract, path)
    where = pick_device(device)
    return Loaded(encoder.to(where), contract, path, digest_of(path), where)


def digest_of(path: Path) -> str:
    """SHA-256 that a file of weights states and has; of older files, which state none, simply theirs."""
    return seal_of(path) or hashlib.sha256(path.read_bytes()).hexdigest()


def check_contract(contract: Contract, path: Path) -> None:
    """Refuse a contract that this library does not keep.

    Raises:
        InputError: naming the file and the first field at fault.
    """
    number = isinstance(contract.spacing, int | float) and math.isfinite(contract.spacing)
    kept: dict[str, tuple[bool, str]] = {
        "orientation": (contract.orientation == ORIENTATION, ORIENTATION),
        "units": (contract.units == UNITS, UNITS),
        "spacing": (number and 0.1 <= contract.spacing <= 10, "0.1 to 10 mm"),
        "crop": (
            isinstance(contract.crop, int) and contract.crop > 0 and contract.crop % STRIDE == 0,
            "multiples of 16",
        ),
        "normalisation": (contract.normalisation == NORMALISATION, repr(NORMALISATION)),
        "channels in": (contract.encoder.get("in_channels", 1) == 1, "1"),
    }
    values = {"channels in": contract.encoder.get("in_channels", 1)}
    for name, (fine, wanted) in kept.items():
        if not fine:
            found = values.get(name, getattr(contract, name, None))
            raise InputError(path, f"a contract with {name} {found!r}", wanted, "Use the version that wrote it.")


def prepared(scan: Any, affine: np.ndarray | None, spacing: float) -> tuple[Volume, Grid]:
    """A scan as ``[1, 1, x, y, z]`` at a spacing, axes right, anterior, superior, and its grid.

    Raises:
        InputError: see :meth:`Loaded.embed`.
    """
    image = image_of(scan, affine)
    check_head(image)
    return at_spacing(torch.from_numpy(image.data)[None, None], image.grid, spacing)


@torch.inference_mode()
def embed_probe(net: nn.Module, spacing: float, window: int) -> np.ndarray:
    """What a network makes of the probe, float32 ``[feature]``: an embedding, or the means of a segmenter's outputs.

    The probe is prepared as any scan; then one window in its middle goes through the network, on the CPU.
    """
    voxels, grid = probe_scan()
    image, _ = prepared(voxels, grid.affine, spacing)
    x, y, z = (((n - window) // 2, (n - window) // 2 + window) for n in image.shape[2:])
    middle = Tiling(((x[0],), (y[0],), (z[0],)), window)
    return pool(net(normalise(middle.cut(image, middle.windows()[0])))).numpy()[0]


def check_probe(net: nn.Module, contract: Contract, path: Path) -> None:
    """Refuse packed weights that do not make of their probe what they should; a run's own files have no probe.

    Raises:
        InputError: with how far the two embeddings are apart.
    """
    probe = contract.probe
    if probe is None:
        return
    check_recipe(probe.recipe, probe.sha256, str(path))
    found, wanted = embed_probe(net, contract.spacing, probe.window), np.array(probe.embedding, dtype=np.float32)
    apart = math.inf
    if found.shape == wanted.shape and np.isfinite(wanted).all():
        apart = float(np.linalg.norm(found - wanted) / max(float(np.linalg.norm(wanted)), 1e-12))
    if not apart <= probe.tolerance:
        raise InputError(
            path,
            f"a probe's embedding {apart:.2g} away from the one in the contract",
            f"{probe.tolerance:g} at most",
            "Weights or contract are not those that were packed, or this machine computes otherwise.",
        )
