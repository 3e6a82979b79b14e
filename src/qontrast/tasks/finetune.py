"""Fine-tuning: a U-Net on an encoder, pretrained or not, learns a task from a few examples."""

from pathlib import Path

import torch
from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive_seed
from qontrast.engine.device import described, make_fabric
from qontrast.engine.loop import Run, fit
from qontrast.engine.memory import keep_memory
from qontrast.engine.passes import in_one_pass
from qontrast.engine.ranks import processes
from qontrast.nets.catalogue import build_encoder
from qontrast.nets.quick import quicken
from qontrast.nets.unet import UNet, unet_widths
from qontrast.tasks.assignments import ASSIGNMENTS
from qontrast.tasks.plan_file import digest, plan_values
from qontrast.tasks.plans import FinetunePlan
from qontrast.tasks.run_folder import keep_plan, open_run
from qontrast.tasks.speaking import say
from qontrast.views.loader import Examples, batches
from qontrast.views.normalise import NORMALISATION
from qontrast.weights.encoder import encoder_arm, encoder_spacing, load_decoder, load_encoder
from qontrast.weights.segmenter import MODEL, save_segmenter


def finetune(plan: FinetunePlan, out: Path, *, resume: bool = False, quiet: bool = False) -> Path:
    """Train a segmenter or a denoiser.

    Args:
        plan: the run; its ``task`` says what is learned.
        out: folder for ``plan.yaml``, ``journal.jsonl``, ``checkpoint.safetensors`` and, at the end,
            ``model.safetensors``.
        resume: go on from the folder's checkpoint; the result is that of a run that was never stopped.
        quiet: print nothing.

    Returns:
        The network's file.

    Raises:
        InputError: for data or an encoder that cannot be used, a folder that is not empty, a plan that has changed.
        QontrastError: if the loss is not finite.
        WriteError: if the disk is full; the last good checkpoint remains.
    """
    if processes() != (1, 1):
        count = processes()[0] * processes()[1]
        raise InputError("finetune", f"{count} processes", "one", "Run it without torchrun; pretrain takes many.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(plan.seed, "weights"))
        # An encoder from elsewhere must not shift the draw of the decoder: both arms of a comparison start alike.
        fresh = build_encoder(plan.net)
        encoder = load_encoder(plan.encoder).train() if plan.encoder else fresh
        pretrained = load_decoder(plan.encoder) if plan.encoder and plan.decoder else None
        torch.manual_seed(derive_seed(plan.seed, "decoder"))
        open_run(out, plan, resume=resume)
        assignment = ASSIGNMENTS[plan.task](plan, quiet=quiet)
        net = UNet(encoder, len(assignment.outputs), widths=None if pretrained is None else pretrained[0])
    if pretrained is not None:
        net.load_decoder(pretrained[1])
    if assignment.still:
        for parameter in net.final_conv.parameters():
            nn.init.zeros_(parameter)
    quicken(net)
    model: nn.Module = Learner(net, freeze=plan.freeze)
    keep_memory()
    fabric = make_fabric(plan.compute.device, plan.compute.precision)
    keep_plan(out, plan)
    heads = sorted(set(assignment.subjects))
    if plan.encoder and (spacing := encoder_spacing(plan.encoder)) not in (None, plan.views.spacing):
        say(
            f"note: the encoder was pretrained at {spacing:g} mm, this run is at {plan.views.spacing:g} mm", quiet=quiet
        )
    arm = encoder_arm(plan.encoder) if plan.encoder else "scratch"
    start = "scratch" if plan.encoder is None else f"{plan.encoder}{' (frozen)' if plan.freeze else ''}"
    if pretrained is not None and pretrained[0] != unet_widths(encoder):
        say(
            f"note: the decoder is that of the pretraining, of {pretrained[0]} channels; from scratch it has "
            f"{unet_widths(encoder)} (decoder: false for that)",
            quiet=quiet,
        )
    say(f"{assignment.aim}: from {start}, {len(heads)} heads, {described(fabric)}", quiet=quiet)
    if len(heads) == 1:
        say(f"note: {heads[0]} alone is learned from; how well others are done is not known", quiet=quiet)
    workers, prefetch = plan.compute.loading(12 * plan.batch * plan.views.crop**3)
    examples = Examples(assignment.make, len(assignment.subjects), plan.batch, plan.seed)
    steps = plan.optimisation.steps * plan.optimisation.accumulate
    examples_a_step = plan.batch * plan.optimisation.accumulate
    run = Run(out, plan.task, plan.seed, digest(plan), examples_a_step, unit="crops", resume=resume, quiet=quiet)
    pin = fabric.device.type == "cuda"
    model = fit(
        fabric,
        model,
        in_one_pass(assignment.losses),
        lambda first: batches(examples, first, steps, workers, prefetch=prefetch, pin=pin),
        plan.optimisation,
        run,
    )
    assert isinstance(model, Learner)
    file = out / MODEL
    save_segmenter(
        file,
        model.net,
        classes=assignment.outputs,
        spacing=plan.views.spacing,
        crop=plan.views.crop,
        normalisation=NORMALISATION,
        plan=plan_values(plan) | {"pretraining.arm": arm, "labelled_heads": len(heads), "trained_on": heads},
        kind=assignment.kind,
    )
    say(f"{assignment.kind}: {file}", quiet=quiet)
    return file


def finetune_segment(plan: FinetunePlan, out: Path, *, resume: bool = False, quiet: bool = False) -> Path:
    """:func:`finetune` by its older name, whatever the plan's task."""
    return finetune(plan, out, resume=resume, quiet=quiet)


class Learner(nn.Module):
    """A U-Net whose encoder may be held still: no gradient, no dropout.

    Args:
        net: the U-Net.
        freeze: whether to hold the encoder.
    """

    def __init__(self, net: UNet, *, freeze: bool) -> None:
        super().__init__()
        self.net, self.freeze = net, freeze
        if freeze:
            net.encoder.requires_grad_(False)
            net.encoder.eval()

    def train(self, mode: bool = True) -> "Learner":
        """Switch to training, except a frozen encoder."""
        super().train(mode)
        if self.freeze:
            self.net.encoder.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Logits, or the residual, ``[batch, output, x, y, z]``."""
        return self.net(image)
