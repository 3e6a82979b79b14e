"""Help and version come at once: nothing heavy is imported for them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import qontrast
from qontrast.cli.app import run

COMMANDS = [
    ["segment"], ["denoise"], ["embed"], ["pretrain"], ["finetune"], ["finetune", "segment"], ["evaluate"], ["report"],
    ["simulate"], ["demo"], ["plan"], ["show"], ["sweep"], ["weights"], ["weights", "pack"], ["weights", "info"],
    ["weights", "check"], ["weights", "pull"], ["weights", "push"], ["weights", "export"],
]  # fmt: skip
LOOK = """
import json, sys
from qontrast.cli.app import run
status = [run(["--help"]), run(["--version"])] + [run([*c, "--help"]) for c in json.loads(sys.argv[1])]
heavy = [m for m in ("torch", "monai", "nibabel", "numpy", "matplotlib", "lightning_fabric") if m in sys.modules]
print(json.dumps({"status": status, "heavy": heavy}))
"""


def test_help_and_version_of_every_command_import_nothing_heavy():
    environment = {**os.environ, "PYTHONPATH": str(Path(qontrast.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, json.dumps(COMMANDS)], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"status": [0] * (2 + len(COMMANDS)), "heavy": []}
    assert qontrast.__version__ in done.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command, capsys):
    assert run([*command, "--help"]) == 0
    assert f"qontrast {' '.join(command)}" in " ".join(capsys.readouterr().out.split())


def test_help_names_every_command(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f" {command[0]} " in out for command in COMMANDS)


def test_no_argument_shows_help(capsys):
    assert run([]) == 0
    assert "Usage: qontrast" in capsys.readouterr().out


def test_the_version_is_said(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == qontrast.__version__
