"""Debian's Chromium without a window, spoken to over the pipe of its DevTools protocol."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REPLIES_WITHIN_S = 60.0
PHONE, LAPTOP = (390, 844), (1280, 800)  # pixels


class Page:
    """One page: go to an address, run JavaScript, and see what the console and the network said."""

    def __init__(self, write_to: int, read_from: int) -> None:
        self._write_to, self._read_from = write_to, read_from
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.complaints: list[str] = []  # errors and warnings of the console, uncaught exceptions, failed loads
        self.requested: list[str] = []  # addresses, but for those that hold their data
        self.received_bytes = 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write_to, json.dumps(message).encode() + b"\0")
        while (reply := self._receive()).get("id") != self._number:
            self._notice(reply)
        assert "error" not in reply, reply
        return reply["result"]

    def open(self, address: str, size: tuple[int, int] = LAPTOP, scheme: str = "light") -> None:
        """Show an address at a size in pixels, in the colour scheme `light` or `dark`, and wait until it is loaded."""
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=size == PHONE,
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """Evaluate JavaScript and return its value."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until JavaScript evaluates to true."""
        until = time.monotonic() + REPLIES_WITHIN_S
        while not self.run(script):
            assert time.monotonic() < until, f"never true: {script}; the page: {self.run('document.body.innerText')}"
            select.select([], [], [], 0.05)

    def screenshot(self, path: Path) -> None:
        """Write a PNG of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _notice(self, event: dict[str, Any]) -> None:
        method, details = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(details["args"]))
        elif method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            self.complaints.append(str(details["entry"]))
        elif method == "Network.requestWillBeSent" and not details["request"]["url"].startswith("data:"):
            self.requested.append(details["request"]["url"])
        elif method == "Network.dataReceived":
            self.received_bytes += details["encodedDataLength"] or details["dataLength"]

    def _receive(self) -> dict[str, Any]:
        until = time.monotonic() + REPLIES_WITHIN_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read_from], [], [], max(until - time.monotonic(), 0))
            data = os.read(self._read_from, 1 << 20) if ready else b""
            assert data, "Chromium does not reply"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Start Chromium with an empty profile and yield its page. Skips the test where it is not installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs chromium: apt install chromium")
    (from_us, to_chromium), (from_chromium, to_us) = os.pipe(), os.pipe()
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += ["--remote-debugging-pipe", f"--user-data-dir={profile}"]
    # Chromium reads the protocol from descriptor 3 and writes to 4.
    shell = f'exec "$@" 3<&{from_us} 4>&{to_us}'
    process = subprocess.Popen(
        ["bash", "-c", shell, "chromium", *command],
        pass_fds=(from_us, to_us),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(from_us)
    os.close(to_us)
    try:
        yield Page(to_chromium, from_chromium)
    finally:
        process.terminate()
        process.wait(timeout=20)
        os.close(to_chromium)
        os.close(from_chromium)
