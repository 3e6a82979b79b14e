"""Images of any shape for networks that halve the grid: mirrored up to the next multiple, and cropped back."""

import math
import warnings

import torch
from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Embeddings, Resampled, Volume


def pad_to_stride(image: Volume, stride: int) -> tuple[Resampled, tuple[slice, slice, slice]]:
    """Continue an image at its far ends until the stride divides every edge.

    It is continued by its mirror image (the last voxel is not repeated): that keeps the mean, the noise and the texture
    which instance norm sees, where repeating the last voxel would add stripes without noise, and zeros an edge. An
    image shorter than its padding is mirrored to and fro; one of a single voxel is repeated.

    Args:
        image: ``[batch, channel, x, y, z]``.
        stride: of the network's deepest level.

    Returns:
        The padded image, or the image itself if there is nothing to pad, and the slices along x, y, z that crop it, or
        a map of its shape, back: ``padded[(..., *slices)]`` is the image.
    """
    slices = (slice(0, image.shape[2]), slice(0, image.shape[3]), slice(0, image.shape[4]))
    for axis in (2, 3, 4):
        size = image.shape[axis]
        wanted = math.ceil(size / stride) * stride
        if wanted > size:
            image = image.index_select(axis, _mirrored(size, wanted, image.device))
    return image, slices


def pad_saying(image: Volume, stride: int) -> tuple[Resampled, tuple[slice, slice, slice]]:
    """:func:`pad_to_stride` with a warning that says from which shape to which."""
    padded, slices = pad_to_stride(image, stride)
    if padded is not image:
        found, given = tuple(image.shape[2:]), tuple(padded.shape[2:])
        warnings.warn(f"an image of {found} voxels was mirrored to {given}, multiples of {stride}", stacklevel=3)
    return padded, slices


def check_shape(image: Volume, stride: int) -> None:
    """Refuse an image that does not go through a network of that deepest stride.

    Raises:
        InputError: if an edge is no multiple of the stride, or none is longer than it.
    """
    shape = tuple(image.shape[2:])
    if any(n % stride for n in shape):
        raise InputError("image", f"a shape of {shape}", f"edges that are multiples of {stride}", "Pad it.")
    if max(shape) <= stride:  # a single voxel is left at the deepest level: no variance to divide by
        raise InputError("image", f"a shape of {shape}", f"an edge of {2 * stride} or more", "Enlarge the crop.")


def pool(deepest: Tensor, shape: tuple[int, ...] | None = None, stride: int = 1) -> Embeddings:
    """Mean over space, in single precision.

    Args:
        deepest: features ``[batch, feature, x, y, z]``.
        shape: of the image before it was padded to a multiple of the stride. Each deepest voxel then counts by the
            share of its block that lies in the image. What the padding did to the voxels that do count, through the
            receptive field and the normalisation, remains.
        stride: of the deepest features.
    """
    deepest = deepest.float()
    if shape is None or not any(size % stride for size in shape):
        return torch.mean(deepest, dim=(2, 3, 4))
    for size in reversed(shape):
        inside = size - stride * torch.arange(deepest.shape[-1], device=deepest.device)
        weights = inside.clamp(0, stride) / size
        deepest = deepest @ weights.to(deepest.dtype)
    return deepest


def _mirrored(size: int, wanted: int, device: torch.device) -> Tensor:
    """Indices 0, 1, ..., size - 1, size - 2, ..., 1, 0, 1, ...: ``wanted`` of them."""
    period = max(2 * size - 2, 1)
    index = torch.arange(wanted, device=device) % period
    return torch.minimum(index, period - index) if size > 1 else index
