"""Flags that take several values after one another: ``--contrasts mprage fse``."""

from typing import Annotated

from cyclopts import Parameter

Words = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())]
Numbers = Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative=())]
