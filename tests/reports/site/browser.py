"""A browser with what tests ask of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent


@dataclass
class Page:
    """One window."""

    driver: Any

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a file; another fragment of the same file too is a fresh page."""
        self.driver.get("about:blank")
        self.driver.get(path.as_uri() + fragment)

    def run(self, script: str) -> Any:
        """The value of a script."""
        return self.driver.execute_script(script)

    def rows(self) -> list[str]:
        """The models of the rows that are shown, in order."""
        names = "document.querySelectorAll('#board tbody tr th a')"
        found: list[str] = self.run(f"return [...{names}].map(link => link.textContent)")
        return found

    def run_file(self, name: str) -> Any:
        """The value of a script that lies beside the tests."""
        return self.run((SCRIPTS / name).read_text(encoding="utf-8"))

    def wait(self, condition: str) -> None:
        """Until a condition of JavaScript holds; half a minute at most."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 30).until(lambda _: bool(self.run(f"return {condition}")))

    def click(self, selector: str) -> None:
        """Click an element as a mouse would."""
        self.driver.find_element("css selector", selector).click()

    def choose(self, selector: str, value: str) -> None:
        """Choose an option by its value."""
        from selenium.webdriver.support.ui import Select

        Select(self.driver.find_element("css selector", selector)).select_by_value(value)

    def complaints(self) -> list[str]:
        """What the console has said."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every address that was asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """A window of this size, in this colour scheme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
