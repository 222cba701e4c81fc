"""A cohort whose classes differ in head size, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.baseline.cohorts import Cohort, write_cohort


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Ninety people, of whom forty are tested; read, not changed."""
    return write_cohort(tmp_path_factory.mktemp("heads"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The place of a preprocessed store."""
    return tmp_path / "preprocessed"
