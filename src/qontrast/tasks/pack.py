"""A finished run to one file that others can use: weights, contract, origin, a probe, and a checksum over all."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from torch import nn

import qontrast
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.engine.journal import JOURNAL
from qontrast.nets.encoder import STRIDE
from qontrast.tasks.loading import check_contract, embed_probe
from qontrast.tasks.models import check_file, network_of
from qontrast.weights.card import model_card
from qontrast.weights.contract import VERSION, Origin, Probe, halved, read_weights, save_weights
from qontrast.weights.encoder import ENCODER, fill, split
from qontrast.weights.probe import RECIPE, probe_sha256
from qontrast.weights.seal import seal_of
from qontrast.weights.segmenter import KINDS, MODEL

TOLERANCE = 1e-3
"""Of the probe: other processors and thread counts differ by 1e-6 or so, another spacing or orientation by far more."""

PROBE_WINDOW = 2 * STRIDE


def pack(
    run: Path,
    out: Path,
    *,
    name: str = "",
    licence: str,
    data_licence: str,
    description: str = "",
    half: bool = False,
    card: bool = False,
) -> Path:
    """Pack a pretraining run's encoder, or what a fine-tuning run made of one.

    Args:
        run: its folder.
        out: the file, ending in ``.safetensors``.
        name: of the weights; the file's where none is given.
        licence: of the weights (an SPDX identifier, or words).
        data_licence: of the data that they were trained on.
        description: a sentence or two for the card.
        half: store half precision; the probe's embedding is then that of the rounded weights.
        card: write the model card beside it, ``<out>.md``.

    Raises:
        InputError: if the run has no weights or no journal, its network is not ours alone, or a licence is missing.
        WriteError: if the file cannot be written.
    """
    run, out = Path(run), Path(out)
    for what, given in (("--licence", licence), ("--data-licence", data_licence)):
        if not given.strip():
            raise InputError(what, "nothing", "a licence", "For instance cc-by-4.0; say 'unknown' if it is unknown.")
    if out.suffix != ".safetensors":
        raise InputError(out, f"the ending {out.suffix!r}", ".safetensors", "Rename the output file.")
    file = run / (MODEL if (run / MODEL).is_file() else ENCODER)
    if not file.is_file():
        raise InputError(file, "no such file", "a run's encoder or model", "Give the folder of a finished run.")
    tensors, contract = read_weights(file, *KINDS)
    check_contract(contract, file)
    net = network_of(file, tensors, contract)
    kept = halved(tensors, file) if half else tensors
    fill(net, split(kept)[0] if contract.kind == "encoder" else kept, file)
    journal_sha256, steps = training_log(run / JOURNAL)
    origin = Origin(name or out.stem, licence, data_licence, description, qontrast.__version__, journal_sha256, steps)
    plan = without_folders(contract.plan)
    probe = _probe(net.eval(), contract.spacing, contract.crop)
    contract = replace(contract, plan=plan, version=VERSION, origin=origin, probe=probe)
    save_weights(out, kept, contract, half=half)
    check_file(out)
    if card:
        write_card(out)
    return out


def write_card(file: Path) -> Path:
    """Write the model card beside packed weights.

    Raises:
        InputError: if they are none.
        WriteError: if it cannot be written.
    """
    tensors, contract = read_weights(file, *KINDS)
    half = any(value.element_size() == 2 for value in tensors.values())
    out = file.with_suffix(".md")
    write_atomic(out, model_card(contract, seal_of(file), file.name, half=half))
    return out


def training_log(journal: Path) -> tuple[str, int]:
    """SHA-256 of a run's journal, and the optimiser steps that it tells of.

    Raises:
        InputError: if there is none, or a line is damaged.
    """
    if not journal.is_file():
        raise InputError(
            journal, "no such file", "the run's training log", "Give the folder of a finished pretraining."
        )
    content = journal.read_bytes()
    try:
        rows = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
        steps = [int(row["step"]) for row in rows if "loss" in row]  # the last row may be a probe's alone
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(journal, f"a damaged line ({error})", "a line of JSON for each step") from error
    return hashlib.sha256(content).hexdigest(), max(steps, default=-1) + 1


def without_folders(value: Any) -> Any:
    """A plan's values with every absolute path cut to its last part: packed weights go to others."""
    if isinstance(value, dict):
        return {key: without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(inner) for inner in value]
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute():
                return kind(value).name
    return value


def _probe(net: nn.Module, spacing: float, crop: int) -> Probe:
    """In a small window where the network takes one: the check at load is then quick. Else in one of its own size."""
    window = min(PROBE_WINDOW, crop)
    try:
        found = embed_probe(net, spacing, window)
    except (InputError, RuntimeError, ValueError):  # a network for one size of window
        window, found = crop, embed_probe(net, spacing, crop)
    if not torch.isfinite(torch.from_numpy(found)).all():
        raise InputError("probe", "an answer that is not finite", "finite numbers", "Were these weights trained?")
    return Probe(RECIPE, probe_sha256(), window, tuple(float(v) for v in found), TOLERANCE)
