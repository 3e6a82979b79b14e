"""A ledger as a study writes it, made up: skill by arm and by labels, subjects of unlike difficulty."""

import numpy as np

SKILL = {"scratch": 0.0, "base": 0.01, "seqinv": 0.08}


def study_ledger(arms=SKILL, subjects=8, sites=("guys", "hh"), contrasts=("T1w", "T2w"), fractions=(1, 3), seeds=2):
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 0.05, (len(sites), subjects))
    return [
        {
            "subject": f"{site}-{n:02d}", "site": site, "contrast": contrast, "task": "tissue", "arm": arm,
            "schedule": "full", "fraction": fraction, "seed": seed, "class": kind,
            "dice": float(0.6 + 0.02 * fraction + SKILL.get(arm, 0) + difficulty[s, n] + rng.normal(0, 0.01)),
            "hd95_mm": float(5 - fraction + rng.random()), "note": "", "model_digest": "m", "data_digest": "d",
        }
        for s, site in enumerate(sites)
        for n in range(subjects)
        for contrast in contrasts
        for arm in arms
        for fraction in fractions
        for seed in range(seeds)
        for kind in ("grey", "white")
    ]  # fmt: skip
