"""A checksum inside a safetensors file, over every byte of that very file: safetensors itself has none.

The contract is JSON text in the file's header, and begins with ``"sha256": "<64 hexadecimal digits>"``. The digest is
SHA-256 (FIPS 180-4, doi:10.6028/NIST.FIPS.180-4) of the whole file with these digits set to zero. So it covers
tensors, their names, types and shapes, the contract, the header's length and its padding: altering any one byte
anywhere changes it.
"""

import hashlib
from pathlib import Path

from qontrast.basics.errors import InputError

FIELD = "sha256"
BLANK = "0" * 64
_OPENING = b'"qontrast":"{\\"sha256\\": \\"'
"""How the contract begins in the header; its unescaped quotes cannot occur within another text of the header."""
_PART = 1 << 20
_LARGEST_HEADER = 100_000_000


def seal(content: bytes) -> bytes:
    """Put the digest into a file's content whose digits are still blank."""
    start = content.index(_OPENING) + len(_OPENING)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:start] + digest + content[start + len(digest) :]


def seal_of(path: Path) -> str:
    """The digest that a file states, or nothing where it states none (older files, and those of others).

    Raises:
        InputError: if the file does not have the digest that it states, or its header is damaged.
    """
    with path.open("rb") as stream:
        head = stream.read(8)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or length > min(_LARGEST_HEADER, path.stat().st_size):
            raise InputError(path, "a header that ends early", "a whole safetensors file", "Copy it again.")
        head += stream.read(length)
        count = head.count(_OPENING)
        if count == 0:
            return ""
        if count > 1:
            raise InputError(path, f"{count} contracts", "one", "Copy it again from where it came from.")
        start = head.index(_OPENING) + len(_OPENING)
        stated = head[start : start + len(BLANK)]
        digest = hashlib.sha256(head[:start] + BLANK.encode() + head[start + len(BLANK) :])
        while part := stream.read(_PART):
            digest.update(part)
    if digest.hexdigest().encode() != stated:
        raise InputError(
            path,
            f"bytes of SHA-256 {digest.hexdigest()[:16]}...",
            f"those that were written, {stated.decode('ascii', 'replace')[:16]}...",
            "The file was altered or damaged: copy it again from where it came from.",
        )
    return digest.hexdigest()
