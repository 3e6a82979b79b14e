"""A U-Net on any encoder: MONAI's decoder blocks with skips, so that on the CNN it is MONAI's BasicUNet by name."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.basics.shapes import Volume
from qontrast.nets.contract import Encoder
from qontrast.nets.decoder import Decoder, climb, light_widths
from qontrast.nets.padding import check_shape, pad_saying


def unet_widths(encoder: Encoder) -> tuple[int, ...]:
    """Channels of the decoded maps by default: the encoder's own for a CNN, as in BasicUNet, else light ones."""
    if encoder.family == "cnn":
        return encoder.features_per_level[:-1]
    return light_widths(encoder.features_per_level, encoder.strides)


class UNet(nn.Module):
    """Encoder, a decoder with skip connections up to the image's grid, and a 1³ convolution to the classes.

    Ronneberger et al. 2015 (doi:10.1007/978-3-319-24574-4_28); Falk et al. 2019 (doi:10.1038/s41592-018-0261-2).

    Args:
        encoder: whose features are decoded.
        classes: number of output channels.
        dropout: share of activations dropped in the decoder in training.
        widths: channels of the decoded maps, finest first; by default :func:`unet_widths`.
    """

    def __init__(
        self, encoder: Encoder, classes: int, dropout: float = 0.0, widths: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        widths = unet_widths(encoder) if widths is None else tuple(widths)
        self.encoder, self.widths = encoder, tuple(widths)
        decoder = Decoder(encoder.features_per_level, encoder.strides, widths, dropout)
        self.skips = decoder.skips
        for name, block in decoder.named_children():  # under their own names, as BasicUNet's files have them
            self.add_module(name, block)
        self.final_conv = nn.Conv3d(widths[0], classes, kernel_size=1)

    def decode(self, image: Volume) -> tuple[Tensor, ...]:
        """The decoded maps ``[batch, width, x / 2**i, ...]``, finest first, before the classes are told apart.

        Raises:
            InputError: if an edge of the image is no multiple of the deepest stride, or none is longer than it.
        """
        return climb(self, self.skips, self.encoder.features(image))

    def forward(self, image: Volume) -> Tensor:
        """Logits ``[batch, classes, x, y, z]``.

        An image whose edges the deepest stride does not divide is continued by its mirror image, a warning says so, and
        the logits are cropped back.

        Raises:
            InputError: if no edge of the image is longer than the deepest stride.
        """
        padded, slices = pad_saying(image, self.encoder.strides[-1])
        check_shape(padded, self.encoder.strides[-1])
        logits = self.final_conv(self.decode(padded)[0])
        return logits if padded is image else logits[(..., *slices)]

    def decoder_state(self) -> dict[str, Tensor]:
        """The decoder's weights, by the names that a :class:`~qontrast.nets.decoder.Decoder` has for them."""
        return {name: value for name, value in self.state_dict().items() if name.startswith("upcat_")}

    def load_decoder(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of a pretrained :class:`~qontrast.nets.decoder.Decoder` of the same widths.

        Args:
            state: its state dict.

        Raises:
            InputError: naming the first weight that is missing, unknown or of another shape.
        """
        own = self.decoder_state()
        for name in [*own, *state]:
            found, wanted = (tuple(s[name].shape) if name in s else "none" for s in (state, own))
            if found != wanted:
                raise InputError("decoder", f"{name!r} of shape {found}", f"shape {wanted}", "Other widths?")
        self.load_state_dict(dict(state), strict=False)
