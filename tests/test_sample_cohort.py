"""The sample cohort: real files, known scores, and no harm to any other file."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import zoom

from monai_fusion.errors import InputError
from monai_fusion.sample_cohort import SampleCohortOptions
from monai_fusion.sample_cohort.participant import describe
from monai_fusion.sample_cohort.volumes import SHAPES, as_nifti, render_mri
from monai_fusion.sample_cohort.write import write_sample_cohort
from tests.sample_cohorts import TINY, table_of


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def arrays_below(folder):
    """Every image's numbers by file; for MRIs as stored, with affine."""
    arrays = {name: np.load(folder / name) for name in files_below(folder) if name.endswith(".npy")}
    for name in files_below(folder):
        if name.endswith(".nii.gz"):
            image = nib.load(folder / name)
            arrays[name], arrays[name + " affine"] = np.asarray(image.dataobj), image.affine
    return arrays


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "tiny"
    write_sample_cohort(folder, TINY, progress=False)
    return folder


def test_it_writes_scalograms_mris_a_table_and_a_description(tiny):
    ids = [f"sub-90000{k}" for k in range(1, 5)]
    eeg, mri = {f"eeg/{i}_EO_seg0.npy" for i in ids}, {f"mri/{i}_T1w.nii.gz" for i in ids}
    assert files_below(tiny) == eeg | mri | {"participants.csv", "cohort.json"}
    for name in eeg:
        scalogram = np.load(tiny / name, allow_pickle=False)
        assert (scalogram.shape, scalogram.dtype) == ((224, 224, 17), np.float32)
        assert np.isfinite(scalogram).all()
    for name in mri:
        image = nib.load(tiny / name)
        assert (image.shape, image.get_data_dtype()) == (SHAPES["small"], np.int16)
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        np.testing.assert_allclose(image.header.get_zooms(), 2.5)
    rows = table_of(tiny)
    assert [row["participant_id"] for row in rows] == ids
    assert Counter(row["gender"] for row in rows) == {"M": 2, "F": 2}
    assert all(int(row["age"][3:]) - int(row["age"][:2]) == 5 for row in rows)


def test_the_description_says_synthetic_and_holds_options_scores_and_optimum(tiny):
    cohort = json.loads((tiny / "cohort.json").read_text(encoding="utf-8"))
    assert cohort["synthetic"] is True
    assert "ynthetic" in cohort["note"]
    assert cohort["options"]["seed"] == 1337
    assert list(cohort["latent_scores"]) == [row["participant_id"] for row in table_of(tiny)]
    # Phi(1.25), Phi(1.5) and Phi(sqrt(2.5^2 + 3^2) / 2) from a printed table of the normal distribution
    assert cohort["best_balanced_accuracy"] == pytest.approx({"eeg": 0.8944, "mri": 0.9332, "both": 0.9746}, abs=5e-5)


def test_the_best_balanced_accuracy_is_what_the_optimal_rule_reaches():
    options = SampleCohortOptions(participants=5_000, eeg_effect=1.2, mri_effect=1.6, fewer_females=0.5)
    participants = [describe(index, options) for index in range(options.participants)]
    female = np.array([p.gender == "F" for p in participants])
    eeg, mri = (np.array([getattr(p, name) for p in participants]) for name in ("eeg_score", "mri_score"))
    for name, score in (("eeg", eeg), ("mri", mri), ("both", 1.2 * eeg + 1.6 * mri)):
        reached = ((score[female] > 0).mean() + (score[~female] <= 0).mean()) / 2
        assert reached == pytest.approx(options.best_balanced_accuracy[name], abs=0.02), name
    for score, effect in ((eeg, 1.2), (mri, 1.6)):
        assert score[female].mean() - score[~female].mean() == pytest.approx(effect, abs=0.1)
    assert abs(np.corrcoef(eeg[female], mri[female])[0, 1]) < 0.05


def test_the_same_seed_gives_the_same_arrays_for_any_number_of_workers(tiny, tmp_path):
    write_sample_cohort(tmp_path, TINY, progress=False, workers=3)
    first, second = arrays_below(tiny), arrays_below(tmp_path)
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array, err_msg=name)
    assert (tmp_path / "cohort.json").read_bytes() == (tiny / "cohort.json").read_bytes()


def test_another_seed_gives_other_arrays(tiny, tmp_path):
    write_sample_cohort(tmp_path, replace(TINY, participants=1, seed=7), progress=False)
    arrays = arrays_below(tiny)
    different = [name for name, array in arrays_below(tmp_path).items() if not np.array_equal(arrays[name], array)]
    assert sorted(different) == ["eeg/sub-900001_EO_seg0.npy", "mri/sub-900001_T1w.nii.gz"]


def test_a_smaller_cohort_is_the_beginning_of_a_larger_one_with_more_segments_and_conditions(tiny, tmp_path):
    larger = replace(TINY, participants=2, segments_per_condition=2, conditions=("EC", "EO"))
    write_sample_cohort(tmp_path, larger, progress=False)
    arrays, shared = arrays_below(tiny), arrays_below(tmp_path)
    assert len(shared) == 2 * 4 + 2 * 2
    for name in arrays.keys() & shared.keys():
        np.testing.assert_array_equal(shared[name], arrays[name], err_msg=name)
    assert table_of(tmp_path) == table_of(tiny)[:2]
    assert len({array.tobytes() for name, array in shared.items() if name.endswith("npy")}) == 8  # no segment twice


def test_the_global_random_state_is_left_alone(tmp_path):
    before = np.random.get_state()[1].copy()  # the legacy state is what is being looked at
    write_sample_cohort(tmp_path, replace(TINY, participants=1), progress=False)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_some_participants_have_one_modality(tmp_path):
    write_sample_cohort(tmp_path, replace(TINY, only_eeg=1, only_mri=2), progress=False)
    written = files_below(tmp_path) - {"participants.csv", "cohort.json"}
    assert written == {
        "eeg/sub-900001_EO_seg0.npy",
        "mri/sub-900002_T1w.nii.gz",
        "mri/sub-900003_T1w.nii.gz",
        "eeg/sub-900004_EO_seg0.npy",
        "mri/sub-900004_T1w.nii.gz",
    }
    assert len(table_of(tmp_path)) == 4


def test_mixed_orientations_store_the_same_head_in_three_ways():
    mixed = SampleCohortOptions(participants=30, mixed_orientations=True)
    participants = [describe(index, mixed) for index in range(30)]
    assert Counter(p.orientation for p in participants).keys() == {"RAS", "LAS", "LPI"}
    volume = render_mri(participants[0], mixed)
    expected = as_nifti(volume, replace(participants[0], orientation="RAS"), mixed)
    for orientation in ("LAS", "LPI"):
        stored = as_nifti(volume, replace(participants[0], orientation=orientation), mixed)
        assert "".join(nib.aff2axcodes(stored.affine)) == orientation
        assert not np.array_equal(stored.get_fdata(), expected.get_fdata())
        back = nib.as_closest_canonical(stored)
        np.testing.assert_array_equal(back.get_fdata(), expected.get_fdata())
        np.testing.assert_allclose(back.affine, expected.affine)
        np.testing.assert_allclose(stored.get_qform(), stored.affine, atol=1e-5)


def test_mixed_dtypes_are_the_same_head_rounded_or_not(tmp_path):
    options = replace(TINY, participants=8, only_mri=8, dtype="mixed")
    write_sample_cohort(tmp_path, options, progress=False)
    images = [nib.load(path) for path in sorted((tmp_path / "mri").iterdir())]
    assert {str(image.get_data_dtype()) for image in images} == {"int16", "float32"}
    for index, image in enumerate(images):
        difference = np.abs(image.get_fdata() - render_mri(describe(index, options), options))
        assert difference.max() <= (0.5 if image.get_data_dtype() == np.int16 else 0)


@pytest.mark.parametrize(
    ("participants", "fewer", "males", "females"),
    [(60, 0, 30, 30), (70, 0.25, 40, 30), (60, 0.25, 34, 26), (9, 0, 4, 5)],
)
def test_females_may_be_fewer(participants, fewer, males, females):
    options = SampleCohortOptions(participants=participants, fewer_females=fewer)
    genders = Counter(describe(index, options).gender for index in range(participants))
    assert abs(genders["M"] - males) <= participants % 2
    assert abs(genders["F"] - females) <= participants % 2


def test_full_size_is_one_millimetre(tmp_path):
    write_sample_cohort(tmp_path, replace(TINY, participants=1, only_mri=1, size="full"), progress=False)
    image = nib.load(tmp_path / "mri" / "sub-900001_T1w.nii.gz")
    assert image.shape == (176, 240, 256)
    np.testing.assert_allclose(image.header.get_zooms(), 1)
    litres = (np.asarray(image.dataobj) > 0).sum() / 1e6
    assert 1.0 < litres < 2.1  # 1.47 l times exp(-3 * 0.03 * score)


def test_both_sizes_are_the_same_head():
    full, small = (replace(TINY, participants=1, size=size) for size in ("full", "small"))
    large = render_mri(describe(0, full), full)
    coarse = zoom(
        large,
        [n / m for n, m in zip(SHAPES["small"], large.shape, strict=True)],
        order=1,
        grid_mode=True,
        mode="nearest",
    )
    assert np.corrcoef(coarse.ravel(), render_mri(describe(0, small), small).ravel())[0, 1] > 0.97


@pytest.mark.parametrize("score", [-5.0, 5.0])
def test_the_head_stays_inside_the_field_of_view_for_the_most_extreme_scores(score):
    for index in range(4):
        volume = render_mri(replace(describe(index, TINY), mri_score=score), TINY)
        faces = [volume.take(end, axis) for axis in range(3) for end in (0, -1)]
        assert volume.any()
        assert not any(face.any() for face in faces)


def test_a_folder_with_anything_else_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    for options in (TINY, replace(TINY, overwrite=True)):
        with pytest.raises(InputError, match=r"holds 'thesis\.docx', expected an empty or new folder"):
            write_sample_cohort(tmp_path, options, progress=False)
    assert files_below(tmp_path) == {"thesis.docx"}


def test_another_programs_cohort_json_is_no_sample_cohort(tmp_path):
    (tmp_path / "cohort.json").write_text('{"kind": "a real one", "files": ["participants.csv"]}')
    with pytest.raises(InputError, match="expected an empty or new folder"):
        write_sample_cohort(tmp_path, replace(TINY, overwrite=True), progress=False)


def test_a_cohort_is_overwritten_only_when_asked_to_and_nothing_else_is_touched(tiny, tmp_path):
    out = tmp_path / "cohort"
    shutil.copytree(tiny, out)
    with pytest.raises(InputError, match=r"holds a sample cohort.*--overwrite"):
        write_sample_cohort(out, TINY, progress=False)
    (out / "eeg" / "notes.txt").write_text("mine")
    smaller = replace(TINY, participants=1, overwrite=True, seed=5)
    write_sample_cohort(out, smaller, progress=False)
    own = {"eeg/sub-900001_EO_seg0.npy", "mri/sub-900001_T1w.nii.gz", "participants.csv", "cohort.json"}
    assert files_below(out) == own | {"eeg/notes.txt"}
    assert len(table_of(out)) == 1


def test_a_file_that_no_sample_cohort_wrote_is_never_overwritten(tiny, tmp_path):
    out = tmp_path / "cohort"
    shutil.copytree(tiny, out)
    mine = out / "eeg" / "sub-900005_EO_seg0.npy"
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"sub-900005_EO_seg0\.npy.*no sample cohort wrote it"):
        write_sample_cohort(out, replace(TINY, participants=5, overwrite=True), progress=False)
    assert mine.read_bytes() == b"mine"
    assert (out / "cohort.json").exists()


def test_a_cohort_json_cannot_talk_it_into_removing_other_files(tiny, tmp_path):
    out = tmp_path / "cohort"
    shutil.copytree(tiny, out)
    (tmp_path / "precious.nii.gz").write_text("mine")
    (out / "eeg" / "own.npy").write_text("mine")
    (out / "eeg" / "sub-010002_EO_seg0.npy").write_text("a real participant")
    cohort = json.loads((out / "cohort.json").read_text())
    cohort["files"] += ["../precious.nii.gz", str(tmp_path / "precious.nii.gz"), "eeg/own.npy"]
    cohort["files"] += ["eeg/sub-010002_EO_seg0.npy"]
    (out / "cohort.json").write_text(json.dumps(cohort))
    write_sample_cohort(out, replace(TINY, participants=1, overwrite=True), progress=False)
    assert (tmp_path / "precious.nii.gz").exists()
    assert (out / "eeg" / "own.npy").exists()
    assert (out / "eeg" / "sub-010002_EO_seg0.npy").exists()


def test_an_unfinished_cohort_is_known_and_can_be_finished(tiny, tmp_path):
    out = tmp_path / "cohort"
    shutil.copytree(tiny, out)
    (out / "cohort.json").rename(out / "cohort.unfinished.json")
    (out / "participants.csv").unlink()
    with pytest.raises(InputError, match="holds an unfinished sample cohort"):
        write_sample_cohort(out, TINY, progress=False)
    write_sample_cohort(out, replace(TINY, participants=1, overwrite=True), progress=False)
    assert len(files_below(out)) == 4


def test_a_failure_half_way_leaves_no_cohort_json_but_a_trace_of_what_was_begun(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", fail)  # a disk that fills up cannot be had in a test
    with pytest.raises(OSError, match="No space left"):
        write_sample_cohort(tmp_path, replace(TINY, participants=1), progress=False)
    assert not (tmp_path / "cohort.json").exists()
    monkeypatch.undo()
    write_sample_cohort(tmp_path, replace(TINY, participants=1, overwrite=True), progress=False)
    assert (tmp_path / "cohort.json").exists()


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "cohort"):
        with pytest.raises(InputError, match=r"cannot be written to .*expected a writable folder"):
            write_sample_cohort(out, TINY, progress=False)


def test_a_disk_that_is_too_full_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    with pytest.raises(InputError, match=r"0\.0 GB free, expected 0\.3 GB"):
        write_sample_cohort(tmp_path / "new", SampleCohortOptions(participants=20), progress=False)
    assert not (tmp_path / "new").exists()


def test_impossible_options_are_refused_all_at_once():
    with pytest.raises(InputError) as caught:
        SampleCohortOptions(
            participants=0, size="huge", eeg_effect=-1, conditions=("EO", "EO"), fewer_females=1.0, seed=-1
        )
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["--participants", "--size", "--seed", "--eeg-effect", "--conditions", "--fewer-females"]
    assert "sample cohort --size: 'huge', expected 'small' or 'full'" in str(caught.value)
    with pytest.raises(InputError, match=r"--only-mri: 2, expected .* with --only-eeg 2 at most the 3 participants"):
        SampleCohortOptions(participants=3, only_eeg=2, only_mri=2)
    for wrong in ("age", "age=much", "age=1", "age=nan", "site=0.5"):
        with pytest.raises(InputError, match=r"confound: .*, expected age=R with R from -0\.95 to 0\.95"):
            SampleCohortOptions(confound=wrong)


def test_importing_the_options_does_not_import_torch():
    code = "import sys, monai_fusion.sample_cohort; print({'torch', 'monai', 'nilearn', 'scipy'} & sys.modules.keys())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
