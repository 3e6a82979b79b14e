"""A headless Chromium that is asked over a pipe what a page does: needs nothing but the program itself."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60.0

OPEN = "document.querySelectorAll('details').forEach(e => e.open = true)"

MEASURE = """(() => {
  const named = (e) => e.getAttribute('aria-label') || (e.querySelector && e.querySelector(':scope > title'));
  const wordless = [...document.images].filter(e => !(e.alt || '').trim()).map(e => e.outerHTML.slice(0, 80))
    .concat([...document.querySelectorAll('svg')].filter(e => !named(e)).map(e => e.outerHTML.slice(0, 80)));
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right >
    document.documentElement.clientWidth + 1 && !e.closest('.scroll, pre')).map(e => e.outerHTML.slice(0, 80));
  return JSON.stringify({
    width: window.innerWidth, scroll: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    images: document.images.length, broken: [...document.images].filter(e => !e.complete || !e.naturalWidth).length,
    wordless, wide: wide.slice(0, 5), text: document.body.innerText.length});
})()"""


@dataclass
class Seen:
    """What a page did.

    Args:
        complaints: console errors and warnings, exceptions, and what the browser's log says of the page.
        requests: addresses asked for, other than the page itself and data inside of it.
        measured: widths, pictures and words; see ``MEASURE``.
    """

    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)


def find_chromium() -> str | None:
    """The program on PATH, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """A browser with a profile of its own, closed at the end; no host can be resolved from it."""

    def __init__(self, program: str) -> None:
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (to_read, self.to), (self.back, to_write) = os.pipe(), os.pipe()

        def ends() -> None:
            """The browser reads commands from 3 and answers on 4."""
            spare = [os.dup(to_read), os.dup(to_write)]
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self.process = subprocess.Popen(
            [
                *(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--no-first-run", "--no-default-browser-check", "--disable-extensions", "--disable-sync"),
                *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
                *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={self.profile.name}", "about:blank"),
            ],
            preexec_fn=ends,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        os.set_blocking(self.back, False)
        self.rest, self.count, self.events = b"", 0, []

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.to)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.back)
        self.profile.cleanup()

    def look(self, page: Path, width: int, *, dark: bool = False) -> Seen:
        """Open the page at a width in CSS pixels and say what it did."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable", session)
        self.ask("Emulation.setDeviceMetricsOverride", session, width=width, height=800, deviceScaleFactor=1,
                 mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", session, features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", session, url=page.resolve().as_uri())
        self.wait_for("Page.loadEventFired", session)
        self.ask(
            "Runtime.evaluate", session, expression="document.querySelectorAll('details').forEach(e => e.open = 1)"
        )
        found = self.ask("Runtime.evaluate", session, expression=MEASURE, returnByValue=True)
        seen = Seen(measured=json.loads(found["result"]["value"]))
        for event in (e for e in self.events if e.get("sessionId") == session):
            self._note(event["method"], event["params"], page.resolve().as_uri(), seen)
        self.ask("Target.closeTarget", targetId=target)
        return seen

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self.count += 1
        number = self.count
        command = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self.to, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, method: str, session: str) -> None:
        """Wait for an event, which may have come already."""
        while not any(e.get("method") == method and e.get("sessionId") == session for e in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self.rest:
            try:
                part = os.read(self.back, 1 << 16)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError("the browser does not answer") from None
                time.sleep(0.01)
                continue
            if not part:
                raise RuntimeError("the browser has ended")
            self.rest += part
        line, _, self.rest = self.rest.partition(b"\0")
        return json.loads(line)

    @staticmethod
    def _note(method: str, said: dict[str, Any], page: str, seen: Seen) -> None:
        if method == "Network.requestWillBeSent":
            address = said["request"]["url"]
            if not address.startswith("data:") and address.split("#")[0] != page:
                seen.requests.append(address)
        elif method == "Runtime.exceptionThrown":
            seen.complaints.append(str(said["exceptionDetails"].get("text")))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            seen.complaints.append(str([part.get("value") for part in said["args"]]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            seen.complaints.append(said["entry"]["text"])
