"""``make physics``: the table that says whether the physics is right; exits with 1 if any of it is not."""

import os
import sys
import time
from pathlib import Path

import numpy as np

from oracles.catalogue import ORACLES, compare
from oracles.draws import NULLED, try_prior
from oracles.echoes import residuals
from oracles.tissues import random_protocols

PROTOCOLS, TISSUES = 100, 10
BOUNDS = {name: 0.02 if name == "fse" else 0.01 for name in ORACLES}
"""Largest relative error: 2 % for the echo train's table, 1 % for all else."""
NOISE = 50.0  # of the echoes simulated from real maps, in their own unit


def sequences():
    """A row for each sequence and oracle; True if every error is within its bound."""
    print(f"{'sequence':10}{'oracle':18}{'draws':>7}{'median error':>14}{'largest error':>15}{'bound':>8}")
    right = True
    for name, oracles in ORACLES.items():
        for what, oracle in oracles:
            errors = compare(name, oracle, random_protocols(name, PROTOCOLS), TISSUES)
            good = bool(errors.max() < BOUNDS[name])
            right &= good
            print(
                f"{name:10}{what:18}{errors.size:7d}{np.median(errors):14.1e}{errors.max():15.1e}{BOUNDS[name]:8.0%}"
                + ("" if good else "  TOO LARGE")
            )
    print("errors are relative to the signal, or to 1 % of PD where it is weaker; T1 0.2 to 5 s, T2 12 ms to 2 s,")
    print("B1+ 0.6 to 1.4, 60 Hz off resonance, protocols of the default prior at 0.064 to 7 T\n")
    return right


def prior(data, count):
    """What the default prior draws on label maps; True if it is as broad and as useful as it has to be."""
    found = try_prior(data, count)
    tries = found.count + found.rejected + found.impossible
    shares = {order: n / found.count for order, n in found.orders.most_common()}
    dark = np.mean(np.abs(found.flair) < NULLED)
    print(f"{found.count} draws of the default prior on {data}")
    print(f"impossible timing {found.impossible}; rejected {found.rejected} ({found.rejected / tries:.2%}, below 2 %)")
    for order, share in shares.items():
        print(f"  {order:22}{share:7.1%}")
    print(f"fluid nulled (below {NULLED:.0%} of grey matter) in {dark:.1%} of {len(found.flair)} FLAIR draws\n")
    broad = max(shares.values()) <= 0.45 and sum(s > 0.05 for s in shares.values()) >= 4
    return found.impossible == 0 and found.rejected / tries < 0.02 and broad and dark > 0.95


def echoes(folder):
    """Residuals of real maps' echoes; True if the noise is all that is left."""
    rows = residuals(folder)
    spreads = np.array([spread for *_, spread in rows])
    print(f"{len(rows)} T1w and PDw echoes of real maps: residual spread {spreads.min():.1f} to {spreads.max():.1f}")
    print(f"(noise of about {NOISE:.0f} was added)\n")
    return bool((np.abs(spreads / NOISE - 1) < 0.05).all())


def main():
    """Run all of it."""
    began = time.monotonic()
    data = os.environ.get("QONTRAST_DATA")
    good = sequences()
    heads = str(Path(data) / "anatomies") if data else "embedded"
    good &= prior(heads, 5000)
    if data:
        good &= echoes(Path(data) / "qmri" / "sub-mpm")
    else:
        print("QONTRAST_DATA is not set: real label maps and echoes were not tried\n")
    print(f"{'all within bounds' if good else 'NOT within bounds'}, {time.monotonic() - began:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
