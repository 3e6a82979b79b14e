"""An encoder, perhaps a decoder, and the heads of the objectives that both are pretrained with."""

from collections.abc import Mapping

from torch import Tensor, nn

from qontrast.nets.contract import Encoder
from qontrast.nets.decoder import Decoder
from qontrast.objectives.objective import Across, Objective, Rows, Seen, Widths


class Pretrainer(nn.Module):
    """A batch of pairs to the rows of every objective.

    Args:
        encoder: what is pretrained.
        objectives: by name.
    """

    def __init__(self, encoder: Encoder, objectives: Mapping[str, Objective]) -> None:
        super().__init__()
        self.objectives = dict(objectives)
        self.encoder = encoder
        self.decoder: Decoder | None = None
        self.pyramid = any(o.needs_decoder or o.needs_pyramid for o in self.objectives.values())
        if any(o.needs_decoder for o in self.objectives.values()):
            self.decoder = Decoder(encoder.features_per_level, encoder.strides)
        decoded = () if self.decoder is None else self.decoder.widths
        widths = Widths(encoder.features_per_level, encoder.strides, decoded)
        self.heads = nn.ModuleDict({name: o.head(widths) for name, o in self.objectives.items()})

    def forward(self, batch: dict[str, Tensor]) -> Rows:
        """The objectives' rows, named ``objective.row``."""
        seen = Seen(batch, self.encoder, self.decoder, self.pyramid)
        return {
            f"{name}.{row}": values
            for name, objective in self.objectives.items()
            for row, values in objective.rows(self.heads[name], seen).items()
        }


def losses_of(rows: Rows, objectives: Mapping[str, Objective], across: Across) -> dict[str, Tensor]:
    """``loss``, the weighted sum, and each objective's own as ``loss_...``, of a process's rows.

    Their means over the processes are those of one process with the whole batch.
    """
    found: dict[str, Tensor] = {}
    for name, objective in objectives.items():
        own = {row.removeprefix(f"{name}."): v for row, v in rows.items() if row.startswith(f"{name}.")}
        found[f"loss_{name}"] = objective.loss(own, across)
    total = sum(objective.weight * found[f"loss_{name}"] for name, objective in objectives.items())
    assert isinstance(total, Tensor)
    return {"loss": total, **found}
