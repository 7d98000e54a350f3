"""A headless Chromium, controlled over the DevTools protocol."""

from __future__ import annotations

import base64
import io
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding"),  # tabs behind others run too
    "--disable-backgrounding-occluded-windows",
    "--allow-pre-commit-input",  # keeps clicks and keys that come before the first paint
    "--remote-debugging-port=0",  # a free port, which the browser writes into its profile
)
TIMEOUT = 120  # seconds for each step; generous, for busy machines
EVIL_HOST = "evil.test"  # a name that its owner makes point at this machine


@contextmanager
def open_browser(profile: Path, *flags: str) -> Iterator[Browser]:
    """Opens a browser, and closes it after the block. Skips the test where there is no browser.

    Args:
        profile: an empty folder for the browser's profile.
        flags: further flags of the command line.

    Yields:
        The browser.
    """
    client = pytest.importorskip("websockets.sync.client", reason="websockets is missing: no browser can be driven")
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium or Chrome is installed")
    process = subprocess.Popen(
        [program, *_FLAGS, *flags, f"--user-data-dir={profile}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        port_file = profile / "DevToolsActivePort"
        deadline = time.monotonic() + TIMEOUT
        while not (port_file.exists() and len(port_file.read_text().splitlines()) == 2):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"{program} does not start here")
            time.sleep(0.05)
        port, path = port_file.read_text().splitlines()
        with client.connect(f"ws://127.0.0.1:{port}{path}", max_size=None, open_timeout=TIMEOUT) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


class NavigatedAway(Exception):
    """The tab opened another page during a call."""


class Browser:
    """A running browser and its DevTools connection."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self.socket.recv(TIMEOUT))
            if answer.get("id") == number:
                error = answer.get("error", {}).get("message", "")
                if "navigated" in error:
                    raise NavigatedAway(error)
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def page(self, address: Path | str, **settings: Any) -> Page:
        return Page(self, address, **settings)


class Page:
    """A tab whose page has loaded.

    Args:
        browser: to open the tab in.
        address: a file or a URL.
        width: of the window, in pixels.
        height: of the window, in pixels.
        density: device pixels per CSS pixel.
        media: emulated media features, such as {"prefers-color-scheme": "dark"}.
    """

    def __init__(
        self,
        browser: Browser,
        address: Path | str,
        width: int = 900,
        height: int = 800,
        density: float = 1,
        media: dict[str, str] | None = None,
    ) -> None:
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.resize(width, height, density)
        features = [{"name": name, "value": value} for name, value in (media or {}).items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=address.as_uri() if isinstance(address, Path) else address)
        self.wait("document.readyState === 'complete'")

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)
        self.browser.events = [event for event in self.browser.events if event.get("sessionId") != self.session]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def resize(self, width: int, height: int, density: float = 1) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": density, "mobile": False},
        )

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Waits until a JavaScript expression is true, and returns its value."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            with suppress(NavigatedAway):
                if value := self.evaluate(expression):
                    return value
            time.sleep(0.02)
        shown = self.evaluate("[document.visibilityState, location.href, document.body?.innerText.slice(0, 500)]")
        raise AssertionError(f"still not true after {TIMEOUT} s: {expression}; the page is {shown}")

    def center_of(self, selector: str) -> tuple[float, float]:
        """x, y of the centre of the first element that matches, in pixels of the window."""
        return tuple(
            self.evaluate(
                f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
            )
        )

    def mouse(self, kind: str, x: float, y: float, clicks: int = 1, **more: Any) -> None:
        button = {"button": "left", "buttons": 1, "clickCount": clicks} if kind != "mouseWheel" else {}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button, **more)

    def click(self, selector: str, clicks: int = 1) -> None:
        x, y = self.center_of(selector)
        for click in range(1, clicks + 1):
            self.mouse("mousePressed", x, y, click)
            self.mouse("mouseReleased", x, y, click)

    def drag(self, selector: str, by_x: float, by_y: float) -> None:
        x, y = self.center_of(selector)
        self.mouse("mousePressed", x, y)
        for fraction in (0.25, 0.5, 0.75, 1):
            self.mouse("mouseMoved", x + fraction * by_x, y + fraction * by_y)
        self.mouse("mouseReleased", x + by_x, y + by_y)

    def press(self, key: str, modifiers: int = 0) -> None:
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=modifiers, **text)

    def screenshot(self) -> np.ndarray:
        """The visible part of the page, (H, W, 3) uint8."""
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def events(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all events of this tab, such as "Runtime.exceptionThrown"."""
        return [
            event["params"]
            for event in self.browser.events
            if event["method"] == method and event.get("sessionId") == self.session
        ]
