"""What is put on an encoder to segment, by the plan's schedule, and the bank of a segmentation without training."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from qontrast.basics.randomness import derive
from qontrast.nets.contract import Encoder
from qontrast.nets.linear_probe import LinearProbe
from qontrast.nets.neighbours import Neighbours
from qontrast.nets.unet import UNet
from qontrast.tasks.schedules import Schedule
from qontrast.weights.segmenter import SegmentationNet


def head_on(
    encoder: Encoder,
    classes: int,
    schedule: Schedule,
    pretrained: tuple[Sequence[int], Mapping[str, Tensor]] | None = None,
) -> SegmentationNet:
    """The network that a schedule trains: a U-Net, a linear probe, or neighbours.

    Args:
        encoder: below it.
        classes: number of output channels.
        schedule: of the run.
        pretrained: widths and weights of a U-Net's decoder that was pretrained with the encoder.
    """
    if schedule.kind == "linear-probe":
        return LinearProbe(encoder, classes)
    if schedule.kind == "knn":
        return Neighbours(encoder, classes, neighbours=schedule.neighbours)
    if pretrained is None:
        return UNet(encoder, classes)
    net = UNet(encoder, classes, widths=pretrained[0])
    net.load_decoder(pretrained[1])
    return net


def begin_at_zero(net: SegmentationNet) -> None:
    """Let a network give zero everywhere until it has learned something: its last convolutions are nothing."""
    last = net.levels if isinstance(net, LinearProbe) else net.final_conv if isinstance(net, UNet) else nn.Identity()
    for parameter in last.parameters():
        nn.init.zeros_(parameter)


def parts(net: SegmentationNet, *, decoder: bool) -> tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]]:
    """What was pretrained of a network, and what is new.

    Args:
        net: whose parts.
        decoder: whether a U-Net's decoder was pretrained with its encoder.
    """
    new = [net.final_conv] if decoder and isinstance(net, UNet) else [m for m in net.children() if m is not net.encoder]
    return tuple(m for m in net.children() if m not in new), tuple(new)


def fill_bank(net: Neighbours, batches: Iterable[Mapping[str, Tensor]], count: int, voxels: int, seed: int) -> None:
    """Fill the bank with labelled voxels of crops: of every crop as many of each class, as far as it has them.

    Args:
        net: whose bank is filled; it is put to rest (``eval``) first.
        batches: crops ``image`` ``[batch, 1, x, y, z]`` with their ``truth``: classes ``[batch, 1, x, y, z]``
            or shares of them ``[batch, class, x, y, z]``.
        count: number of batches.
        voxels: the bank holds at most.
        seed: of the choice.

    Raises:
        InputError: if there are fewer voxels than neighbours that are to be asked.
    """
    net.eval()
    device = net.bank.device
    features, truths = [], []
    each = -(-voxels // (count * net.classes))
    for number, batch in enumerate(batches):
        truth = batch["truth"]
        classes = (truth.argmax(dim=1) if truth.shape[1] > 1 else truth).flatten()  # shares vote for the largest
        chosen = _some_of_each(classes, net.classes, each, derive(seed, "bank", number))
        found = net.describe(batch["image"].to(device)).movedim(1, -1).flatten(0, 3)
        features.append(found[chosen.to(device)].cpu())
        truths.append(classes[chosen])
    bank, truth = torch.cat(features), torch.cat(truths)
    kept = torch.randperm(len(bank), generator=derive(seed, "bank"))[:voxels].sort().values
    net.keep(bank[kept], truth[kept])


def _some_of_each(classes: Tensor, count: int, each: int, generator: torch.Generator) -> Tensor:
    """Indices of at most ``each`` voxels of every class, drawn evenly."""
    found = []
    for label in range(count):
        where = torch.nonzero(classes == label)[:, 0]
        found.append(where[torch.randperm(len(where), generator=generator)[:each]])
    return torch.cat(found)
