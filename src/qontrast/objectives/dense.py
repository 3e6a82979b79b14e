"""What dense objectives share: features of matched points at some levels of the networks."""

from typing import ClassVar, Literal

from torch import Tensor, nn

from qontrast.basics.errors import PlanError
from qontrast.geometry.points import read_points
from qontrast.nets.heads import Projector
from qontrast.objectives.objective import Objective, Rows, Seen, Widths, above_zero, not_negative

Where = Literal["decoder", "encoder"]


class DenseObjective(Objective):
    """Vectors of matched points.

    Args:
        of: whose levels, the decoder's or the encoder's.
        levels: which of them, 0 the finest.
        hidden: width of the projector between its two layers; 0 compares the features themselves.
        out: dimension of the space that is compared in.
        bank: points of each crop that the whole batch sees.
    """

    of: Where
    levels: tuple[int, ...]
    hidden: int
    out: int
    bank: int
    needs_points: ClassVar[bool] = True
    needs_pyramid: ClassVar[bool] = True

    @property
    def needs_decoder(self) -> bool:  # type: ignore[override]
        """Whether its levels are the decoder's."""
        return self.of == "decoder"

    def check(self, name: str) -> None:
        """Refuse what makes no sense.

        Raises:
            PlanError: with the field and the value.
        """
        not_negative(name, weight=self.weight, hidden=self.hidden)
        above_zero(name, out=self.out, bank=self.bank)
        if not self.levels or min(self.levels) < 0:
            raise PlanError(f"objectives.{name}.levels", f"{list(self.levels)}", "levels from 0, the finest, on")

    def head(self, widths: Widths) -> nn.Module:
        """A projector for each level, or what leaves features as they are.

        Raises:
            PlanError: if there is no such level.
        """
        channels = widths.decoded if self.of == "decoder" else widths.encoded
        if max(self.levels) >= len(channels):
            found, wanted = f"level {max(self.levels)}", f"0 to {len(channels) - 1}: the {self.of} has no more"
            raise PlanError("objectives, levels of a dense one", found, wanted)
        return nn.ModuleDict(
            {
                str(level): Projector(channels[level], self.hidden, self.out) if self.hidden else nn.Identity()
                for level in self.levels
            }
        )

    def rows(self, head: nn.Module, seen: Seen) -> Rows:
        """Both views' vectors at each level, ``[sample, point, out]``, and where the points lie."""
        assert isinstance(head, nn.ModuleDict)
        levels = seen.decoded if self.of == "decoder" else seen.encoded
        edge = seen.images.shape[2]
        rows = {"places": seen.batch["points_a"]}
        for level in self.levels:
            stride = edge // levels[level].shape[2]
            a, b = levels[level].chunk(2)
            for name, features in (("a", a), ("b", b)):
                read = read_points(features, seen.batch[f"points_{name}"], stride)
                rows[f"{name}{level}"] = head[str(level)](read.flatten(0, 1)).unflatten(0, read.shape[:2])
        return rows


def at_level(rows: Rows, level: int) -> tuple[Tensor, Tensor]:
    """Both views' vectors of one level."""
    return rows[f"a{level}"], rows[f"b{level}"]
