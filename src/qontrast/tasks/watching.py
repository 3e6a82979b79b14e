"""A pretraining is watched: measured on a probe set now and then, and judged at once."""

from pathlib import Path
from typing import Any

from torch import nn

from qontrast.basics.errors import MissingMapError
from qontrast.engine.journal import read_journal
from qontrast.engine.loop import Watch
from qontrast.objectives.pretrainer import Pretrainer
from qontrast.results.health import Verdict, judge, probed
from qontrast.tasks.plans import PretrainPlan
from qontrast.tasks.probe import ProbeSet, make_probe, open_probe, probe_sources
from qontrast.tasks.probe_measures import measure, pyramid_of
from qontrast.tasks.speaking import say


def watch_over(plan: PretrainPlan, out: Path, *, quiet: bool = False) -> Watch | None:
    """What a run's loop is to measure, with a sentence whenever its state changes; None where nothing is asked for, or
    where no head can be shown in two contrasts.
    """
    if plan.probe.every == 0:
        return None
    sources, held_out = probe_sources([plan.cohort, *plan.others], plan.probe.heads, plan.seed)
    heads = open_probe(sources, quiet=quiet)
    asked = {"anatomies": plan.probe.anatomies, "contrasts": plan.probe.contrasts}
    try:
        probe = make_probe(heads, plan.views, plan.seed, held_out=held_out, **asked)
    except MissingMapError as error:
        say(f"note: the run is not watched. {error}", quiet=quiet)
        return None
    say(probe.describe(), quiet=quiet)
    return Watch(plan.probe.every, _Watcher(probe, out, quiet))


class _Watcher:
    """Measures, and remembers what it said.

    Args:
        probe: the fixed set.
        out: the run's folder, whose journal tells what was measured before a resume.
        quiet: say nothing, but warn of a collapse.
    """

    def __init__(self, probe: ProbeSet, out: Path, quiet: bool) -> None:
        self.probe, self.out, self.quiet = probe, out, quiet
        self.rows: list[dict[str, Any]] | None = None
        self.state = "untrained"

    def __call__(self, model: nn.Module, steps: int) -> dict[str, float]:
        assert isinstance(model, Pretrainer)
        if self.rows is None:
            self.rows = [row for row in read_journal(self.out) if row["step"] < steps]
        found = measure(self.probe, *pyramid_of(model.encoder, model.decoder), model=model)
        self.rows.append({"step": steps, **found})
        verdict = judge(probed(self.rows))
        self._say(verdict)
        return found

    def _say(self, verdict: Verdict) -> None:
        if verdict.state != self.state:
            say(verdict.sentence, quiet=self.quiet and not verdict.collapsed)
            self.state = verdict.state
