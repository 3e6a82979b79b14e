"""Where fine-tuning starts: from a file's encoder, from one that is at hand, or from scratch."""

from copy import deepcopy
from dataclasses import dataclass

import torch

from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive_seed
from qontrast.engine.ranks import processes
from qontrast.nets.catalogue import build_encoder
from qontrast.nets.contract import Encoder
from qontrast.tasks.people_plan import PeoplePlan
from qontrast.tasks.plans import FinetunePlan
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
        encoder, arm = build_encoder(plan.net), "scratch"
    # An encoder from elsewhere must not shift the draw of the rest: both arms of a comparison start alike.
    torch.manual_seed(derive_seed(plan.seed, "decoder"))
    return Start(encoder.train(), source, arm)
