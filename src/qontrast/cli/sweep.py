"""The command that shows a network one brain in a grid of protocols."""

from pathlib import Path
from typing import Literal

from qontrast.cli.dotted import plan_flags
from qontrast.cli.lists import Numbers, Words


def sweep(
    plan: Path | None = None,
    /,
    *,
    out: Path,
    model: str | None = None,
    maps: str | None = None,
    labels: str | None = None,
    heads: int | None = None,
    subjects: Words | None = None,
    sequences: Words | None = None,
    planes: str | None = None,
    fields: Numbers | None = None,
    points: int | None = None,
    protocols: Words | None = None,
    reference: str | None = None,
    truth: Literal["auto", "labels", "own"] | None = None,
    snr: float | None = None,
    noise: Literal["same_snr", "same_noise"] | None = None,
    seed: int | None = None,
    device: str | None = None,
    figures: Words | None = None,
    quiet: bool = False,
) -> None:
    """Can I trust this network on my protocol? One brain in a grid of sequences, TR, TE, TI, flip angles and fields.

    Run it again with the same --out to go on after a stop. Any other field of the plan is a flag too: --form.spacing
    1, --form.classes [background,lesion] (see `qontrast plan sweep`).

    Parameters
    ----------
    plan
        YAML file; without one, the defaults.
    out
        Folder for the ledger, the points as CSV, the figures and report.html.
    model
        Run's folder, packed weights, ONNX file, or package.module:function.
    maps
        A subject's tissue maps or label map, a folder of several, or "embedded".
    labels
        TSV with the tissue of each label, for label maps that are not FreeSurfer's.
    heads
        How many of the subjects are swept.
    subjects
        Names of the subjects to take.
    sequences
        That are swept.
    planes
        Other parameters or ranges, as YAML: [{sequence: mprage, x: {parameter: flip_angle, low: 4, high: 20}, y: ...}]
    fields
        Field strengths in tesla.
    points
        Values along each axis of a plane.
    protocols
        JSON sidecars of your own scans: their protocols are scored and marked.
    reference
        Named protocol or sequence that others are compared with.
    truth
        labels, own (the model's segmentation at the reference), or auto.
    snr
        Signal-to-noise ratio of each protocol.
    noise
        same_snr at every protocol, or same_noise: that of the reference.
    seed
        Of noise and of the tissue of label maps.
    device
        auto, cpu or cuda.
    figures
        png, pdf: write the figures as files, too.
    quiet
        Print nothing.
    """
    from qontrast.basics.errors import PlanError
    from qontrast.sweeps.plan import SweepPlan
    from qontrast.sweeps.sweep import sweep as task
    from qontrast.tasks.plan_file import read_plan

    flags = plan_flags(
        model=model,
        maps=maps,
        labels=labels,
        heads=heads,
        subjects=subjects,
        sequences=sequences,
        fields=fields,
        points=points,
        protocols=protocols,
        reference=reference,
        truth=truth,
        snr=snr,
        noise=noise,
        seed=seed,
        device=device,
        figures=figures,
    )
    if planes is not None:
        if not planes.lstrip().startswith("["):
            raise PlanError("--planes", repr(planes), "a list in YAML", "See `qontrast sweep --help`.")
        flags["planes"] = planes  # YAML as it stands
    task(read_plan(SweepPlan, plan, flags), out, quiet=quiet)
