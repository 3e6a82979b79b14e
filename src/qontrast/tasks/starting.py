"""Where training starts: from a file's encoder or a whole model, from one that is at hand, or from scratch."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qontrast.basics.errors import InputError, PlanError
from qontrast.basics.randomness import derive_seed
from qontrast.engine.ranks import processes
from qontrast.nets.adapter import ADAPTED
from qontrast.nets.catalogue import build_encoder, rebuild
from qontrast.nets.contract import Encoder
from qontrast.nets.unet import UNet
from qontrast.tasks.people_plan import PeoplePlan
from qontrast.tasks.plans import FinetunePlan, PretrainPlan
from qontrast.weights.contract import STARTED_FROM, read_weights
from qontrast.weights.encoder import (
    ENCODER,
    encoder_arm,
    encoder_file,
    encoder_plan,
    encoder_spacing,
    load_decoder,
    load_encoder,
)
from qontrast.weights.segmenter import KINDS, MODEL, UNETS, load_segmenter


@dataclass(frozen=True)
class Start:
    """What is fine-tuned.

    Args:
        encoder: a network of its own, in training mode.
        arm: that it was pretrained with; ``scratch`` of a new one, ``external`` of one that is at hand.
        spacing: of its images so far, mm; None where that is not known.
        decoder: widths and weights of the decoder that it was trained with.
        outputs: names of what the model gave that was fine-tuned before.
        readout: weights of the last convolution, which gave it.
        plan: that it was trained by, with the plan of what that started from; empty where there is none.
    """

    encoder: Encoder
    arm: str
    spacing: float | None = None
    decoder: tuple[Sequence[int], Mapping[str, Tensor]] | None = None
    outputs: tuple[str, ...] = ()
    readout: Mapping[str, Tensor] | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)

    @property
    def past(self) -> dict[str, Any]:
        """What a model's plan says of what it started from; nothing of a new network."""
        if not self.plan:
            return {}
        heads = [[data, list(subjects)] for data, subjects in learned_from(self.plan)]
        return {STARTED_FROM: dict(self.plan)} | ({"trained_before": heads} if "trained_on" in self.plan else {})


def start_from(plan: FinetunePlan | PeoplePlan, at_hand: Encoder | None) -> Start:
    """The encoder of a plan; torch's generator is left where the draw of what is put on the encoder begins.

    Args:
        plan: the run, with ``encoder``, ``net`` and ``seed``.
        at_hand: the network itself, which stays as it is; ``plan.encoder`` is then a mere name.

    Raises:
        InputError: if the encoder cannot be loaded, or several processes were started.
    """
    if processes() != (1, 1):
        count = processes()[0] * processes()[1]
        raise InputError("finetune", f"{count} processes", "one", "Run it without torchrun; pretrain takes many.")
    source = plan.encoder if at_hand is None else None
    torch.manual_seed(derive_seed(plan.seed, "weights"))
    if at_hand is not None:
        start = Start(deepcopy(at_hand), "external")
    elif source and (model := _model_file(source)):
        start = _from_model(model)
    elif source:
        encoder = load_encoder(source)
        spacing, decoder = encoder_spacing(source), load_decoder(source)
        start = Start(encoder, encoder_arm(source), spacing, decoder, plan=encoder_plan(source))
    else:
        start = Start(fresh_encoder(plan), "scratch")
    # An encoder from elsewhere must not shift the draw of the rest: both arms of a comparison start alike.
    torch.manual_seed(derive_seed(plan.seed, "decoder"))
    start.encoder.train()
    return start


def _model_file(source: str) -> Path | None:
    """The file of a model that was fine-tuned before; None where the source is an encoder."""
    folder = Path(source)
    if (folder / MODEL).is_file() and not (folder / ENCODER).is_file():
        return folder / MODEL
    path = encoder_file(source)
    known = path.suffix == ".safetensors" and path.is_file()
    return path if known and read_weights(path, *KINDS)[1].kind in UNETS else None


def _from_model(path: Path) -> Start:
    contract = read_weights(path, *UNETS)[1]
    if contract.encoder.get("family") == ADAPTED:
        found = "a model on an adapted network"
        raise InputError(
            path, found, "a model on a network of ours", "Start from its encoder: package.module:function."
        )
    net, _ = load_segmenter(path, *UNETS)
    if not isinstance(net, UNet):
        raise InputError(path, f"a {contract.head}", "an encoder or a U-Net", "Start from the encoder below it.")
    plan = contract.plan
    arm = contract.origin.name if contract.origin else f"fine-tuned {plan.get('pretraining.arm', 'scratch')}"
    return Start(
        net.encoder,
        arm,
        contract.spacing,
        (net.widths, net.decoder_state()),
        contract.classes,
        net.final_conv.state_dict(),
        plan,
    )


def learned_from(plan: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Cohort and subjects of a model's fine-tuning, and of those that it went on from."""
    stages = [(plan.get("cohort.data", ""), plan.get("trained_on", ())), *plan.get("trained_before", ())]
    return tuple((str(data), tuple(subjects)) for data, subjects in stages)


def fresh_encoder(plan: PretrainPlan | FinetunePlan | PeoplePlan) -> Encoder:
    """The plan's network with new weights.

    Raises:
        PlanError: if it is to drop what it cannot.
    """
    encoder = build_encoder(plan.net)
    if plan.dropout is None or "dropout" not in encoder.settings:
        if plan.dropout:
            raise PlanError("dropout", f"{plan.dropout:g}", f"null or 0: {plan.net} drops nothing")
        return encoder
    torch.manual_seed(derive_seed(plan.seed, "weights"))  # with and without dropout the weights begin alike
    return rebuild(encoder.features_per_level, {**encoder.settings, "dropout": plan.dropout})
