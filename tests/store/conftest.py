"""Recordings that are old enough to be trusted, and the place of their store."""

from pathlib import Path

import pytest

from tests.store.filled_stores import Records, settle


@pytest.fixture
def records(tiny_records: Records) -> Records:
    return settle(tiny_records)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"
