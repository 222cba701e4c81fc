"""`monai-fusion explain` as shipped: from a run folder to maps, tables, figures and a section of the report."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_fusion.datalist import read_datalist
from monai_fusion.report.explanation_file import read_explanation
from tests.bundle.conftest import Cohort, bundle_run, monai_fusion

QUICK = ("--explained_segments", "1", "--check_participants", "0", "--device", "cpu")


def explain(run: Path, *words: object) -> tuple[int, str]:
    done = monai_fusion("explain", run, *QUICK, *words)
    return done.returncode, done.stdout + done.stderr


def test_what_each_recording_is_worth_takes_one_command(cohort: Cohort, run_folder: Path) -> None:
    code, said = explain(run_folder, "--methods", "modality")
    assert code == 0, said
    content = read_explanation(run_folder / "explanation")
    assert content is not None and content.explained_class == "F" and content.section == "test"
    test = [record.participant_id for record in read_datalist(cohort.datalist).records("test")]
    assert [each.participant_id for each in content.participants] == test
    for each in content.participants:
        assert each.values is not None and each.values.value_eeg is not None and each.values.value_mri is not None
        assert each.values.value_eeg + each.values.value_mri == pytest.approx(
            each.score - each.values.neither, abs=1e-5
        )
    # Trained for two epochs on eleven participants: its maps mean nothing, and a warning says so.
    assert content.warnings and "may show noise" in content.warnings[0] and content.warnings[0] in said


def test_maps_of_one_participant_lie_in_the_space_of_the_file(cohort: Cohort, run_folder: Path) -> None:
    record = read_datalist(cohort.datalist).records("test")[0]
    assert record.mri is not None
    code, said = explain(run_folder, "--participants", record.participant_id, "--methods", "mri_gradcam")
    assert code == 0, said
    folder = run_folder / "explanation" / "participants"
    own = nib.nifti1.load(folder / f"{record.participant_id}_desc-gradcam_T1w.nii.gz")
    original = nib.nifti1.load(record.mri)
    assert own.shape == original.shape
    np.testing.assert_allclose(own.affine, original.affine, atol=1e-4)
    network = nib.nifti1.load(folder / f"{record.participant_id}_space-network_desc-gradcam_T1w.nii.gz")
    assert network.shape == (16, 24, 24) and np.abs(network.get_fdata()).max() > 0


@pytest.mark.slow
def test_all_methods_are_kept_and_their_checks_stand_in_the_report(cohort: Cohort, run_folder: Path) -> None:
    evaluated = bundle_run("evaluate.yaml", datalist=cohort.datalist, output_dir=run_folder)
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    record = read_datalist(cohort.datalist).records("test")[0]
    words = ("--participants", record.participant_id, "--eeg_occlusion_segments", "1")
    small = ("--mri_gradient_steps", "4", "--eeg_gradient_steps", "4")
    small += ("--reference_gradient_steps", "2", "--reference_participants", "2")
    code, said = explain(run_folder, *words, "--methods", "all", *small)
    assert code == 0, said
    folder = run_folder / "explanation"
    content = read_explanation(folder)
    assert content is not None and len(content.methods) == 9
    for table in content.tables:
        assert (folder / table).is_file()
    with (folder / "participants" / f"{record.participant_id}_desc-eegocclusion_electrodes-bands.tsv").open() as stream:
        rows = list(csv.DictReader(stream, dialect="excel-tab"))
    assert len({row["electrode"] for row in rows}) == 17 and float(rows[0]["value_logit"]) is not None

    # The checks of two methods, whose maps are not made again.
    times = {path: path.stat().st_mtime_ns for path in (folder / "arrays").rglob("*.npz")}
    two = ["modality", "eeg_integrated_gradients", "mri_gradcam"]
    code, said = explain(run_folder, *words, "--methods", *two, *small, "--check_participants", "1")
    assert code == 0, said
    kept = {path: path.stat().st_mtime_ns for path in times if path.exists()}
    assert kept and kept == {path: times[path] for path in kept}
    content = read_explanation(folder)
    assert content is not None and [*content.methods] == two and content.measures.keys() == set(two[1:])
    report = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "What each recording is worth" in report and "Random weights" in report and "The planted signal" in report
    assert report.count('<img src="data:image/png;base64,') >= len(content.figures)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--participants", "sub-nobody"), ("sub-nobody", "test part")),
        (("--mri_gradcam_block", "layer9", "--methods", "mri_gradcam"), ("layer9", "layer4")),
        (("--segments", "3"), ("segments", "did you mean")),
    ],
)
def test_a_mistake_is_one_short_message(run_folder: Path, words: tuple[str, ...], told: tuple[str, ...]) -> None:
    code, said = explain(run_folder, *words)
    assert code == 2 and "Traceback" not in said, said
    assert all(part in said for part in told), said


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    code, said = explain(tmp_path)
    assert code == 2 and "recipe.json" in said and "RUN_DIR" in said
    code, said = explain(tmp_path / "nowhere")
    assert code == 2 and "no such folder" in said
