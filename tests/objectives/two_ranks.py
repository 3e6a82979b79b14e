"""What one process makes of a batch, and two processes of its halves; run as ``torchrun`` would run it."""

import os
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from qontrast.basics.randomness import derive
from qontrast.engine.fabric import make_fabric
from qontrast.engine.loop import Run, fit
from qontrast.engine.optimisation import Optimisation
from qontrast.engine.passes import Part, in_two_passes
from qontrast.engine.ranks import gather_rows
from qontrast.nets.encoder import CNNEncoder
from qontrast.objectives.catalogue import Objectives
from qontrast.objectives.objective import Across, Objective
from qontrast.objectives.pretrainer import Pretrainer, losses_of
from qontrast.physics.protocol_code import PROTOCOL

SHAPE, BATCH, POINTS, STEPS = (32, 16, 16), 4, 16, 20
NAMES = [f.name for f in fields(Objectives) if f.name != "points"]


def objective(name: str) -> dict[str, Objective]:
    """One objective alone, at weight 1; or all of them."""
    every = {n: replace(getattr(Objectives(), n), weight=1.0) for n in NAMES}
    small = {"dense_info_nce": {"bank": 5, "levels": (0, 2)}, "dense_vicreg": {"bank": 7, "of": "encoder"}}
    every |= {n: replace(every[n], **changes) for n, changes in small.items()}  # type: ignore[type-var]
    return every if name == "all" else {name: every[name]}


def pretrainer(name: str) -> Pretrainer:
    """A tiny network without dropout, the same at each call."""
    torch.manual_seed(0)
    return Pretrainer(CNNEncoder((4, 4, 4, 4, 6), dropout=0.0), objective(name))


def pairs(step: int = 0) -> dict[str, Tensor]:
    """A batch such as the loader makes; one pair is of real scans, whose protocol and tissue are not known."""
    draw = derive(7, step)
    images = {n: torch.randn(BATCH, 1, *SHAPE, generator=draw) for n in ("a", "b", "clean_a", "clean_b")}
    far = torch.tensor(SHAPE) - 1.0
    points = {n: far * torch.rand(BATCH, POINTS, 3, generator=draw) for n in ("points_a", "points_b")}
    hidden = {n: torch.rand(BATCH, 4, 2, 2, generator=draw) < 0.5 for n in ("hidden_a", "hidden_b")}
    codes = {n: torch.randn(BATCH, len(PROTOCOL), generator=draw) for n in ("protocol_a", "protocol_b")}
    known = torch.tensor([1.0, 1.0, 0.0, 1.0])
    return {
        **images, **points, **hidden, **codes, "protocol_known": known[:, None],
        "tissue": torch.randn(BATCH, POINTS, 5, generator=draw), "tissue_known": known[:, None].repeat(1, 5),
    }  # fmt: skip


def own(batch: dict[str, Tensor], across: Across) -> dict[str, Tensor]:
    """The share of a process, as the loader deals them."""
    return {name: values[across.rank :: across.count] for name, values in batch.items()}


def gradients(name: str, micro: int) -> dict[str, Tensor]:
    """Losses and the gradient of every parameter, after one batch."""
    fabric, model = make_fabric("cpu", "64"), pretrainer(name)
    across = Across(fabric.global_rank, fabric.world_size, gather_rows)
    wrapped = fabric.setup(model)
    learn = in_two_passes(lambda rows: losses_of(rows, model.objectives, across), micro)
    losses = learn(fabric, wrapped, own(pairs(), across), Part((0, 0)))
    means = {n: fabric.all_reduce(v.detach(), reduce_op="mean") for n, v in losses.items()}
    return {**means, **{f"gradient {n}": p.grad for n, p in model.named_parameters() if p.grad is not None}}


def train(folder: Path, micro: int) -> None:
    """Twenty steps of every objective together; journal and checkpoint go to ``folder``."""
    fabric, model = make_fabric("cpu", "64"), pretrainer("all")
    across = Across(fabric.global_rank, fabric.world_size, gather_rows)

    def batches(start: int) -> Iterator[dict[str, Tensor]]:
        for step in range(start, STEPS):
            yield own(pairs(step), across)

    learn = in_two_passes(lambda rows: losses_of(rows, model.objectives, across), micro)
    folder.mkdir(exist_ok=True)
    how = Optimisation(steps=STEPS, learning_rate=1e-3, clip=1.0)
    fit(fabric, model, learn, batches, how, Run(folder, "two", 0, "plan", BATCH, quiet=True))


def main(folder: Path, micro: int) -> None:
    """Write the gradients of every objective, and train; in double precision, so that what is left is no rounding."""
    torch.set_num_threads(1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # Fabric gives a wrapped model's outputs in the default precision
    try:
        for name in (*NAMES, "all"):
            found = gradients(name, micro)
            if int(os.environ.get("RANK", "0")) == 0:
                whole = {k: v.contiguous() for k, v in found.items()}
                safetensors.torch.save_file(whole, folder / f"{name}.safetensors")
        train(folder / "run", micro)
    finally:
        torch.set_default_dtype(before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
