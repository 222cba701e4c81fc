"""One signal, written in every format by other programs, becomes the same scalograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_fusion.recordings.compat import compat_scalogram
from tests.commands import call
from tests.recordings.raw_files import signal
from tests.recordings.test_same_signal import WRITERS


@pytest.mark.parametrize("format_", [name for name in WRITERS if name != "split FIF"])
def test_every_format_gives_the_scalograms_of_its_signal(
    format_: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = signal(20).clip(-190, 190)
    write, step = WRITERS[format_]
    (tmp_path / "raw").mkdir()
    path = write(tmp_path / "raw", x)
    how = ["--sampling-rate", "250"] if path.suffix in (".csv", ".tsv") else []
    out = tmp_path / "out"
    code, _, error = call(capsys, "scalogram", path, "--condition", "EO", "--out", out, "--workers", "1", *how)
    assert code == 0, error
    for number in range(2):
        expected = compat_scalogram(x[:, 2500 * number : 2500 * (number + 1)])
        found = np.load(out / f"sub-01_EO_seg{number}.npy")
        # A step of the file's, cut off and not rounded, is an offset of half a step, and 2.2 of it stand at the edges.
        np.testing.assert_allclose(found, expected, rtol=0, atol=3 * step + 1e-5 * expected.std())
