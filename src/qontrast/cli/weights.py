"""The commands for packed weights."""

import json
from pathlib import Path
from typing import Literal

from cyclopts import App

app = App(
    name="weights", help="Weights as one file: pack a run's encoder, look into it, check it, share it, export it."
)


@app.command
def pack(
    run: Path,
    /,
    *,
    out: Path,
    licence: str,
    data_licence: str,
    name: str = "",
    description: str = "",
    half: bool = False,
    card: bool = False,
) -> None:
    """Pack a run's encoder or model with its contract, licences, a probe and a checksum over every byte.

    Parameters
    ----------
    run
        Folder of a finished pretraining or fine-tuning.
    out
        File to write (.safetensors).
    licence
        Of the weights, such as cc-by-4.0.
    data_licence
        Of the data that they were trained on.
    name
        Of the weights; the file's name where not given.
    description
        A sentence or two for the model card.
    half
        Store half precision: half the size.
    card
        Write the model card beside it (.md).
    """
    from qontrast.tasks.pack import pack as task

    about = {"name": name, "licence": licence, "data_licence": data_licence, "description": description}
    print(task(run, out, **about, half=half, card=card))


@app.command
def info(weights: str, /) -> None:
    """Print what a file of weights says about itself, as JSON; every byte is checked before.

    Parameters
    ----------
    weights
        File, run's folder, short name, or owner/repo.
    """
    from dataclasses import asdict

    from qontrast.weights.contract import read_weights
    from qontrast.weights.seal import seal_of
    from qontrast.weights.segmenter import KINDS, find_any

    path = find_any(weights)
    contract = read_weights(path, *KINDS)[1]
    print(json.dumps({"file": str(path), "sha256": seal_of(path), **asdict(contract)}, indent=2, ensure_ascii=False))


@app.command
def check(*weights: str) -> None:
    """Check files of weights: every byte, the contract, the network, and what it makes of the probe.

    Parameters
    ----------
    weights
        Files, runs' folders, short names, or owner/repo; without any, all weights that come with the library.
    """
    from qontrast.basics.errors import QontrastError
    from qontrast.tasks.models import check_file
    from qontrast.weights.catalogue import shipped
    from qontrast.weights.segmenter import find_any

    wrong = []
    for name in weights or shipped():
        try:
            path = find_any(name)
            contract, digest = check_file(path)
        except QontrastError as error:
            wrong.append(str(error))
            continue
        checked = [
            "every byte" if contract.version else "no checksum in a file this old",
            "contract",
            "network",
            "what it makes of the probe" if contract.probe else "no probe in a file that was not packed",
        ]
        print(f"{path}: fine ({', '.join(checked)}); SHA-256 {digest}")
    if wrong:
        raise QontrastError("\n".join(wrong))


@app.command
def pull(name: str, /) -> None:
    """Download weights from the hub into its cache and check every byte; prints the file.

    Parameters
    ----------
    name
        Short name, owner/repo, or owner/repo@revision. HF_ENDPOINT is the hub's address, HF_TOKEN yours.
    """
    from qontrast.weights.find import pull_named

    print(pull_named(name))


@app.command
def push(file: Path, repo: str, /, *, private: bool = False) -> None:
    """Upload packed weights with their model card to the hub; HF_TOKEN has to be set.

    Parameters
    ----------
    file
        That `qontrast weights pack` wrote.
    repo
        owner/repo; it is made where there is none.
    private
        Make a new repository private.
    """
    from qontrast.weights.hub import push as task

    print(task(file, repo, private=private))


@app.command
def export(weights: str, /, *, to: Literal["onnx", "monai"], out: Path) -> None:
    """Export an encoder for other programs.

    Parameters
    ----------
    weights
        Packed file, short name, or owner/repo.
    to
        onnx, or monai for a bundle.
    out
        File (.onnx) or new folder to write.
    """
    from qontrast.weights.find import find_weights

    path = find_weights(weights)
    if to == "onnx":
        from qontrast.weights.onnx_file import export_onnx

        print(export_onnx(path, out))
    else:
        from qontrast.weights.bundle import export_bundle

        print(export_bundle(path, out))
