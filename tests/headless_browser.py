"""A Chromium without a window, driven over its DevTools protocol."""

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

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--remote-debugging-port=0",  # it takes a free one and writes it into its profile
)
PATIENCE = 60  # seconds for anything, on a busy machine


@contextmanager
def opened_browser(profile: Path, *flags: str) -> Iterator[Browser]:
    """A browser with its profile in the empty folder `profile`, and further flags. Skips the test where there is none
    to open."""
    client = pytest.importorskip("websockets.sync.client", reason="websockets is missing: no browser can be driven")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium or Chrome to look at the page with")
    process = subprocess.Popen(
        [program, *_FLAGS, *flags, f"--user-data-dir={profile}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        told = profile / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not (told.exists() and len(told.read_text().splitlines()) == 2):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"{program} does not start here")
            time.sleep(0.05)
        port, path = told.read_text().splitlines()
        with client.connect(f"ws://127.0.0.1:{port}{path}", max_size=None, open_timeout=PATIENCE) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


class Navigated(Exception):
    """The tab went to another page while it was asked."""


class Browser:
    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self.socket.recv(PATIENCE))
            if answer.get("id") == number:
                error = answer.get("error", {}).get("message", "")
                if "navigated" in error:
                    raise Navigated(error)
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def page(self, place: Path | str, **settings: Any) -> Page:
        return Page(self, place, **settings)


class Page:
    """One tab that shows `place`, a file or a URL, once it has loaded; `media` such as
    {"prefers-color-scheme": "dark"}."""

    def __init__(
        self,
        browser: Browser,
        place: Path | str,
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
        self.resize(width, height, density)
        features = [{"name": name, "value": value} for name, value in (media or {}).items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=place.as_uri() if isinstance(place, Path) else place)
        self.wait("document.readyState === 'complete'")

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)

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
        """Until `expression` is true, and what it then is."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(Navigated):
                if value := self.evaluate(expression):
                    return value
            time.sleep(0.02)
        raise AssertionError(f"never came true: {expression}")

    def middle_of(self, selector: str) -> tuple[float, float]:
        """x, y of the middle of the first such element, in pixels of the window."""
        return tuple(
            self.evaluate(
                f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
            )
        )

    def mouse(self, kind: str, x: float, y: float, clicks: int = 1, **more: Any) -> None:
        held = {"button": "left", "buttons": 1, "clickCount": clicks} if kind != "mouseWheel" else {}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held, **more)

    def click(self, selector: str, clicks: int = 1) -> None:
        x, y = self.middle_of(selector)
        for click in range(1, clicks + 1):
            self.mouse("mousePressed", x, y, click)
            self.mouse("mouseReleased", x, y, click)

    def drag(self, selector: str, by_x: float, by_y: float) -> None:
        x, y = self.middle_of(selector)
        self.mouse("mousePressed", x, y)
        for share in (0.25, 0.5, 0.75, 1):
            self.mouse("mouseMoved", x + share * by_x, y + share * by_y)
        self.mouse("mouseReleased", x + by_x, y + by_y)

    def press(self, key: str, modifiers: int = 0) -> None:
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=modifiers, **text)

    def picture(self) -> np.ndarray:
        """What the window shows, (H, W, 3) uint8."""
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def events(self, method: str) -> list[dict[str, Any]]:
        return [
            event["params"]
            for event in self.browser.events
            if event["method"] == method and event.get("sessionId") == self.session
        ]
