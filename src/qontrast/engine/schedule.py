"""Learning rate over a run."""


def polynomial(step: int, steps: int, power: float = 0.9) -> float:
    """Share of the learning rate left at ``step``: (1 - step/steps)^power (Chen et al. 2018, arXiv:1606.00915)."""
    return max(0.0, 1.0 - step / max(1, steps)) ** power


def rising(step: int, warmup: int) -> float:
    """Share of the learning rate reached at ``step`` of a linear warm-up (Goyal et al. 2017, arXiv:1706.02677)."""
    return min(1.0, (step + 1) / (warmup + 1))
