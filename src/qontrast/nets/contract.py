"""What every encoder promises, so that heads, decoders, tasks and files need not know which one they hold."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from qontrast.basics.shapes import Embeddings, Volume
from qontrast.nets.padding import check_shape, pad_saying, pool


class Encoder(nn.Module, ABC):
    """Image to a pyramid of features.

    A leaf is built by ``Leaf(features_per_level, **settings)`` without ``family``; ``catalogue.rebuild`` does so.

    Attributes:
        family: the leaf's name, by which a file finds it again.
        features_per_level: channels of the levels, finest first.
        strides: of each level's grid relative to the image's, finest first.
        settings: everything else that the leaf was built with, and its family; JSON can hold it.
    """

    family: ClassVar[str]
    features_per_level: tuple[int, ...]
    strides: tuple[int, ...]
    settings: dict[str, Any]

    @abstractmethod
    def pyramid(self, image: Volume) -> tuple[Tensor, ...]:
        """The maps of all levels, finest first, of an image whose shape fits."""

    def deepest(self, image: Volume) -> Tensor:
        """The last map of :meth:`pyramid`; a leaf may have a shorter way to it."""
        return self.pyramid(image)[-1]

    def features(self, image: Volume) -> tuple[Tensor, ...]:
        """The pyramid, finest first: ``[batch, features_per_level[i], x / strides[i], y / ..., z / ...]``.

        It pads nothing: maps of a padded image would not lie on the image's grid, and only the caller, who has the
        slices of :func:`~qontrast.nets.padding.pad_to_stride`, can crop what is made of them.

        Raises:
            InputError: if an edge of the image is no multiple of the deepest stride, or none is longer than it.
        """
        check_shape(image, self.strides[-1])
        return self.pyramid(image)

    def forward(self, image: Volume) -> Tensor:
        """The deepest feature map, its grid rounded up where the deepest stride does not divide the image's.

        Such an image is continued by its mirror image at the far ends, and a warning says so.

        Raises:
            InputError: if no edge of the image is longer than the deepest stride.
        """
        padded, _ = pad_saying(image, self.strides[-1])
        check_shape(padded, self.strides[-1])
        return self.deepest(padded)

    def embed(self, image: Volume) -> Embeddings:
        """One vector per image: the mean of the deepest features over space, in single precision.

        An image of another shape is padded as in :meth:`forward`; a deepest voxel then counts by the share of its block
        that lies in the image, so that nothing is averaged over padding but what the voxels themselves saw of it.

        Raises:
            InputError: if no edge of the image is longer than the deepest stride.
        """
        return pool(self(image), tuple(image.shape[2:]), self.strides[-1])
