"""A cohort, its page, and a browser that shows it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands import call
from tests.datalist_page.browser import Tab, chromium_tab
from tests.datalist_page.cohort import EEG_SHAPE


@pytest.fixture
def write_page(capsys: pytest.CaptureFixture[str]) -> Callable[..., Path]:
    """Writes the page of a datalist beside it, and returns where it is."""

    def write(datalist: Path, *options: object) -> Path:
        page = datalist.with_suffix(".html")
        code, _, err = call(
            capsys, "datalist", "page", datalist, "--out", page, "--eeg-shape", EEG_SHAPE, "--workers", 1, *options
        )
        assert code == 0, err
        return page

    return write


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    """One tab for all tests of a module."""
    with chromium_tab() as found:
        yield found
