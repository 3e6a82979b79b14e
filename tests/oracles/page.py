"""``make physics-page``: docs/physics.md, a page that a physicist can check, with a picture of every sequence."""

import inspect
import re
from pathlib import Path

import matplotlib
import numpy as np

from oracles.catalogue import ORACLES, compare
from oracles.tissues import random_protocols
from qontrast.anatomy.cohort import find_subjects
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.inversion_recovery import nulling_inversion_time
from qontrast.physics.presets import CSF_T1, FAT_T1, PRESETS
from qontrast.physics.sequence import acquire
from qontrast.physics.usefulness import reference_brain
from qontrast.views.contrast import describe

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PROTOCOLS = 60
KNOWN = {
    "mprage": "White over grey over fluid, as every T1-weighted volume.",
    "mp2rage": "UNI: white above 0, grey below, fluid at -0.5.",
    "spgr": "White over grey over fluid at flips above the Ernst angle; PD-weighted far below it.",
    "gre": "Fluid over grey over white at low flips; iron-rich nuclei dark.",
    "fse": "Fluid over grey over white at long TE; at short TE and long TR proton density.",
    "flair": "Grey over white, fluid nulled, lesions bright.",
    "bssfp": "Weighted by T2/T1: fluid far brighter than tissue, grey about as white; bands off resonance.",
    "ir": "As a magnitude at TI 400 ms white is darkest, near its null; signed, white is brightest.",
    "stir": "Fluid over grey over white; fat nulled.",
    "dir": "Only grey matter: fluid and white matter nulled.",
    "mt": "Grey over white at flips of 6 degrees: the pulse takes most from white matter.",
    "t2star": "Veins and iron dark.",
}


def nulls(name):
    """What a preset nulls, solved and measured in its own signal, as a sentence."""
    preset = PRESETS[name]
    white, grey, fluid = preset.signal(reference_brain(3.0)).abs().flatten().tolist()[:3]
    if name == "flair":
        ti = nulling_inversion_time(CSF_T1, preset.repetition_time, preset.train_duration, preset.inversion_efficiency)
        left = f"left of it {fluid / grey:.1%} of grey"
        return f"Null of fluid at TI {1000 * ti:.0f} ms for TR {1000 * preset.repetition_time:.0f} ms; {left}."
    if name == "stir":
        ti = nulling_inversion_time(FAT_T1, preset.repetition_time, preset.train_duration, preset.inversion_efficiency)
        return f"Null of fat (T1 {1000 * FAT_T1:.0f} ms) at TI {1000 * ti:.0f} ms."
    if name == "dir":
        return f"Left of fluid {fluid / grey:.1%} and of white matter {white / grey:.1%} of grey."
    return ""


def picture(name, subject, folder):
    """An axial slice of an embedded head in the preset, as a small PNG."""
    low, high = subject.region[2]
    middle = (low + high) // 2 + 8
    box = ((0, subject.grid.shape[0]), (0, subject.grid.shape[1]), (middle, middle + 2))
    preset = PRESETS[name]
    maps = subject.draw(None).block(box, with_b0=preset.uses_b0)
    image = preset.image(acquire(preset, maps))[0, 0, :, :, 0].numpy()
    low, high = (-0.5, 0.5) if name == "mp2rage" else (0.0, float(np.percentile(image, 99.5)))
    plt.imsave(folder / f"{name}.png", np.rot90(image), cmap="gray", vmin=low, vmax=high)


def section(name):
    """The Markdown of one sequence."""
    kind, preset = SEQUENCES[name], PRESETS[name]
    lines = inspect.cleandoc(kind.__doc__).splitlines()
    doc = re.sub(r":\w+:`~?[\w.]*?(\w+)`", r"`\1`", "\n".join(lines)).replace("``", "`")
    brain = reference_brain(3.0)
    shades = preset.image(preset.signal(brain)).flatten().tolist()
    order = sorted(zip(shades, ("white", "grey", "CSF"), strict=True), reverse=True)
    errors = [(what, compare(name, oracle, random_protocols(name, PROTOCOLS))) for what, oracle in ORACLES[name]]
    table = "\n".join(f"| {what} | {e.size} | {np.median(e):.1e} | {e.max():.1e} |" for what, e in errors)
    brightness = " > ".join(f"{tissue} ({shade:.3g})" for shade, tissue in order)
    return f"""## {name}

![{name}](physics/{name}.png)

{doc}

| oracle | draws | median error | largest error |
| --- | --- | --- | --- |
{table}

Preset: {describe(preset)}. Brightness: {brightness}. {KNOWN[name]} {nulls(name)}
"""


def main(folder=Path("docs")):
    """Write the page and its pictures."""
    pictures = folder / "physics"
    pictures.mkdir(parents=True, exist_ok=True)
    subject = find_subjects("embedded", embedded=1)[0].open()
    for name in SEQUENCES:
        picture(name, subject, pictures)
    parts = [section(name) for name in SEQUENCES]
    head = """# The physics, sequence by sequence

Written by `make physics-page`; `make physics` measures it anew, with more draws, on your machine. Signals are in
units of PD. Errors are relative to the signal, or to 1 % of PD where it is weaker, over random tissues (T1 0.2 to 5 s,
T2 12 ms to 2 s, B1+ 0.6 to 1.4, 60 Hz off resonance) and protocols of the default prior at 0.064 to 7 T. The oracles
share no code with the library (`tests/oracles`): torchsim, an MIT-licensed simulator, where it has the sequence, and an
obvious loop of events or of isochromats where not. Pictures are of an embedded head at 3 T, without noise. b is B1+
relative to nominal.

What is left out: slice profiles, diffusion, flow, exchange between pools beyond MTsat, magnetisation transfer by the
pulses of multi-slice trains (real white matter loses 10 to 15 % in them), and the signal's decay during a readout.

"""
    (folder / "physics.md").write_text(head + "\n".join(parts), encoding="utf-8")
    print(f"{folder / 'physics.md'}: {len(parts)} sequences")


if __name__ == "__main__":
    main()
