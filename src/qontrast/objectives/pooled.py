"""What objectives of pooled embeddings share: a projector, and the rows of both views gathered from all processes."""

from torch import Tensor, nn

from qontrast.nets.heads import Projector
from qontrast.objectives.objective import Across, Objective, Rows, Seen, Widths


class PooledObjective(Objective):
    """One vector per view.

    Args:
        hidden: width of the projector between its two layers.
        out: dimension of the space that is compared in.
    """

    hidden: int
    out: int

    def head(self, widths: Widths) -> nn.Module:
        """See :class:`Objective`, as all of these."""
        return Projector(widths.encoded[-1], self.hidden, self.out)

    def rows(self, head: nn.Module, seen: Seen) -> Rows:
        """Both views' vectors, ``[sample, out]``."""
        a, b = head(seen.pooled).chunk(2)
        return {"a": a, "b": b}


def gathered(rows: Rows, across: Across) -> tuple[Tensor, Tensor]:
    """Both views' vectors of the whole batch."""
    return across.gather(rows["a"]), across.gather(rows["b"])
