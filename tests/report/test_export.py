"""``monai-fusion report --figures``: what is written for a paper, what is true in it, and what is not replaced."""

import csv
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from monai.bundle import ConfigParser
from PIL import Image

from monai_fusion.errors import InputError
from monai_fusion.options.configs import load_configs
from monai_fusion.report.export import LIST_FILE, write_figures
from monai_fusion.report.methods import methods_of
from monai_fusion.report.references import REFERENCES
from monai_fusion.report.run_results import read_results
from tests.commands import call
from tests.message_parts import assert_parts
from tests.report.conftest import EXAMPLES, MANIFEST, Evaluation
from tests.support import BUNDLE_CONFIGS

WITHOUT_DOI = {"holm", "design_effect"}  # their journals gave none
FIGURES = {
    *("confusion", "roc", "pr", "reliability", "gate-class", "gate-correct"),
    *("pca-fused", "pca-eeg", "pca-mri", "learning-loss", "learning-validation", "learning-gate"),
    *("learning-rates", "learning-further0"),
}
TABLES = {
    *("cohort", "scores", "classes", "permutation_tests", "calibration", "calibration_slope", "reliability"),
    *("one_recording_taken_away", "prediction_sets", "strata", "confusion_matrix", "mistakes", "what_was_run"),
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_figure_comes_in_three_formats_and_every_table_with_its_numbers(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = evaluation("two_classes"), tmp_path / "paper" / "figures"
    code, out, _ = call(capsys, "report", run, "--figures", folder)
    assert code == 0 and out.splitlines()[1] == f"wrote 42 figures, 13 tables and methods.md to {folder}"
    names = {path.name for path in folder.iterdir()} - {LIST_FILE, "methods.md"}
    expected = {f"figure_{name}.{ending}" for name in FIGURES for ending in ("svg", "pdf", "png")}
    assert names == expected | {f"table_{name}.csv" for name in TABLES}
    for path in folder.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 # its own
        assert "var(" not in path.read_text(encoding="utf-8")  # no other program knows the page's variables
    assert all(path.read_bytes().startswith(b"%PDF") for path in folder.glob("*.pdf"))
    with Image.open(folder / "figure_roc.png") as picture:
        assert [round(dots) for dots in picture.info["dpi"]] == [300, 300]
        assert picture.getpixel((0, 0))[:3] == (255, 255, 255)  # type: ignore[index]
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    scores = {row["score"]: row for row in rows_of(folder / "table_scores.csv")}
    assert float(scores["auroc"]["value"]) == metrics["scores"]["auroc"]["value"]
    assert float(scores["auroc"]["low"]) == metrics["scores"]["auroc"]["interval"][0]
    matrix = rows_of(folder / "table_confusion_matrix.csv")
    assert [[int(row["predicted M"]), int(row["predicted F"])] for row in matrix] == metrics["confusion_matrix"]
    assert len(rows_of(folder / "table_strata.csv")) == len(metrics["strata"]) + len(metrics["conditions"])


def test_the_formats_can_be_chosen_and_a_rerun_gives_the_same_bytes(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = evaluation("one_participant"), tmp_path / "paper"
    assert call(capsys, "report", run, "--figures", folder, "--figure-formats", "png", "PDF")[0] == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {Path(name).suffix for name in before if name.startswith("figure")} == {".png", ".pdf"}
    assert call(capsys, "report", run, "--figures", folder, "--figure-formats", "png", "pdf")[0] == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["table_scores.csv", "methods.md", "figure_roc.svg"])
def test_a_file_that_another_program_wrote_is_not_replaced_and_nothing_is_half_written(
    evaluation: Evaluation, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "paper"
    folder.mkdir()
    (folder / name).write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=rf"{re.escape(name)}: exists already, .*: choose another folder"):
        write_figures(evaluation("two_classes"), folder, ["svg"])
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text(encoding="utf-8") == "mine"


def test_a_paragraph_that_was_edited_stays(evaluation: Evaluation, tmp_path: Path) -> None:
    run, folder = evaluation("one_class"), tmp_path / "paper"
    write_figures(run, folder, ["svg"])
    (folder / "methods.md").write_text("edited by hand", encoding="utf-8")
    with pytest.raises(InputError, match=r"methods\.md: exists already, .*edited"):
        write_figures(run, folder, ["svg"])
    assert (folder / "methods.md").read_text(encoding="utf-8") == "edited by hand"


def test_a_file_in_place_of_the_folder_is_refused_before_anything_is_written(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = evaluation("one_class"), tmp_path / "paper"
    file.write_text("mine", encoding="utf-8")
    code, out, err = call(capsys, "report", run, "--figures", file)
    assert (code, out) == (2, "") and err.startswith(f"error: --figures: {file} is a file, expected a folder")
    assert file.read_text(encoding="utf-8") == "mine" and not (run / "report.html").exists()
    with pytest.raises(InputError, match="is a file"):
        write_figures(run, file)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--figures", "paper", "--figure-formats", "tiff"],
            '--figure-formats: "tiff", expected some of svg, pdf, png',
        ),
        (["--figure-formats", "svg"], "--figure-formats: given without --figures: "),
    ],
)
def test_formats_that_cannot_be_written_are_refused(
    evaluation: Evaluation, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "report", evaluation("one_class"), *words)
    assert (code, out) == (2, "") and err.startswith(f"error: {expected}") and err.count("\n") == 1


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_whatever_there_is_to_report_on_can_be_taken_out(evaluation: Evaluation, tmp_path: Path, example: str) -> None:
    written = write_figures(evaluation(example), tmp_path / "paper", ["svg"])
    assert written[-1].name == "methods.md" and all(path.is_file() for path in written)


def test_letters_beyond_ascii_reach_excel(evaluation: Evaluation, tmp_path: Path) -> None:
    write_figures(evaluation("hostile"), tmp_path / "paper", ["svg"])
    content = (tmp_path / "paper" / "table_mistakes.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf") == (not content.decode("utf-8-sig").isascii())
    assert (tmp_path / "paper" / "table_scores.csv").read_bytes().startswith(b"score,")


def shipped_manifest() -> dict:
    """A manifest of the shipped config, as a training writes it."""
    config = load_configs([BUNDLE_CONFIGS / "train.yaml"])
    named = (
        "mri_size",
        "slab_depth",
        "eeg_shape",
        "spec_augment_prob",
        "flip_prob",
        "rotate_prob",
        "rotate_max_degrees",
    )
    knobs = {name: config[name] for name in named}
    identity = {
        "num_epochs": [15, 10],
        "head_lr": 0.0002,
        "encoder_lr": 0.0001,
        "weight_decay": 0.0001,
        "batch_size": 4,
        "lambda_align": 0.15,
        "balanced_sampling": True,
        "precision": "bfloat16",
        "pretrained": True,
        "fusion": "gated",
        "modalities": "both",
        "keep_epoch": "best",
    }
    return {**MANIFEST, "config": config, "knobs": knobs, "identity": identity}


def methods_with(evaluation: Evaluation, manifest: dict) -> str:
    folder = evaluation("two_classes")
    context = json.loads((folder / "report_data.json").read_text(encoding="utf-8"))
    (folder / "report_data.json").write_text(json.dumps(context | {"manifest": manifest}), encoding="utf-8")
    return methods_of(read_results(folder))


def test_the_methods_paragraph_has_the_numbers_of_the_run(evaluation: Evaluation) -> None:
    text = methods_with(evaluation, shipped_manifest())
    for sentence in (
        "17 electrodes, 224 frequencies and 224 time points",
        "128 x 128 x 128 voxels",
        "the middle 96 slices",
        "ConvNeXt-Tiny [1] pretrained on ImageNet [2]",
        "R3D-18 [3] pretrained on Kinetics-400 [4]",
        "15 and 10 epochs",
        "0.0002 (fusion head) and 0.0001 (encoders)",
        "logistic recalibration [7]",
        "fitted on 32 validation participants",
        "corrected to 0.60 M and 0.40 F",
        "kept (epoch 6)",
        "26 test participants (16 M and 10 F): AUROC",
        "PyTorch 2.15",
        "commit 0123456789 with local changes",
    ):
        assert sentence in text
    assert "jane" not in text.lower()


def test_the_methods_paragraph_names_the_score_that_chose_the_epoch(evaluation: Evaluation) -> None:
    manifest = shipped_manifest()
    manifest["identity"]["epoch_score"] = "balanced_cross_entropy"
    expected = "The epoch with the lowest validation cross-entropy (each class weighted equally) was kept (epoch 6)"
    assert expected in methods_with(evaluation, manifest)


def test_of_an_earlier_version_the_plain_cross_entropy_chose_the_epoch(evaluation: Evaluation) -> None:
    text = methods_with(evaluation, shipped_manifest())
    assert "The epoch with the lowest validation cross-entropy was kept (epoch 6)" in text


def test_every_work_is_cited_once_by_a_number_that_leads_to_it(evaluation: Evaluation) -> None:
    text = methods_with(evaluation, shipped_manifest())
    body, _, references = text.partition("## References\n\n")
    listed = dict(re.findall(r"^(\d+)\. (.+)$", references, re.MULTILINE))
    assert list(listed) == [str(number) for number in range(1, len(listed) + 1)]
    assert set(listed.values()) <= set(REFERENCES.values())
    assert set(re.findall(r"\[(\d+)\]", body)) == set(listed)
    assert all(re.search(r"doi:10\.\d{4,9}/\S+$", work) for name, work in REFERENCES.items() if name not in WITHOUT_DOI)


@pytest.mark.parametrize(
    ("part", "gone", "left"),
    [
        ("network_def", "ConvNeXt", "[The network: "),
        ("mri_preprocessing", "resampled to", "preprocessing of the MRI.]"),
        ("optimizer", "AdamW", "two stages"),
        ("eeg_augmentation", "masked in time", "flipped along"),
    ],
)
def test_what_a_config_replaces_is_not_described_as_shipped(
    evaluation: Evaluation, part: str, gone: str, left: str
) -> None:
    manifest = shipped_manifest()
    manifest["config"] = manifest["config"] | {part: {"_target_": "another.network"}}
    text = methods_with(evaluation, manifest)
    assert gone not in text and left in text


def test_an_encoder_from_a_file_is_not_called_pretrained_on_imagenet(evaluation: Evaluation) -> None:
    manifest = shipped_manifest()
    manifest["identity"]["files"] = {"eeg_weights": "0a1b", "mri_weights": None}
    text = methods_with(evaluation, manifest)
    assert_parts(text, "ConvNeXt-Tiny [1]", "a file of weights")
    assert "ImageNet" not in text


def test_a_model_of_one_recording_is_described_with_that_one(evaluation: Evaluation) -> None:
    manifest = shipped_manifest()
    manifest["identity"]["modalities"] = "eeg"
    text = methods_with(evaluation, manifest)
    assert_parts(text, "EEG alone", "ConvNeXt-Tiny")
    assert not [word for word in ("R3D", "MRI volumes", "gate", "cosine of the two") if word in text]


def test_a_folder_that_is_not_there_is_reported_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom monai_fusion.cli import main\n"
        "try:\n    main(['report', 'nothere'])\n"
        "finally:\n    print([name for name in ('matplotlib', 'sklearn', 'numpy', 'torch') if name in sys.modules])"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert time.monotonic() - started < 10  # on a busy machine; alone it takes a fifth of a second
    assert done.returncode == 2 and done.stderr == "error: nothere: no such folder\n"
    assert done.stdout == "[]\n"


def test_a_file_in_place_of_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.pt").write_bytes(b"x")
    code, _, err = call(capsys, "report", tmp_path / "model.pt")
    assert code == 2 and "model.pt: a file, expected the --output_dir of an evaluation" in err


def test_a_config_that_monai_has_read_is_still_the_shipped_one(evaluation: Evaluation) -> None:
    run = evaluation("two_classes")
    parser = ConfigParser()
    parser.read_config([str(BUNDLE_CONFIGS / "train.yaml")])
    parser.parse()
    config = parser.config
    assert "@paths::eeg_weights" in config["network_def"]["eeg"]["weights"]  # MONAI writes references in its own way
    (run / "report_data.json").unlink()
    (run / "manifest.json").write_text(json.dumps({**MANIFEST, "config": config}, default=str), encoding="utf-8")
    text = methods_of(read_results(run))
    assert "The EEG was encoded by a ConvNeXt-Tiny" in text
    config["network_def"]["head"]["dropout"] = 0.5
    (run / "manifest.json").write_text(json.dumps({**MANIFEST, "config": config}, default=str), encoding="utf-8")
    assert "[The network: its definition is not the shipped one" in methods_of(read_results(run))
