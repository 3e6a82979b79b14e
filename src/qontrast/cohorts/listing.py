"""What lies in a bucket or in a record: addresses, sizes and digests, without fetching any of it."""

import json
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx2

from qontrast.basics.errors import InputError
from qontrast.cohorts.download import ATTEMPTS, LONGEST_PAUSE, PASSING, PAUSE, Wanted, mirrored
from qontrast.cohorts.names import safe
from qontrast.cohorts.sources import Bucket, Record

LARGEST_PAGE = 32 << 20  # bytes: a thousand keys are below one million
MOST_PAGES = 2000
NAMESPACE = re.compile(r"^\{[^}]*\}")
MD5 = re.compile(r"^[0-9a-f]{32}$")


def list_bucket(bucket: Bucket, client: httpx2.Client, *, mirror: str = "", pause: float = PAUSE) -> list[Wanted]:
    """The files of a bucket's tree that its entry keeps, sorted by path.

    An ETag is the MD5 of what was uploaded in one piece; that of several (``...-3``) says nothing of the content.

    Raises:
        InputError: if the listing cannot be had, or a key would leave its folder.
    """
    found = []
    for key, size, tag in _keys(bucket, client, mirror, pause):
        path = key.removeprefix(bucket.prefix)
        if not path or path.endswith("/") or not any(re.match(pattern, path) for pattern in bucket.keep):
            continue
        url = mirrored(f"{bucket.url}/{quote(key)}", mirror)
        md5 = tag if MD5.match(tag) else ""
        found.append(Wanted(url, safe(path, f"{bucket.url}, key {key!r}"), size, md5))
    if not found:
        raise InputError(f"{bucket.url}/{bucket.prefix}", "no file", "the cohort's files", "See the cohort's own page.")
    return sorted(found, key=lambda w: w.path)


def list_record(
    record: Record, client: httpx2.Client, *, mirror: str = "", pause: float = PAUSE
) -> tuple[list[Wanted], str]:
    """The files of a figshare record, sorted by name, and its licence.

    Raises:
        InputError: if the record cannot be had or is not understood.
    """
    url = mirrored(record.url, mirror)
    try:
        about: dict[str, Any] = json.loads(_page(url, client, pause))
        files = [
            Wanted(
                mirrored(str(f["download_url"]), mirror),
                safe(str(f["name"]), url),
                int(f["size"]),
                next((d for d in (f.get("computed_md5"), f.get("supplied_md5")) if d and MD5.match(d)), ""),
            )
            for f in about["files"]
        ]
        licence = str(about["license"]["name"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            url, f"no record of files ({error!r})", "figshare's description", "See the own page."
        ) from error
    return sorted(files, key=lambda w: w.path), licence


def _keys(bucket: Bucket, client: httpx2.Client, mirror: str, pause: float) -> Iterator[tuple[str, int, str]]:
    """Key, size and ETag of every object below the prefix, page by page."""
    base, token = mirrored(bucket.url, mirror).rstrip("/"), ""
    for _ in range(MOST_PAGES):
        asked = {"list-type": "2", "prefix": bucket.prefix} | ({"continuation-token": token} if token else {})
        url = f"{base}/?{urlencode(asked)}"
        try:
            root = ET.fromstring(_page(url, client, pause))
        except ET.ParseError as error:
            raise InputError(
                url, f"no listing ({error})", "the bucket's listing", "See the cohort's own page."
            ) from error
        if _name(root) != "ListBucketResult":
            raise InputError(url, f"<{_name(root)}>", "the bucket's listing", "See the cohort's own page.")
        for entry in (e for e in root if _name(e) == "Contents"):
            told = {_name(e): (e.text or "") for e in entry}
            yield told["Key"], int(told["Size"]), told.get("ETag", "").strip('"')
        told = {_name(e): (e.text or "") for e in root if len(e) == 0}
        if told.get("IsTruncated") != "true":
            return
        if told.get("NextContinuationToken", token) == token:
            break
        token = told["NextContinuationToken"]
    raise InputError(base, "a listing that does not end", "its last page", "Try again later.")


def _name(element: ET.Element) -> str:
    return NAMESPACE.sub("", element.tag)


def _page(url: str, client: httpx2.Client, pause: float) -> bytes:
    """A small page, asked for again while its server stumbles."""
    why = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(min(pause * 2**attempt, LONGEST_PAUSE))
        try:
            with client.stream("GET", url) as response:
                if response.status_code in PASSING:
                    why = f"status {response.status_code}"
                    continue
                if response.status_code != 200:
                    raise InputError(url, f"status {response.status_code}", "a listing", "See the cohort's own page.")
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > LARGEST_PAGE:
                        raise InputError(url, "a listing without end", "a page of a thousand files", "Try again later.")
                return bytes(content)
        except httpx2.TransportError as error:
            why = str(error) or type(error).__name__
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            raise InputError(
                url, f"no usable answer ({error})", "a listing", "Check the address, or --mirror."
            ) from error
    raise InputError(url, f"no answer ({why})", "a listing", "Check the network, or name a mirror with --mirror.")
