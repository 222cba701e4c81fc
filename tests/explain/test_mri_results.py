"""What the explanation folder holds of the MRI: volumes, group maps, figures; also where a file is gone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monai_fusion.data import FusionDataset, Preprocessing
from monai_fusion.datalist import ModalityPolicy, ParticipantRecord
from monai_fusion.errors import InputError
from monai_fusion.explain.derived import Derived
from monai_fusion.explain.method import Method
from monai_fusion.explain.mri_gradcam import MriGradCam
from monai_fusion.explain.mri_gradients import MriIntegratedGradients, MriSmoothGradSquared
from monai_fusion.explain.mri_occlusion import MriOcclusion
from monai_fusion.explain.mri_results import mri_results
from monai_fusion.explain.mri_space import SlabGeometry
from monai_fusion.explain.running import ExplanationRun
from monai_fusion.explain.scoring import Scorer
from monai_fusion.explain.settings import ExplanationSettings
from monai_fusion.transforms import LoadScalogramd, LoadVolumed, ResampleSlabd, ZScoreElectrodesd
from tests.explain.mri_networks import convolving_net
from tests.support import EEG_SHAPE, write_scalogram

CHAIN: list[Any] = [LoadVolumed(), ResampleSlabd(size=(10, 9, 8), depth=8)]
GEOMETRY = SlabGeometry("RAS", None, (10, 9, 8), 8)
METHODS: list[Method] = [MriGradCam("first"), MriOcclusion((2, 2, 2)), MriIntegratedGradients(2)]
METHODS.append(MriSmoothGradSquared(2))


@pytest.fixture
def records(tmp_path: Path) -> list[ParticipantRecord]:
    """Six participants: sub-0 has no MRI, sub-5 no EEG; their volumes have one space."""
    folder = tmp_path / "data"
    folder.mkdir()
    found = []
    for number in range(6):
        eeg = (write_scalogram(folder / f"{number}.npy", number),) if number < 5 else ()
        mri = folder / f"{number}.nii.gz" if number else None
        if mri is not None:
            values = np.random.default_rng(number).random((13, 11, 12)).astype(np.float32)
            nib.save(nib.Nifti1Image(values, np.diag([-1.5, 1, 1, 1.0])), mri)
        found.append(ParticipantRecord(f"sub-{number}", number % 2, eeg, mri, "test"))
    return found


def explained(
    records: Sequence[ParticipantRecord], folder: Path, methods: Sequence[Method], chain: list[Any] | None = None
) -> ExplanationRun:
    use = ModalityPolicy(allow_missing=True)
    eeg = [LoadScalogramd(shape=EEG_SHAPE), ZScoreElectrodesd()]
    data = FusionDataset(records, Preprocessing(eeg, chain or CHAIN), segments="all", progress=False, use=use)
    names = tuple(method.name for method in methods)
    run = ExplanationRun(
        Scorer(convolving_net(), 1), data, folder, ExplanationSettings(names, None, 1, 2, "absent", {}), list(methods)
    )
    run.participants = run.run()
    return run


def results(run: ExplanationRun, method: str, geometry: SlabGeometry | None = GEOMETRY) -> Derived:
    return mri_results(run, method, run.participants, ["M", "F"], ["sub-1", "sub-0"], geometry)


def test_every_method_writes_volumes_a_group_and_figures(records: list[ParticipantRecord], tmp_path: Path) -> None:
    run = explained(records, tmp_path / "out", METHODS)
    for method in METHODS:
        word = method.name.removeprefix("mri_").replace("_", "")
        derived = results(run, method.name)
        arrays = run.arrays(method.name, "sub-3")
        assert arrays["attributions"].shape == GEOMETRY.shape
        own = nib.load(tmp_path / "out" / "participants" / f"sub-3_desc-{word}_T1w.nii.gz")
        np.testing.assert_allclose(own.affine, np.diag([-1.5, 1, 1, 1]))
        assert own.shape == (13, 11, 12)
        network = nib.load(tmp_path / "out" / "participants" / f"sub-3_space-network_desc-{word}_T1w.nii.gz")
        np.testing.assert_allclose(network.get_fdata(), arrays["attributions"], rtol=1e-6)
        assert [path.name for path in derived.files if path.name.endswith("_mean.nii.gz")] == [
            f"group-M_desc-{word}_mean.nii.gz",
            f"group-F_desc-{word}_mean.nii.gz",
        ]
        assert all(path.is_file() for path in derived.files)
        assert list(derived.of_participants) == ["sub-1"]  # sub-0 has no MRI
        assert [picture.name for picture in derived.figures] == [
            f"group_{method.name}_{part}" for part in ("mean0", "mean1", "difference0")
        ]
        (table,) = derived.tables
        assert table.rows[0][0].endswith(" mm")
        assert not derived.warnings
        assert any("coarse" in note for note in derived.notes) == (method.name == "mri_gradcam")
    written = [path.name for path in (tmp_path / "out" / "participants").iterdir()]
    assert sorted(name for name in written if "_mask" in name) == [
        f"sub-{n}_desc-slab_mask.nii.gz" for n in range(1, 6)
    ]
    assert not any(name.startswith("sub-0") for name in written)


def test_a_file_that_is_gone_since_costs_no_other_result(records: list[ParticipantRecord], tmp_path: Path) -> None:
    run = explained(records, tmp_path / "out", METHODS[:1])
    records[3].mri.unlink()
    derived = results(run, "mri_gradcam")
    (warning,) = derived.warnings
    assert "1 participant can no longer be read" in warning
    assert "sub-3" in warning and "no such file" in warning
    assert not list((tmp_path / "out" / "participants").glob("sub-3*"))
    assert (tmp_path / "out" / "participants" / "sub-4_desc-gradcam_T1w.nii.gz").is_file()
    assert any("not in one space" in note for note in derived.notes)


def test_a_file_that_was_replaced_by_something_else_is_named(records: list[ParticipantRecord], tmp_path: Path) -> None:
    run = explained(records, tmp_path / "out", METHODS[:1])
    records[2].mri.write_bytes(b"no volume")
    (warning,) = results(run, "mri_gradcam").warnings
    assert str(records[2].mri) in warning
    assert len(warning.splitlines()) == 1


def test_an_unknown_geometry_leaves_arrays_and_figures(records: list[ParticipantRecord], tmp_path: Path) -> None:
    run = explained(records, tmp_path / "out", METHODS[:1])
    derived = results(run, "mri_gradcam", None)
    assert any("may move voxels" in note for note in derived.notes)
    assert [path.name for path in derived.files] == ["group_desc-gradcam.tsv"]
    assert derived.figures
    assert not list((tmp_path / "out" / "participants").glob("*.nii.gz"))


def test_nobody_with_an_mri_leaves_nothing(records: list[ParticipantRecord], tmp_path: Path) -> None:
    run = explained(records[:1], tmp_path / "out", METHODS[:1])
    assert results(run, "mri_gradcam") == Derived()


def test_a_full_disk_is_one_message(
    records: list[ParticipantRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = explained(records, tmp_path / "out", METHODS[:1])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monai_fusion.explain.mri_files.write_atomically", full)
    with pytest.raises(InputError, match="No space left on device") as caught:
        results(run, "mri_gradcam")
    assert len(str(caught.value).splitlines()) == 1
