"""Chromium with a keyboard, a mouse and a folder for downloads, driven by selenium."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WHY_NOT = "needs Chromium and its driver (apt-get install chromium chromium-driver)"
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    "--enable-precise-memory-info",  # else performance.memory is always 10 MB
)
_PATIENCE = 20.0  # seconds


class Tab:
    """A tab of the browser with the page of a cohort."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def open(self, page: Path, after: str = "") -> None:
        """Show a page; of the one before, its question whether to leave is answered with yes."""
        self.driver.get(page.resolve().as_uri() + after)

    def run(self, script: str) -> Any:
        """Run a script in the page and return its value."""
        return self.driver.execute_script(script)

    def find(self, selector: str) -> Any:
        """The first element in the page."""
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        """What an element shows."""
        return str(self.find(selector).text)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def press_control(self, key: str) -> None:
        """Ctrl and a key."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()

    def choose(self, participant: str) -> None:
        """Search for a participant, who is then the chosen one."""
        box = self.find("#search")
        box.clear()
        box.send_keys(participant)
        self.run("byId('search').dispatchEvent(new Event('input'))")
        assert self.text("#card-title") == participant

    def select(self, selector: str, text: str) -> None:
        """Choose an option by its text."""
        from selenium.webdriver.support.select import Select

        Select(self.find(selector)).select_by_visible_text(text)

    def leave_out(self, reason: str) -> None:
        """Leave out the chosen participant."""
        self.find("#exclude").click()
        self.find("#reason").send_keys(reason)
        self.find("#reason-form button[type=submit]").click()

    def write_note(self, text: str) -> None:
        """Write a note about the chosen participant."""
        note = self.find("#note")
        note.clear()
        note.send_keys(text)
        self.run("document.activeElement.blur()")

    def save_both(self) -> tuple[Path, Path]:
        """Save, and wait for the datalist and the log."""
        before = set(self.downloads.iterdir())
        self.find("#changes").click()
        self.find("#save-both").click()
        end = time.monotonic() + _PATIENCE
        while True:
            new = {path for path in set(self.downloads.iterdir()) - before if path.suffix == ".json"}
            if len(new) == 2 and all(path.stat().st_size for path in new):
                break
            assert time.monotonic() < end, f"only {sorted(path.name for path in new)} came"
            time.sleep(0.1)
        self.find("#changes-dialog [data-close=no]").click()
        log = next(path for path in new if "change_log" in json.loads(path.read_text(encoding="utf-8-sig")))
        return next(path for path in new if path != log), log

    def complaints(self) -> list[str]:
        """What the browser has written to its console since the last call: errors, refusals of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def chromium_tab() -> Iterator[Tab]:
    """Start Chromium with a profile of its own; it ends with the block."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install -e .[dev])")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(WHY_NOT)
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        downloads = Path(folder, "downloads")
        downloads.mkdir()
        options = selenium.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*_FLAGS, f"--user-data-dir={folder}/profile", "--window-size=1300,950"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.set_capability("unhandledPromptBehavior", "accept")
        options.add_experimental_option(
            "prefs",
            {
                "download.default_directory": str(downloads),
                "download.prompt_for_download": False,
                "profile.default_content_setting_values.automatic_downloads": 1,
            },
        )
        driver = selenium.Chrome(options=options, service=Service(DRIVER))
        try:
            yield Tab(driver, downloads)
        finally:
            driver.quit()
