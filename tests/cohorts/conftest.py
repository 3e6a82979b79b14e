"""A server on loopback for every test of downloads."""

from collections.abc import Iterator

import pytest
from loopback.files import Files, file_server


@pytest.fixture
def server() -> Iterator[Files]:
    """A new server; nothing of the world is asked."""
    with file_server() as files:
        yield files
