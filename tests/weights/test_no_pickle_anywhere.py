"""Nothing in the library, its recipes or its benchmarks unpickles what it did not write itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(f for folder in ("src", "recipes", "benchmarks") for f in (ROOT / folder).rglob("*") if f.is_file())
PYTHON = [f for f in FILES if f.suffix == ".py"]
UNPICKLERS = {"dill", "cloudpickle", "shelve", "marshal", "_pickle", "cPickle", "jsonpickle", "pandas"}
"""Modules that are not imported at all."""
OF_PICKLE = {"UnpicklingError", "PickleError"}
"""All that may be taken from pickle."""
LOADING = {"load", "loads", "Unpickler", "unsafe_load", "full_load", "read_pickle", "load_from_checkpoint"}
FINE = {"json.loads", "json.load", "blosc2.load"}


def dotted(node):
    """``a.b.c`` of an expression, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def stated(call, name, value):
    return any(k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is value for k in call.keywords)


def real_names(tree):
    """What the names of a module stand for, by its imports."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0]
                      for a in node.names}  # fmt: skip
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def faults(source):
    """The lines of a source that may unpickle, with the reason."""
    tree = ast.parse(source)
    names = real_names(tree)
    found = [(0, what) for what in names.values() if what.partition(".")[0] in UNPICKLERS]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "pickle":
            found += [(node.lineno, f"pickle.{a.name}") for a in node.names if a.name not in OF_PICKLE]
        if isinstance(node, ast.Attribute | ast.Name):
            written = dotted(node)
            first, dot, rest = written.partition(".")
            what = names.get(first, first) + dot + rest
            if what.startswith("pickle.") and what.split(".")[1] not in OF_PICKLE:
                found.append((node.lineno, what))
            if what in ("eval", "exec", "torch.jit.load", "torch.package.PackageImporter", "joblib.load"):
                found.append((node.lineno, what))
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = dotted(node.func).partition(".")
        what = names.get(first, first) + dot + rest
        if what in ("torch.load", "torch.serialization.load") and not stated(node, "weights_only", True):
            found.append((node.lineno, "torch.load without weights_only=True"))
        elif what.startswith("numpy.") and not what.startswith("numpy.random") and what.endswith("load"):
            if not stated(node, "allow_pickle", False):
                found.append((node.lineno, "numpy.load without allow_pickle=False"))
        elif what.startswith("yaml.") and what.split(".")[1] in LOADING:
            found.append((node.lineno, what))
        elif any(k.arg in ("allow_pickle", "weights_only") for k in node.keywords):
            wrong = stated(node, "allow_pickle", False) or stated(node, "weights_only", True)
            found += [] if wrong else [(node.lineno, "a pickle let in by a keyword")]
        elif rest.split(".")[-1] in ("read_pickle", "load_from_checkpoint", "add_safe_globals", "hub.load"):
            found.append((node.lineno, what))
    return found


def test_there_is_something_to_look_at():
    assert len(PYTHON) > 100
    assert {f.suffix for f in FILES if "recipes" in f.parts} == {".yaml"}


@pytest.mark.parametrize("folder", ["src", "recipes", "benchmarks"])
def test_nothing_is_unpickled(folder):
    own = [f for f in PYTHON if f.relative_to(ROOT).parts[0] == folder]
    assert {str(f): found for f in own if (found := faults(f.read_text(encoding="utf-8")))} == {}


def test_torch_load_is_called_in_one_place():
    callers = [f.name for f in PYTHON if "torch.load(" in f.read_text(encoding="utf-8")]
    assert callers == ["encoder.py"]


def test_recipes_name_no_python_objects():
    assert [f for f in FILES if f.suffix in (".yaml", ".yml", ".json") and "!!python" in f.read_text()] == []


def test_no_pickle_is_shipped():
    assert [f for f in FILES if f.suffix in (".pt", ".pth", ".ckpt", ".pkl", ".npy", ".joblib", ".bin")] == []


BAD = [
    "import torch\ntorch.load('x')",
    "import torch\ntorch.load('x', weights_only=False)",
    "import torch\ntorch.load('x', weights_only=flag)",
    "import torch as t\nt.load('x')",
    "from torch import load\nload('x')",
    "from torch import load as fetch\nfetch('x', map_location='cpu')",
    "import torch\ntorch.jit.load('x')",
    "import pickle\npickle.loads(b'')",
    "import pickle as p\np.load(f)",
    "from pickle import Unpickler",
    "from pickle import loads as l",
    "import pickle\nread = pickle.loads",
    "import dill",
    "import cloudpickle as c",
    "from joblib import load\nload('x')",
    "import numpy as np\nnp.load('x')",
    "import numpy as np\nnp.load('x', allow_pickle=True)",
    "from numpy import load\nload('x', allow_pickle=True)",
    "import yaml\nyaml.load(text)",
    "import yaml\nyaml.unsafe_load(text)",
    "import torch\ntorch.serialization.add_safe_globals([object])",
    "eval('1')",
]


@pytest.mark.parametrize("source", BAD)
def test_the_search_finds_what_it_looks_for(source):
    assert faults(source)


GOOD = [
    "import torch\ntorch.load('x', map_location='cpu', weights_only=True)",
    "import pickle\ntry:\n    pass\nexcept pickle.UnpicklingError:\n    pass",
    "import numpy as np\nnp.load('x', allow_pickle=False)",
    "import yaml, json\nyaml.safe_load(text); json.loads(text)",
    "model.eval()",
]


@pytest.mark.parametrize("source", GOOD)
def test_the_search_lets_the_rest_be(source):
    assert faults(source) == []
