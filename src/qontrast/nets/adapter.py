"""Any network as an encoder: a few lines that say where its features are, checked before anything is trained."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from qontrast.basics.errors import InputError, nearest
from qontrast.basics.randomness import derive
from qontrast.basics.shapes import Volume
from qontrast.nets.contract import Encoder

ADAPTED = "adapted"
Features = Callable[[nn.Module, Tensor], Sequence[Tensor]] | Sequence[str]
"""A function of the network and an image that gives its maps, or the names of the layers whose outputs they are."""


class Adapted(Encoder):
    """A network of another library; made by :func:`adapt`. A file cannot make it anew: its reader has to give it.

    Args:
        module: the network.
        read: from the network and an image to its maps, finest first.
        features_per_level: channels of the maps.
        strides: of the maps.
        source: where it comes from, for files and messages.
    """

    family = ADAPTED

    def __init__(
        self,
        module: nn.Module,
        read: Callable[[nn.Module, Tensor], Sequence[Tensor]],
        features_per_level: tuple[int, ...],
        strides: tuple[int, ...],
        source: str,
    ) -> None:
        super().__init__()
        self.module, self.read = module, read
        self.features_per_level, self.strides = features_per_level, strides
        self.settings = {"family": self.family, "source": source}

    def pyramid(self, image: Volume) -> tuple[Tensor, ...]:
        """The network's maps, finest first."""
        return tuple(self.read(self.module, image))


def adapt(
    module: nn.Module,
    features: Features,
    *,
    strides: Sequence[int] | None = None,
    features_per_level: Sequence[int] | None = None,
    size: int = 64,
    source: str = "",
) -> Adapted:
    """Make an encoder of any PyTorch network that takes ``[batch, 1, x, y, z]``; a small random image is sent through.

    ``adapt(SegResNet(...), lambda net, image: net.encode(image)[1])`` or
    ``adapt(BasicUNet(...), ["conv_0", "down_1", "down_2", "down_3", "down_4"])``.

    Args:
        module: the network; it is kept, not copied.
        features: a function of the network and an image that gives its maps ``[batch, channel, x, y, z]``, finest
            first; or the names of the layers whose outputs they are, in this order. With names, what comes after the
            last layer is not computed.
        strides: of the maps relative to the image: ascending powers of two. They are measured; what is stated here is
            compared.
        features_per_level: channels of the maps; as the strides.
        size: edge of the image that is sent through, voxels: for a network of a fixed size, that size.
        source: where the network comes from, for files and messages; by default the name of its class.

    Raises:
        InputError: saying which map or layer is wrong, and how.
    """
    name = source or type(module).__name__
    read = features if callable(features) else _by_layers(module, tuple(features), name)
    maps = _probe(module, read, size, name)
    found = tuple(_stride(number, one, size, name) for number, one in enumerate(maps))
    channels = tuple(int(one.shape[1]) for one in maps)
    if any(fine >= coarse for fine, coarse in pairwise(found)) or found[-1] < 2:
        wanted = "each map coarser than the one before, the last of stride 2 or more"
        raise InputError(name, f"maps of strides {found}", wanted, "Order them finest first, one for each stride.")
    for what, stated, measured in (("strides", strides, found), ("features_per_level", features_per_level, channels)):
        if stated is not None and tuple(stated) != measured:
            raise InputError(
                name, f"{what} {measured}", f"{tuple(stated)}, as stated", "State what it has, or nothing."
            )
    return Adapted(module, read, channels, found, name)


def _probe(
    module: nn.Module, read: Callable[[nn.Module, Tensor], Sequence[Tensor]], size: int, name: str
) -> tuple[Tensor, ...]:
    """The maps of two random images, checked for all but their grids."""
    modes = {part: part.training for part in module.modules()}
    weight = next(module.parameters(), torch.zeros(()))
    images = torch.randn((2, 1, size, size, size), generator=derive(0, "adapt")).to(weight.device, weight.dtype)
    try:
        with torch.no_grad():
            module.eval()
            maps = read(module, images)
    except InputError:
        raise
    except Exception as error:  # whatever another library's network raises
        shape = f"an image of shape {tuple(images.shape)}"
        raise InputError(
            name,
            f"{type(error).__name__} for {shape}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}",
            "maps of its features",
            "It has to take one channel; for a network of a fixed size, give size.",
        ) from error
    finally:
        for part, mode in modes.items():
            part.training = mode
    if isinstance(maps, Tensor) or not isinstance(maps, Sequence) or not len(maps):
        found = "one tensor" if isinstance(maps, Tensor) else f"{type(maps).__name__}"
        raise InputError(name, found, "a list of maps, finest first", "For one level give a list of one.")
    for number, one in enumerate(maps):
        _check_map(number, one, name)
    return tuple(maps)


def _check_map(number: int, found: Any, name: str) -> None:
    where = f"{name}, map {number}"
    if not isinstance(found, Tensor) or found.ndim != 5 or len(found) != 2:
        what = f"a shape of {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        remedy = "Tokens [batch, token, channel] are put on their grid by a function given as features."
        raise InputError(where, what, "[batch, channel, x, y, z] for a batch of 2", remedy)
    if not found.is_floating_point() or not bool(torch.isfinite(found).all()):
        raise InputError(where, "values that are not finite or no floating-point numbers", "finite features")
    if torch.equal(found[0], found[1]):
        raise InputError(where, "the same features for two images", "features of the image", "Is this the right layer?")


def _stride(number: int, found: Tensor, size: int, name: str) -> int:
    """The stride of a map of the image, which is the same along all axes."""
    where, shape = f"{name}, map {number}", tuple(found.shape[2:])
    if len(set(shape)) > 1:
        raise InputError(where, f"{shape} of a cube of {size}", "the same stride along all axes", "Cubic voxels only.")
    stride = size // shape[0] if shape[0] else 0
    if stride * shape[0] != size or stride & (stride - 1):
        remedy = "Pad its convolutions so that each level has half of the one before; or give another size."
        raise InputError(where, f"{shape[0]} voxels of {size}", "a stride of a power of two", remedy)
    return stride


def _by_layers(
    module: nn.Module, layers: tuple[str, ...], name: str
) -> Callable[[nn.Module, Tensor], Sequence[Tensor]]:
    """Reads the outputs of named layers, and leaves the network once all of them are there."""
    known = [key for key, _ in module.named_modules() if key]
    for layer in layers:
        if layer not in known:
            raise InputError(name, f"no layer {layer!r}", "the name of one", nearest(layer, known))
    if not layers:
        raise InputError(name, "no layer", "names of layers", "See module.named_modules().")

    def read(net: nn.Module, image: Tensor) -> Sequence[Tensor]:
        found: dict[str, Any] = {}

        def keeper(layer: str) -> Callable[..., None]:
            def keep(_: nn.Module, __: Any, output: Any) -> None:
                found.setdefault(layer, output)
                if len(found) == len(layers):
                    raise _Complete

            return keep

        handles = [net.get_submodule(layer).register_forward_hook(keeper(layer)) for layer in layers]
        try:
            net(image)
        except _Complete:
            pass
        finally:
            for handle in handles:
                handle.remove()
        for layer in layers:
            if layer not in found:
                raise InputError(name, f"no output of {layer!r}", "a layer that the network goes through")
        return [found[layer] for layer in layers]

    return read


class _Complete(Exception):
    """All layers that were asked for have spoken."""
