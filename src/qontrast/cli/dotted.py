"""Dotted flags, such as ``--optimisation.learning_rate 1e-4``: any field of a plan, for the commands that take one."""

import json

from qontrast.basics.errors import PlanError

Flags = dict[str, str]
FLAGS: Flags = {}
"""Those of this call."""

TAKE_A_PLAN = ("pretrain", "finetune", "show", "sweep", "study")


def take_dotted(arguments: list[str]) -> list[str]:
    """Take ``--a.b value`` and ``--a.b=value`` out of the arguments: they are fields of the plan.

    Raises:
        PlanError: for a flag without its value, or a command without a plan.
    """
    FLAGS.clear()
    rest: list[str] = []
    items = iter(arguments)
    for item in items:
        name, equals, value = item.partition("=")
        if not (name.startswith("--") and "." in name):
            rest.append(item)
            continue
        if not equals:
            value = next(items, "")
            if not value:
                raise PlanError(name, "no value", "a value after it", f"For instance {name} 1")
        FLAGS[name[2:].replace("-", "_")] = value
    if FLAGS and not (rest and rest[0] in TAKE_A_PLAN):
        raise PlanError(f"--{next(iter(FLAGS))}", "a field of a plan", "a command that takes a plan", "See --help.")
    return rest


def plan_flags(**given: object) -> Flags:
    """The flags that have names of their own, as dotted fields, with the dotted ones of this call."""
    named = {k.replace("__", "."): json.dumps(v) for k, v in given.items() if v is not None}
    return {**named, **FLAGS}
