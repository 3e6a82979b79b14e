"""Fine-tuning: a U-Net on an encoder, pretrained or not, learns a task from a few examples."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from qontrast.anatomy.cohort import people_of
from qontrast.engine.fabric import described, make_fabric
from qontrast.engine.loop import Run, fit
from qontrast.engine.memory import keep_memory
from qontrast.engine.passes import in_one_pass
from qontrast.nets.adapter import ADAPTED
from qontrast.nets.contract import Encoder
from qontrast.nets.neighbours import Neighbours
from qontrast.nets.quick import quicken
from qontrast.nets.unet import UNet, unet_widths
from qontrast.tasks.arranging import Steps, arrange
from qontrast.tasks.assignments import ASSIGNMENTS
from qontrast.tasks.heads import begin_at_zero, fill_bank, head_on, parts
from qontrast.tasks.plan_file import digest, plan_values
from qontrast.tasks.plans import FinetunePlan
from qontrast.tasks.run_folder import keep_plan, open_run
from qontrast.tasks.speaking import bar, say
from qontrast.tasks.starting import start_from
from qontrast.views.loader import Examples, batches
from qontrast.views.normalise import NORMALISATION
from qontrast.weights.segmenter import MODEL, save_segmenter


def finetune(
    plan: FinetunePlan, out: Path, *, encoder: Encoder | None = None, resume: bool = False, quiet: bool = False
) -> Path:
    """Train a segmenter or a denoiser.

    Args:
        plan: the run; its ``task`` says what is learned.
        out: folder for ``plan.yaml``, ``heads.txt``, ``journal.jsonl``, ``checkpoint.safetensors`` and, at the end,
            ``model.safetensors``.
        encoder: the network itself, where it is at hand (see :func:`qontrast.nets.adapter.adapt`); ``plan.encoder`` is
            then merely what it is called.
        resume: go on from the folder's checkpoint; the result is that of a run that was never stopped.
        quiet: print nothing.

    Returns:
        The network's file.

    Raises:
        InputError: for data or an encoder that cannot be used, a folder that is not empty, a plan that has changed.
        QontrastError: if the loss is not finite.
        WriteError: if the disk is full; the last good checkpoint remains.
    """
    with torch.random.fork_rng(devices=[]):
        start = start_from(plan, encoder)
        pretrained = start.decoder if plan.decoder else None
        open_run(out, plan, resume=resume)
        assignment = ASSIGNMENTS[plan.task](plan, quiet=quiet)
        net = head_on(start.encoder, len(assignment.outputs), plan.schedule, pretrained)
        goes_on = pretrained is not None and start.readout is not None and start.outputs == assignment.outputs
        if goes_on and isinstance(net, UNet) and start.readout:
            net.final_conv.load_state_dict(start.readout)
        elif assignment.still:
            begin_at_zero(net)
    quicken(net)
    keep_memory()
    fabric = make_fabric(plan.compute.device, plan.compute.precision)
    making = plan.compute.making(fabric.device)
    keep_plan(out, plan, assignment.subjects)
    heads, people = sorted(set(assignment.subjects)), people_of(plan.cohort.data)
    if start.spacing not in (None, plan.views.spacing):
        found = f"{start.spacing:g} mm, this run is at {plan.views.spacing:g} mm"
        say(f"note: the encoder was pretrained at {found}", quiet=quiet)
    if isinstance(net, UNet) and pretrained is not None and pretrained[0] != unet_widths(start.encoder):
        say(
            f"note: the decoder is that of the pretraining, of {pretrained[0]} channels; from scratch it has "
            f"{unet_widths(start.encoder)} (decoder: false for that)",
            quiet=quiet,
        )
    origin = f"{plan.encoder or 'scratch'}, {plan.schedule.kind}"
    say(f"{assignment.aim}: from {origin}, {len(heads)} heads, {described(fabric)}", quiet=quiet)
    if len(heads) == 1:
        say(f"note: {heads[0]} alone is learned from; how well others are done is not known", quiet=quiet)
    loading = plan.compute.loading(12 * plan.batch * plan.views.crop**3, on_gpu=making.type != "cpu")
    examples = Examples(replace(assignment.make, device=making), len(assignment.subjects), plan.batch, plan.seed)
    steps = plan.optimisation.steps * plan.optimisation.accumulate
    examples_a_step = plan.batch * plan.optimisation.accumulate
    run = Run(out, plan.task, plan.seed, digest(plan), examples_a_step, unit="crops", resume=resume, quiet=quiet)
    pin = fabric.device.type == "cuda"

    def loaded(start: int) -> Iterator[dict[str, Any]]:
        return batches(examples, start, steps, pin=pin, **loading)

    if isinstance(net, Neighbours):
        crops = bar(loaded(0), steps, "reading labelled voxels", quiet=quiet)
        fill_bank(net.to(fabric.device), crops, steps, plan.schedule.voxels, plan.seed)
    else:
        passes = Steps(lambda images: (net(images),), plan.batch, plan.views.crop, plan.optimisation.steps)
        if start.encoder.family != ADAPTED:  # another library's network may not bear another order
            arrange(fabric, net, passes, plan.compute, out, quiet=quiet)
        learning = parts(net, decoder=pretrained is not None)
        groups = plan.schedule.groups(*learning, plan.optimisation, fresh=not goes_on)
        fit(fabric, net, in_one_pass(assignment.losses), loaded, plan.optimisation, run, None, groups)
    file = out / MODEL
    save_segmenter(
        file,
        net,
        classes=assignment.outputs,
        spacing=plan.views.spacing,
        crop=plan.views.crop,
        normalisation=NORMALISATION,
        plan=plan_values(plan)
        | {"cohort.data": people, "trained_on": heads}
        | {"pretraining.arm": start.arm, "labelled_heads": len(heads)}
        | start.past,
        kind=assignment.kind,
    )
    say(f"{assignment.kind}: {file}", quiet=quiet)
    return file
