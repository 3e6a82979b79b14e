"""What a probe set tells of an encoder: numbers by name, for the journal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import permutations
from statistics import fmean as mean

import torch
from jaxtyping import Float
from torch import Tensor, nn

from qontrast.geometry.points import read_points
from qontrast.metrics.correspondence import correspondence
from qontrast.metrics.leakage import echo_time_leakage, sequence_leakage
from qontrast.metrics.representation import alignment, effective_rank, retrieval, uniformity
from qontrast.nets.contract import Encoder
from qontrast.nets.decoder import Decoder
from qontrast.nets.padding import pool
from qontrast.tasks.probe import FEWEST_PLACES, ProbeSet

Embed = Callable[[Tensor], Tensor]
"""Images ``[n, 1, x, y, z]`` to embeddings ``[n, feature]``."""
Dense = Callable[[Tensor], tuple[Tensor, ...] | None]
"""Images to feature maps ``[n, channel, x/s, y/s, z/s]``, each with a stride s of its own."""
TOLERANCE = 2.0  # voxels of the image


def measure(
    probe: ProbeSet, embed: Embed, dense: Dense | None = None, *, model: nn.Module | None = None, batch: int = 12
) -> dict[str, float]:
    """Measure an encoder on a probe set, without gradients; nothing random is drawn.

    * ``probe_rank``: RankMe of all n embeddings, 1 to ``probe_rank_most`` = min(n, features).
    * ``probe_alignment``: squared distance on the sphere between one anatomy's embeddings in two contrasts, 0 to 4.
    * ``probe_uniformity``: of all embeddings, about -4 to 0.
    * ``probe_spread``: squared distance on the sphere between different anatomies in one contrast, 0 to 4.
    * ``probe_retrieval``, ``probe_retrieval_chance``: share of anatomies found in another contrast.
    * ``probe_leak_sequence`` (about 0 to 1), ``probe_leak_echo_time`` (0 to 1): what a linear probe reads.
    * ``probe_correspondence_S`` for each feature map of stride S, and ``probe_correspondence``, their mean: share of
      voxels that are found in another contrast; ``probe_correspondence_near_S``: within two voxels;
      ``probe_correspondence_chance``; ``probe_correspondence_place``: if position alone were looked at.

    What a set is too small for is left out: leaks with a single head and anatomy, echo times of real scans.

    Args:
        probe: the set.
        embed: the encoder's embedding.
        dense: its feature maps; None, or a function that gives None, leaves correspondence out.
        model: put into evaluation for the time being, every part back as it was after; images go to its device.
        batch: images at a time.

    Raises:
        InputError: if an embedding or feature is not finite.
    """
    anatomies, contrasts, *shape = probe.images.shape
    vectors: list[Tensor] = []
    read: list[list[Tensor]] = []
    images, places = probe.images.reshape(-1, 1, *shape), probe.places.flatten(0, 1)
    with evaluating(model), torch.no_grad():
        for start in range(0, len(images), batch):
            some = images[start : start + batch].to(_device(model))
            vectors.append(embed(some).float().cpu())
            maps = dense(some) if dense is not None else None
            if maps:
                here = places[start : start + batch].to(some.device)
                found = [read_points(level, here, shape[0] // level.shape[-1]).cpu() for level in maps]
                read += [list(rows) for rows in zip(*found, strict=True)]
    embeddings = torch.cat(vectors).reshape(anatomies, contrasts, -1)
    values = _of_embeddings(embeddings) | _leaks(embeddings, probe)
    if read and probe.places.shape[2] >= FEWEST_PLACES:
        strides = [shape[0] // level.shape[-1] for level in maps or ()]
        levels = [torch.stack(level).unflatten(0, (anatomies, contrasts)) for level in zip(*read, strict=True)]
        values |= _of_features(levels, strides, probe.places)
    return values


def pyramid_of(encoder: Encoder, decoder: Decoder | None = None) -> tuple[Embed, Dense]:
    """An encoder's embedding and its feature maps for :func:`measure`, which then runs it once for both.

    Where there is a decoder, the feature maps are the decoder's.
    """
    last: list[tuple[Tensor, tuple[Tensor, ...]]] = []

    def levels(images: Tensor) -> tuple[Tensor, ...]:
        if not last or last[0][0] is not images:
            last[:] = [(images, encoder.features(images))]
        return last[0][1]

    def dense(images: Tensor) -> tuple[Tensor, ...]:
        return levels(images) if decoder is None else decoder(levels(images))

    return lambda images: pool(levels(images)[-1]), dense


@contextmanager
def evaluating(model: nn.Module | None) -> Iterator[None]:
    """Evaluation mode for the time being; every part is put back as it was."""
    training = [part for part in model.modules() if part.training] if model is not None else []
    if model is not None:
        model.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _device(model: nn.Module | None) -> torch.device:
    parameter = next(model.parameters(), None) if model is not None else None
    return parameter.device if parameter is not None else torch.device("cpu")


def _of_embeddings(embeddings: Float[Tensor, "anatomy contrast feature"]) -> dict[str, float]:
    anatomies, contrasts, features = embeddings.shape
    flat = embeddings.flatten(0, 1)
    found = retrieval(embeddings)
    pairs = [(embeddings[:, c], embeddings[:, d]) for c, d in permutations(range(contrasts), 2) if c < d]
    others = [embeddings.roll(shift, dims=0).flatten(0, 1) for shift in range(1, anatomies)]
    return {
        "probe_rank": effective_rank(flat),
        "probe_rank_most": float(min(len(flat), features)),
        "probe_alignment": alignment(torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs])),
        "probe_uniformity": uniformity(flat),
        "probe_spread": alignment(flat.repeat(len(others), 1), torch.cat(others)),
        "probe_retrieval": found.accuracy,
        "probe_retrieval_chance": found.chance,
    }


def _leaks(embeddings: Float[Tensor, "anatomy contrast feature"], probe: ProbeSet) -> dict[str, float]:
    anatomies, contrasts = embeddings.shape[:2]
    # No head is on both sides; where there is one head alone, no crop is.
    groups = probe.heads if len(probe.heads.unique()) > 1 else torch.arange(anatomies)
    groups = groups.repeat_interleave(contrasts)
    flat = embeddings.flatten(0, 1)
    values = {"probe_leak_sequence": sequence_leakage(flat, torch.arange(contrasts).repeat(anatomies), groups)}
    if len(set(probe.echo_times)) > 1:
        times = torch.tensor(probe.echo_times, dtype=torch.float64).repeat(anatomies)
        values["probe_leak_echo_time"] = echo_time_leakage(flat, times, groups)
    return values


def _of_features(
    levels: list[Float[Tensor, "anatomy contrast place _"]],
    strides: list[int],
    places: Float[Tensor, "anatomy contrast place 3"],
) -> dict[str, float]:
    anatomies, contrasts, count = places.shape[:3]
    triples = [(a, c, d) for a in range(anatomies) for c, d in permutations(range(contrasts), 2)]
    values: dict[str, float] = {}
    for level, stride in zip(levels, strides, strict=True):
        found = [correspondence(level[a, c], level[a, d], places[a, d], TOLERANCE) for a, c, d in triples]
        values[f"probe_correspondence_{stride}"] = mean([f.exact for f in found])
        values[f"probe_correspondence_near_{stride}"] = mean([f.within for f in found])
    values["probe_correspondence"] = mean([values[f"probe_correspondence_{stride}"] for stride in strides])
    values["probe_correspondence_chance"] = 1 / count
    alone = torch.cdist(places[:, :, None], places[:, None]).argmin(dim=-1) == torch.arange(count)
    others = ~torch.eye(contrasts, dtype=torch.bool)
    values["probe_correspondence_place"] = float(alone[:, others].double().mean())
    return values
