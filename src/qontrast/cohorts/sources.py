"""What a cohort's entry is made of: where its files lie, how they are laid here, and what is known of its sites."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class File:
    """A file with an address of its own.

    Args:
        url: address.
        path: where it is put, relative to the cohort's folder.
        contrast: what it holds, if that can be chosen by ``--only``; empty for what is always wanted.
        subject: whose it is, if that can be chosen by ``--subjects``.
        unpack: folder that the archive is unpacked into; empty for a file that is none, ``.`` for the cohort's own.
        size: in bytes; 0 where it is not known beforehand.
        md5, sha256: where they are publicly known.
    """

    url: str
    path: str
    contrast: str = ""
    subject: str = ""
    unpack: str = ""
    size: int = 0
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Bucket:
    """A tree in a public S3 bucket, listed by ListObjectsV2.

    Args:
        url: address of the bucket.
        prefix: of the tree's keys; cut off for the path.
        keep: regular expressions of the paths that are wanted, as they begin.
    """

    url: str
    prefix: str
    keep: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """The files of a figshare record, listed by its interface, with their MD5.

    Args:
        url: address of the record in the interface, version 2.
    """

    url: str


Source = File | Bucket | Record


@dataclass(frozen=True)
class Site:
    """Where a part of a cohort was scanned.

    Args:
        name: as the files' names have it.
        scanner: vendor.
        field_strength: tesla.
        protocol: what is published of it.
    """

    name: str
    scanner: str
    field_strength: float
    protocol: str = ""


@dataclass(frozen=True)
class Cohort:
    """A public cohort.

    Args:
        title: its full name.
        holds: what is in it.
        gigabytes: about how much `data get` brings (rough: the listing says it exactly before anything is fetched).
        licence: of the data.
        citation: what to cite.
        page: its own page.
        sources: where its files lie; none for those that are on request.
        ask: how to ask for it, if it is on request.
        contrasts: what ``--only`` may name.
        sites: where it was scanned.
        facts: what a user should know, one sentence each.
    """

    title: str
    holds: str
    gigabytes: float
    licence: str
    citation: str
    page: str
    sources: tuple[Source, ...] = ()
    ask: str = ""
    contrasts: tuple[str, ...] = ()
    sites: tuple[Site, ...] = ()
    facts: tuple[str, ...] = field(default=())
