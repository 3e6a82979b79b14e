"""Plans as YAML, with flags laid over them; a misspelt field is refused with the nearest right one."""

import hashlib
import inspect
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)

from qontrast.basics.errors import PlanError, nearest

P = TypeVar("P")
NOT_IN_DIGEST = (
    "compute.device",
    "compute.workers",
    "compute.prefetch",
    "compute.layout",
    "compute.views",
    "probe.every",
    "probe.heads",
    "probe.anatomies",
    "probe.contrasts",
    "optimisation.checkpoint_seconds",
    "optimisation.checkpoint_steps",
)
"""Fields that change nothing but when and where the same numbers are computed."""


_MEANING = re.compile(r"^    (\w+): (.+)$", re.MULTILINE)


def read_plan(kind: type[P], path: Path | None, flags: Mapping[str, str] | None = None) -> P:
    """Read a plan and lay flags over it.

    Args:
        kind: class of the plan.
        path: YAML file; None for the defaults.
        flags: dotted field to text, such as ``{"optimisation.learning_rate": "1e-4"}``.

    Raises:
        PlanError: for a file that is no plan, an unknown field or a value that a field cannot take.
    """
    values = load_values(path) if path else {}
    for name, text in (flags or {}).items():
        _lay(values, name, text)
    return plan_of(kind, values, str(path) if path else "flags")


def kind_of(path: Path | None, flags: Mapping[str, str], kinds: Sequence[type[Any]]) -> type[Any]:
    """Of some kinds of plan the one that knows most of the fields of a file and of flags; of equals the first.

    Raises:
        PlanError: for a file that is no plan.
    """
    named = {*(load_values(path) if path else {}), *(name.split(".")[0] for name in flags)}
    return min(kinds, key=lambda kind: len(named - {f.name for f in fields(kind)}))


def plan_of(kind: type[P], values: Mapping[str, Any], where: str) -> P:
    """The plan that fields with values make; ``where`` names their source in errors.

    Raises:
        PlanError: for an unknown field or a value that a field cannot take.
    """
    try:
        return _CONVERTER.structure(values, kind)
    except BaseValidationError as error:
        raise _explain(error, where, kind) from error


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with values, those of ``above`` laid over those of ``below``, plans within plans field by field."""
    out = dict(below)
    for name, value in above.items():
        under = out.get(name)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        out[name] = laid_over(under, value) if both else value  # type: ignore[arg-type]
    return out


def plan_text(plan: Any) -> str:
    """The plan as YAML."""
    return yaml.safe_dump(_CONVERTER.unstructure(plan), sort_keys=False, allow_unicode=True)


def annotated_plan(plan: Any) -> str:
    """The plan as YAML with what each field means beside it, from the docstrings."""

    def lines(part: Any, depth: int) -> list[str]:
        meanings = dict(_MEANING.findall(re.sub(r"\n {8,}", " ", inspect.getdoc(type(part)) or "")))
        out = []
        for f in fields(part):
            value = getattr(part, f.name)
            note = f"  # {meanings[f.name]}" if f.name in meanings else ""
            indent = "  " * depth
            if is_dataclass(value):
                out += [f"{indent}{f.name}:{note}", *lines(value, depth + 1)]
            else:
                text = yaml.safe_dump(_CONVERTER.unstructure(value), default_flow_style=True, width=1000)
                out.append(f"{indent}{f.name}: {text.removesuffix(chr(10)).removesuffix(chr(10) + '...')}{note}")
        return out

    return "\n".join(lines(plan, 0)) + "\n"


def plan_values(plan: Any) -> dict[str, Any]:
    """Dotted field to value, for every field of the plan and of the plans in it."""
    flat: dict[str, Any] = {}

    def walk(part: Mapping[str, Any], prefix: str) -> None:
        for name, value in part.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{name}.")
            else:
                flat[prefix + name] = value

    walk(_CONVERTER.unstructure(plan), "")
    return flat


def digest(plan: Any) -> str:
    """A fingerprint of everything in the plan that the weights depend on."""
    kept = {k: v for k, v in plan_values(plan).items() if k not in NOT_IN_DIGEST}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def load_values(path: Path) -> dict[str, Any]:
    """The fields and values of a YAML file, not yet understood.

    Raises:
        PlanError: for a file that is no plan.
    """
    if not path.is_file():
        raise PlanError(path, "no such file", "a plan in YAML", "See recipes/ for plans to start from.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlanError(path, f"no YAML ({error})", "a plan in YAML", "Mend the file.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise PlanError(path, f"a {type(values).__name__}", "fields with values", "See recipes/ for examples.")
    return values


def _lay(values: dict[str, Any], name: str, text: str) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        inner = values.get(parent)
        if not isinstance(inner, dict):
            inner = values[parent] = {}
        values = inner
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlanError(f"--{name}", repr(text), "a value in YAML") from error


def _explain(error: BaseException, where: str, kind: Any, path: str = "") -> PlanError:
    """The first thing that is wrong, in the user's terms."""
    if isinstance(error, PlanError):
        return error
    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            name, named = _place_of(inner)
            below, deeper = path, kind
            if name is not None:
                below = f"{path}.{name}" if path else name
                deeper = named
            return _explain(inner, where, deeper, below)
    if isinstance(error, ForbiddenExtraKeysError):
        wrong = sorted(map(str, error.extra_fields))[0]
        known = [f.name for f in fields(error.cl)]
        at = f"{path}.{wrong}" if path else wrong
        return PlanError(where, f"the unknown field {at!r}", "a field of the plan", nearest(wrong, known))
    if is_dataclass(kind) and not isinstance(error, ValueError):
        return PlanError(where, f"{path}: no fields", "fields with values", "Indent its fields below it.")
    return PlanError(where, f"{path or 'a field'}: {error}", "a value of the field's kind", "Mend that field.")


def _place_of(error: BaseException) -> tuple[str | None, Any]:
    """The field or key that an error is about, as far as it says, and what kind of value belongs there."""
    for note in getattr(error, "__notes__", []):
        if isinstance(note, AttributeValidationNote):
            return note.name, note.type
        if isinstance(note, IterableValidationNote):
            return str(note.index), note.type
    return None, None


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no number")
    try:
        number = float(value)  # YAML reads 1e-4 as text
    except ValueError:
        raise ValueError(f"{value!r} is no number") from None
    if math.isnan(number):
        raise ValueError("NaN is no number")
    return number


def _whole(value: Any, _: Any) -> int:
    number = _number(value, None)
    if not number.is_integer():
        raise ValueError(f"{value!r} is no whole number")
    return int(number)


def _count_or_share(value: Any, _: Any) -> int | float:
    number = _number(value, None)
    return number if isinstance(value, float) or not number.is_integer() else int(number)


def _flag(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _text(value: Any, _: Any) -> str:
    if isinstance(value, (dict, list)) or value is None:
        raise ValueError(f"{value!r} is no text")
    return str(value)


def _option(value: Any, kind: Any) -> str:
    options = [str(option) for option in get_args(kind)]
    if str(value) not in options:  # YAML reads 32 as a number
        raise ValueError(f"{value!r} is none of {', '.join(options)}")
    return str(value)


def _values(value: Any, kind: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):  # a text would be taken apart into its letters
        raise ValueError(f"{value!r} is no list")
    kinds = get_args(kind)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{list(value)} has {len(value)} values, not {len(kinds)}")
    return tuple(_CONVERTER.structure(v, k) for v, k in zip(value, kinds, strict=True))


_CONVERTER = Converter(forbid_extra_keys=True)
for _kind, _hook in ((float, _number), (int, _whole), (bool, _flag), (str, _text)):
    _CONVERTER.register_structure_hook(_kind, _hook)
_CONVERTER.register_structure_hook_func(lambda kind: kind == int | float, _count_or_share)
_CONVERTER.register_structure_hook_func(lambda kind: get_origin(kind) is Literal, _option)
_CONVERTER.register_structure_hook_func(lambda kind: get_origin(kind) is tuple, _values)
