"""What a run folder holds for the report: its plan, its journal, its view pairs, its segmentations."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qontrast.basics.errors import InputError, nearest
from qontrast.results.ledger import read_rows

PLAN, JOURNAL, PAIRS, SEGMENTATIONS = "plan.yaml", "journal.jsonl", "pairs.npz", "segmentations.npz"
_AGAIN = "Let the run write it again, or take the file out of the folder to report without it."


@dataclass(frozen=True)
class Pairs:
    """Two views of each subject.

    Args:
        views: ``[pair, 2, x, y, z]``, any scale; axes right, anterior, superior.
        captions: how each view was made, ``[pair][2]``.
    """

    views: np.ndarray
    captions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Segmentations:
    """Slices with the true and the predicted labels.

    Args:
        image: ``[n, horizontal, vertical up]``.
        truth: labels, same shape.
        prediction: labels, same shape.
        captions: one per slice.
        classes: name of each label; the first is the background.
    """

    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    captions: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What was found in one run folder; None stands for a file that is not there."""

    name: str
    plan: str | None
    journal: Sequence[Mapping[str, Any]] | None
    pairs: Pairs | None
    segmentations: Segmentations | None


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read run folders; two folders of one name are told apart by their parents' names.

    Raises:
        InputError: if a folder is missing or holds nothing for the report, or one of its files is garbled.
    """
    names = [folder.resolve().name for folder in folders]
    return [
        read_run(folder, name if names.count(name) == 1 else f"{folder.resolve().parent.name}/{name}")
        for folder, name in zip(folders, names, strict=True)
    ]


def read_run(folder: Path, name: str) -> Run:
    """Read one run folder, to be called ``name``.

    Raises:
        InputError: as :func:`read_runs`.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "the folder of a run", "Check the path given for the run.")
    known = (PLAN, JOURNAL, PAIRS, SEGMENTATIONS)
    here = {file for file in known if (folder / file).is_file()}
    if not here:
        raise InputError(
            folder,
            "nothing to report",
            f"at least one of {', '.join(known)}",
            "Give the folder that pretrain, finetune or evaluate wrote with --out.",
        )
    return Run(
        name=name,
        plan=_read_plan(folder / PLAN) if PLAN in here else None,
        journal=read_rows(folder / JOURNAL, allow_nan=True) if JOURNAL in here else None,
        pairs=read_pairs(folder / PAIRS) if PAIRS in here else None,
        segmentations=read_segmentations(folder / SEGMENTATIONS) if SEGMENTATIONS in here else None,
    )


def read_pairs(path: Path) -> Pairs:
    """Read ``views`` and ``captions`` from an npz file.

    Raises:
        InputError: if the file is garbled, or an array is missing, misshapen or not finite.
    """
    views, captions = _read_arrays(path, {"views": "biuf", "captions": "U"})
    if views.ndim != 5 or views.shape[1] != 2 or 0 in views.shape:
        raise InputError(f"{path}, views", f"shape {views.shape}", "[pairs, 2, x, y, z], none of them 0", _AGAIN)
    _expect_shape(path, "captions", captions, views.shape[:2])
    _expect_finite(path, "views", views)
    return Pairs(views.astype(np.float32), tuple((str(a), str(b)) for a, b in captions))


def read_segmentations(path: Path) -> Segmentations:
    """Read ``image``, ``truth``, ``prediction``, ``caption`` and ``classes`` from an npz file.

    Raises:
        InputError: if the file is garbled, an array is missing or misshapen, or a label has no name.
    """
    image, truth, prediction, caption, classes = _read_arrays(
        path, {"image": "biuf", "truth": "biu", "prediction": "biu", "caption": "U", "classes": "U"}
    )
    if image.ndim != 3 or 0 in image.shape:
        raise InputError(f"{path}, image", f"shape {image.shape}", "[n, horizontal, vertical], none of them 0", _AGAIN)
    _expect_shape(path, "truth", truth, image.shape)
    _expect_shape(path, "prediction", prediction, image.shape)
    _expect_shape(path, "caption", caption, image.shape[:1])
    _expect_finite(path, "image", image)
    if classes.ndim != 1 or classes.size == 0:
        raise InputError(f"{path}, classes", f"shape {classes.shape}", "a list of names, background first", _AGAIN)
    for name, labels in (("truth", truth), ("prediction", prediction)):
        if labels.min() < 0 or labels.max() >= classes.size:
            found = f"labels from {labels.min()} to {labels.max()}"
            raise InputError(f"{path}, {name}", found, f"0 to {classes.size - 1}, one per name in classes", _AGAIN)
    return Segmentations(
        image.astype(np.float32),
        truth.astype(np.int64),
        prediction.astype(np.int64),
        tuple(str(c) for c in caption),
        tuple(str(c) for c in classes),
    )


def _read_plan(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"a file that cannot be read ({error})", "a plan as UTF-8 text", _AGAIN) from error


def _read_arrays(path: Path, kinds: Mapping[str, str]) -> list[np.ndarray]:
    """The named arrays of an npz file, each of one of NumPy's kind letters; objects are never unpickled."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = list(stored.files)
            arrays = {name: stored[name] for name in kinds if name in names}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            path, f"a file that cannot be read ({error})", "an npz file of plain arrays", _AGAIN
        ) from error
    for name, letters in kinds.items():
        if name not in arrays:
            raise InputError(path, f"arrays {', '.join(names)}", f"an array {name!r}", nearest(name, names))
        if arrays[name].dtype.kind not in letters:
            wanted = "text" if letters == "U" else "whole numbers" if "f" not in letters else "numbers"
            raise InputError(f"{path}, {name}", f"{arrays[name].dtype}", wanted, _AGAIN)
    return [arrays[name] for name in kinds]


def _expect_shape(path: Path, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError(f"{path}, {name}", f"shape {array.shape}", f"shape {shape}", _AGAIN)


def _expect_finite(path: Path, name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise InputError(f"{path}, {name}", "values that are not finite", "finite values", _AGAIN)
