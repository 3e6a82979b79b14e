"""A server of files on loopback, with the misbehaviour of real ones: ranges, broken connections, files that change."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 3  # keys of a bucket's page: a thousand in the world


@dataclass
class Files:
    """What is served, by path (``host/path`` of the world), and how the server misbehaves.

    Args:
        content: by path.
        buckets: paths that are listed as S3 buckets.
        cut: bytes of the body to send in each of the next downloads before the connection breaks.
        ranges: whether ranges are honoured.
        stamped: whether ETags are sent.
        statuses: statuses to answer the next requests with.
        in_pieces: keys whose ETag is not their MD5, as of uploads in several pieces.
        kinds: Content-Type by path.
        asked: path and Range of every request.
    """

    content: dict[str, bytes] = field(default_factory=dict)
    buckets: list[str] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    ranges: bool = True
    stamped: bool = True
    statuses: list[int] = field(default_factory=list)
    in_pieces: set[str] = field(default_factory=set)
    kinds: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def fetched(self, path: str) -> list[str | None]:
        """The ranges that a path was asked for with."""
        return [ranged for asked, ranged in self.asked if asked == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Files

    def log_message(self, *_):
        pass

    def handle(self):
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self):
        asked = urlsplit(self.path)
        path = unquote(asked.path).lstrip("/")
        self.files.asked.append((path, self.headers.get("Range")))
        if self.files.statuses:
            self.send_answer(self.files.statuses.pop(0), b"not now")
            return
        bucket = path.rstrip("/")
        if bucket in self.files.buckets:
            self.send_answer(200, self.listing(bucket, parse_qs(asked.query)), {"Content-Type": "application/xml"})
        elif path in self.files.content:
            self.send_file(path, self.files.content[path])
        else:
            self.send_answer(404, b"no such key")

    def send_file(self, path: str, body: bytes):
        tag = f'"{etag(self.files, path)}"'
        head = {"Content-Type": self.files.kinds.get(path, "application/octet-stream")}
        head |= {"ETag": tag} if self.files.stamped else {}
        ranged = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, tag)
        if ranged and self.files.ranges and same:
            start = int(ranged.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_answer(416, b"", head | {"Content-Range": f"bytes */{len(body)}"})
                return
            head["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send_answer(206, body[start:], head, cut=True)
        else:
            self.send_answer(200, body, head, cut=True)

    def send_answer(self, status: int, body: bytes, head: dict[str, str] | None = None, *, cut: bool = False):
        self.send_response(status)
        for name, value in (head or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        sent = self.files.cut.pop(0) if cut and self.files.cut else None
        self.wfile.write(body if sent is None else body[:sent])
        if sent is not None:
            self.wfile.flush()
            self.close_connection = True

    def listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        """ListObjectsV2, a few keys a page."""
        assert query["list-type"] == ["2"]
        prefix = query.get("prefix", [""])[0]
        keys = sorted(p.removeprefix(f"{bucket}/") for p in self.files.content if p.startswith(f"{bucket}/{prefix}"))
        begin = int(query.get("continuation-token", ["0"])[0])
        page, more = keys[begin : begin + PAGE], begin + PAGE < len(keys)
        entries = "".join(
            f"<Contents><Key>{escape(k)}</Key><ETag>&quot;{etag(self.files, f'{bucket}/{k}')}&quot;</ETag>"
            f"<Size>{len(self.files.content[f'{bucket}/{k}'])}</Size></Contents>"
            for k in page
        )
        token = f"<NextContinuationToken>{begin + PAGE}</NextContinuationToken>" if more else ""
        told = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}"
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{told}</ListBucketResult>'
        ).encode()


def etag(files: Files, path: str) -> str:
    """As S3 makes it: the MD5 of what was uploaded in one piece."""
    digest = hashlib.md5(files.content[path]).hexdigest()
    return f"{digest[::-1]}-2" if path in files.in_pieces else digest


def record(files: Files, path: str, licence: str, members: dict[str, bytes]) -> None:
    """Serve a figshare record at ``path`` whose files are ``members``."""
    listed = []
    for number, (name, content) in enumerate(members.items()):
        files.content[f"ndownloader.figshare.com/files/{number}"] = content
        url = f"https://ndownloader.figshare.com/files/{number}"
        md5 = hashlib.md5(content).hexdigest()
        listed.append({"name": name, "size": len(content), "download_url": url, "computed_md5": md5})
    files.content[path] = json.dumps({"license": {"name": licence}, "files": listed}).encode()


@contextmanager
def file_server() -> Iterator[Files]:
    """A running server; its ``url`` is the mirror of the world."""
    files = Files()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"files": files}))
    server.daemon_threads = True
    files.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
