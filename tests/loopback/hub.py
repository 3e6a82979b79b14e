"""A hub on loopback: as much of its protocol as huggingface_hub needs to download, to upload by git-lfs, to commit."""

import base64
import hashlib
import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """What the hub holds, what it was asked for, and how it misbehaves.

    ``cut`` lists how many bytes of the body to send in each of the next downloads before the connection breaks;
    ``alter`` changes bytes of a body before it is sent; ``refuse`` maps the beginning of a path to a status.
    """

    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    alter: dict[int, int] = field(default_factory=dict)
    refuse: dict[str, int] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)
    url: str = ""

    def commit_of(self, repo: str) -> str:
        return hashlib.sha1(repr(sorted(self.repos[repo].items())).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    def handle(self):
        with suppress(ConnectionError):
            super().handle()

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.pop("length", None) or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def say(self, value, status=200):
        self.answer(status, json.dumps(value).encode(), Content_Type="application/json")

    def begin(self):
        """The path, or None where the request was refused; the body is read in any case."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range")))
        if self.command != "PUT":  # the place of an upload is secret by itself
            self.hub.tokens.add(self.headers.get("Authorization"))
        for start, status in self.hub.refuse.items():
            if path.startswith(start):
                self.answer(status)
                return None
        return path

    def do_HEAD(self):
        self.resolve(self.begin())

    do_GET = do_HEAD

    def resolve(self, path):
        if path is None:
            return None
        parts = path.strip("/").split("/")
        repo = self.hub.repos.get("/".join(parts[:2]))
        if repo is None:
            return self.answer(404, X_Error_Code="RepoNotFound")
        if parts[3] not in ("main", self.hub.commit_of("/".join(parts[:2]))):
            return self.answer(404, X_Error_Code="RevisionNotFound")
        name = "/".join(parts[4:])
        if name not in repo:
            return self.answer(404, X_Error_Code="EntryNotFound")
        return self.send_file("/".join(parts[:2]), repo[name])

    def send_file(self, repo, content):
        etag = hashlib.sha256(content).hexdigest()
        sent = bytearray(content)
        for place, value in self.hub.alter.items():
            sent[place] = value
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        body = bytes(sent[start:])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", self.hub.commit_of(repo))
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.cut:
            self.wfile.write(body[: self.hub.cut.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)

    def do_PUT(self):
        if (path := self.begin()) is None:
            return None
        oid = path.rsplit("/", 1)[1]
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.answer(422)
        self.hub.blobs[oid] = self.body
        return self.answer(200)

    def do_POST(self):
        if (path := self.begin()) is None:
            return None
        if path == "/api/repos/create":
            values = json.loads(self.body)
            name = f"{values['organization']}/{values['name']}"
            if name in self.hub.repos:
                return self.say({"error": "exists", "url": f"{self.hub.url}/{name}"}, 409)
            self.hub.repos[name] = {}
            return self.say({"url": f"{self.hub.url}/{name}", "name": name, "id": name})
        if path == "/api/validate-yaml":
            return self.say({"errors": [], "warnings": []})
        if path.endswith("/info/lfs/objects/batch"):
            return self.say({"objects": [self.instructions(o) for o in json.loads(self.body)["objects"]]})
        name = "/".join(path.split("/")[3:5])
        if name not in self.hub.repos:
            return self.answer(404, X_Error_Code="RepoNotFound")
        if "/preupload/" in path:
            files = json.loads(self.body)["files"]
            modes = [("lfs" if f["path"].endswith(".safetensors") else "regular", f["path"]) for f in files]
            return self.say({"files": [{"path": p, "uploadMode": m, "shouldIgnore": False} for m, p in modes]})
        return self.commit(name)

    def instructions(self, blob):
        href = f"{self.hub.url}/upload/{blob['oid']}"
        return {"oid": blob["oid"], "size": blob["size"], "actions": {"upload": {"href": href}}}

    def commit(self, name):
        for line in self.body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.hub.repos[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.hub.repos[name][value["path"]] = self.hub.blobs[value["oid"]]
        oid = self.hub.commit_of(name)
        self.say({"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid})


def serve(hub):
    """Start the hub on a free port of loopback; the caller shuts the returned server down."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneHub", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
