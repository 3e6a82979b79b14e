"""Where training starts: from a file's encoder, from one that is at hand, or from scratch."""

from copy import deepcopy
from dataclasses import dataclass

import torch

from qontrast.basics.errors import InputError, PlanError
from qontrast.basics.randomness import derive_seed
from qontrast.engine.ranks import processes
from qontrast.nets.catalogue import build_encoder, rebuild
from qontrast.nets.contract import Encoder
from qontrast.tasks.people_plan import PeoplePlan
from qontrast.tasks.plans import FinetunePlan, PretrainPlan
from qontrast.weights.encoder import encoder_arm, load_encoder


@dataclass(frozen=True)
class Start:
    """What is fine-tuned.

    Args:
        encoder: a network of its own, in training mode.
        source: what it was loaded from; None where it was at hand or is new.
        arm: that it was pretrained with; ``scratch`` of a new one, ``external`` of one that is at hand.
    """

    encoder: Encoder
    source: str | None
    arm: str


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
        encoder, arm = deepcopy(at_hand), "external"
    elif source:
        encoder, arm = load_encoder(source), encoder_arm(source)
    else:
        encoder, arm = fresh_encoder(plan), "scratch"
    # An encoder from elsewhere must not shift the draw of the rest: both arms of a comparison start alike.
    torch.manual_seed(derive_seed(plan.seed, "decoder"))
    return Start(encoder.train(), source, arm)


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
