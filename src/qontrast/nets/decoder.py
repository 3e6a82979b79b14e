"""A decoder for the pyramid of any encoder, of MONAI's UpCat blocks: for segmentation and for dense pretraining."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from monai.networks.nets.basic_unet import UpCat
from torch import Tensor, nn

from qontrast.basics.errors import InputError

LIGHT = 16
"""Channels of the default decoder at the image's resolution; twice as many with each halving."""


class Decoder(nn.Module):
    """A pyramid to decoded maps that double their grid up to the image's.

    Block ``upcat_k`` enlarges what lies below to stride ``2 ** (k - 1)``, joins the encoder's map of that stride, if
    there is one, and applies two convolutions of 3³ with instance norm and GELU. Ronneberger et al. 2015
    (doi:10.1007/978-3-319-24574-4_28); the block and its names: MONAI's BasicUNet.

    Args:
        encoder_channels: of the pyramid's maps, finest first.
        strides: of these maps: powers of two, ascending.
        widths: channels of the decoded maps, finest first: one for each of the strides 1, 2, 4, ... below the deepest.
            By default light: 16, 32, 64, ..., but no more than the encoder has there.
        dropout: share of activations dropped in training.

    Attributes:
        widths: as above.
        strides: of the decoded maps, finest first.

    Raises:
        InputError: for strides that are no ascending powers of two above 1 at the end, or numbers that do not match.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        strides: Sequence[int],
        widths: Sequence[int] | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.widths = tuple(light_widths(encoder_channels, strides) if widths is None else widths)
        blocks = upcats(encoder_channels, strides, self.widths, dropout)
        self.strides = tuple(2**level for level in range(len(blocks)))
        self.skips = tuple(stride in strides for stride in self.strides)
        for name, block in blocks.items():
            self.add_module(name, block)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Decoded maps, finest first; the first has the image's resolution.

        Args:
            levels: the encoder's pyramid, finest first.
        """
        return climb(self, self.skips, levels)


def climb(blocks: nn.Module, skips: Sequence[bool], levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Decoded maps, finest first, by the blocks ``upcat_k`` that a module has.

    Args:
        blocks: the module, a :class:`Decoder` or a U-Net.
        skips: for each decoded map, finest first, whether the encoder has a map of its stride.
        levels: the encoder's pyramid, finest first.
    """
    *finer, below = levels
    decoded: list[Tensor] = []
    for k, joined in reversed(list(enumerate(skips, 1))):
        below = blocks.get_submodule(f"upcat_{k}")(below, finer.pop() if joined else None)
        decoded.append(below)
    return tuple(reversed(decoded))


def upcats(channels: Sequence[int], strides: Sequence[int], widths: Sequence[int], dropout: float) -> dict[str, UpCat]:
    """The blocks of a decoder by their names, the deepest first; see :class:`Decoder`."""
    at = _channels_at(channels, strides)
    count = max(at).bit_length() - 1
    if len(widths) != count:
        raise InputError("decoder", f"widths {tuple(widths)}", f"{count} of them, one for each stride below {max(at)}")
    blocks = {}
    for k, (narrow, wide) in reversed(list(enumerate(pairwise((*widths, at[max(at)])), 1))):
        blocks[f"upcat_{k}"] = UpCat(
            3, wide, at.get(2 ** (k - 1), 0), narrow, "GELU", "instance", True, dropout, halves=k > 1, is_pad=False
        )
    return blocks


def light_widths(channels: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """The default widths of a decoder, finest first: those of ``cnn-nano``, or the encoder's if it has fewer.

    Raises:
        InputError: see :class:`Decoder`.
    """
    at = _channels_at(channels, strides)
    fine = [2**level for level in range(max(at).bit_length() - 1)]
    return tuple(min(LIGHT * stride, at.get(stride, LIGHT * stride)) for stride in fine)


def widths_of(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """The widths of the decoder whose weights are in ``state``, finest first; none if there are none."""
    widths: list[int] = []
    while (weight := state.get(f"upcat_{len(widths) + 1}.convs.conv_1.conv.weight")) is not None:
        widths.append(int(weight.shape[0]))
    return tuple(widths)


def _channels_at(channels: Sequence[int], strides: Sequence[int]) -> dict[int, int]:
    """Channels by stride, checked."""
    powers = any(strides) and all(s >= 1 and s & (s - 1) == 0 for s in strides)
    if len(channels) != len(strides) or not powers or list(strides) != sorted(set(strides)) or max(strides) < 2:
        found = f"{tuple(channels)} channels at strides {tuple(strides)}"
        raise InputError("decoder", found, "channels for each of several ascending powers of two")
    return dict(zip(strides, channels, strict=True))
