"""A U-Net on the encoder: MONAI's decoder blocks with skips, so that the whole is MONAI's BasicUNet by its names."""

from monai.networks.nets.basic_unet import UpCat
from torch import Tensor, nn

from qontrast.basics.shapes import Volume
from qontrast.nets.encoder import CNNEncoder


class UNet(nn.Module):
    """Encoder, four decoder levels with skip connections, and a 1³ convolution to the classes.

    Ronneberger et al. 2015 (doi:10.1007/978-3-319-24574-4_28); Falk et al. 2019 (doi:10.1038/s41592-018-0261-2).

    Args:
        encoder: whose features are decoded.
        classes: number of output channels.
        dropout: share of activations dropped in the decoder in training.
    """

    def __init__(self, encoder: CNNEncoder, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        f = encoder.features_per_level
        self.encoder = encoder
        shared = ("GELU", "instance", True, dropout)
        self.upcat_4 = UpCat(3, f[4], f[3], f[3], *shared)
        self.upcat_3 = UpCat(3, f[3], f[2], f[2], *shared)
        self.upcat_2 = UpCat(3, f[2], f[1], f[1], *shared)
        self.upcat_1 = UpCat(3, f[1], f[0], f[0], *shared, halves=False)
        self.final_conv = nn.Conv3d(f[0], classes, kernel_size=1)

    def forward(self, image: Volume) -> Tensor:
        """Logits ``[batch, classes, x, y, z]``."""
        x0, x1, x2, x3, x4 = self.encoder.features(image)
        up = self.upcat_4(x4, x3)
        up = self.upcat_3(up, x2)
        up = self.upcat_2(up, x1)
        return self.final_conv(self.upcat_1(up, x0))
