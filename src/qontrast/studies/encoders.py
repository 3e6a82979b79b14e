"""Encoders that a study is given: what they are, and whom they saw."""

import hashlib
from pathlib import Path
from typing import Any

from qontrast.anatomy.source import EMBEDDED
from qontrast.basics.errors import InputError
from qontrast.studies.digests import fingerprint
from qontrast.studies.scoring import weights_digest
from qontrast.tasks.plan_file import plan_of
from qontrast.tasks.plans import Cohort
from qontrast.weights.contract import read_weights
from qontrast.weights.encoder import encoder_file, missing_encoder

FIELDS = ("data", "labels", "embedded", "subjects", "kind")


def file_of(name: str) -> Path | None:
    """The file of an encoder; None for one that code makes (``package.module:function``).

    Raises:
        InputError: if there is no such file.
    """
    path = encoder_file(name)
    if path.is_file():
        return path
    if ":" in name and "/" not in name:
        return None
    raise InputError(path, "no such file", "an encoder", missing_encoder(path))


def encoder_digest(name: str) -> str:
    """Digest of an encoder's weights, whatever else its file says.

    Raises:
        InputError: if there is no such file.
    """
    file = file_of(name)
    if file is None:
        return fingerprint("code", name)
    if file.suffix == ".safetensors":
        return weights_digest(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def known_cohorts(name: str) -> tuple[list[Cohort], str]:
    """The cohorts that an encoder was pretrained on, as far as its file says and they are on this machine.

    Returns:
        The cohorts, and a note on what could not be found out (empty where all could).

    Raises:
        InputError: if there is no such file.
    """
    file = file_of(name)
    if file is None or file.suffix != ".safetensors":
        return [], f"{name} does not say whom it was pretrained on; make sure that they are not tested on"
    plan = read_weights(file, "encoder")[1].plan
    stated = [{key: plan[f"cohort.{key}"] for key in FIELDS if f"cohort.{key}" in plan}]
    stated += [{key: other[key] for key in FIELDS if key in other} for other in plan.get("others") or ()]
    there: list[dict[str, Any]] = []
    away: list[dict[str, Any]] = []
    for values in stated:
        (there if _is_here(values.get("data")) else away).append(values)
    note = ""
    if away:
        names = ", ".join(str(values.get("data", "a cohort it does not name")) for values in away)
        note = f"{name} was pretrained on {names}, not on this machine; make sure that nobody of it is tested on"
    return [plan_of(Cohort, values, name) for values in there], note


def _is_here(data: Any) -> bool:
    return data == EMBEDDED or (isinstance(data, str) and Path(data).exists())
