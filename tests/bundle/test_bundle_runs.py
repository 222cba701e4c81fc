"""Training, evaluation and inference through the shipped bundle, on real files."""

import csv
import json
import re
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from monai.utils import path_to_sqlite_uri
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_fusion.datalist import read_datalist
from monai_fusion.metrics.metrics_file import Metrics
from monai_fusion.networks import standard_network
from monai_fusion.runs.run_digests import weights_digests
from tests.bundle.conftest import EEG_SIZE, SMALL, Cohort, bundle_run, monai_fusion
from tests.support import write_datalist


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def untimed(path: Path) -> list[dict[str, str]]:
    return [{**row, "seconds": "", "data_wait": ""} for row in rows_of(path)]


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "model.pt", weights_only=True)
    return state


def test_training_leaves_the_model_its_export_its_recipe_and_its_history(run_folder: Path) -> None:
    exported = torch.load(run_folder / "fusion_convnext_r3d18_gated_align.pth", weights_only=True)
    assert exported.keys() == {"eeg_enc", "mri_enc", "head"}
    joined = {f"{part}.{name}": tensor for part, state in exported.items() for name, tensor in state.items()}
    state = state_of(run_folder)
    assert joined.keys() == state.keys() and all(torch.equal(joined[name], state[name]) for name in state)
    history = rows_of(run_folder / "history.csv")
    assert [(row["epoch"], row["stage"]) for row in history] == [("1", "A"), ("2", "B")]
    assert json.loads((run_folder / "recipe.json").read_text())["classes"] == ["M", "F"]
    curves = EventAccumulator(str(run_folder / "tensorboard")).Reload()
    assert [event.step for event in curves.Scalars("train_loss")] == list(range(1, 7))  # two epochs of three batches
    assert [event.step for event in curves.Scalars("balanced_cross_entropy")] == [1, 2]
    assert sorted(curves.Tags()["scalars"]) == [
        *("accuracy", "balanced_accuracy", "balanced_cross_entropy", "data_wait", "gate"),
        *("lr/encoders", "lr/fusion_head", "train_loss"),
    ]
    calibration = json.loads((run_folder / "calibration.json").read_text(encoding="utf-8"))
    assert calibration["network_prior"] == [0.5, 0.5] and len(calibration["predictions"]) == 2
    assert calibration["operating_point"] == "balanced" and calibration["slope"] > 0 and not calibration["notes"]


def test_the_log_starts_with_participants_parameters_and_device_and_has_a_line_per_epoch(run_folder: Path) -> None:
    log = (run_folder / "train.log").read_text(encoding="utf-8")
    assert re.search(r"training: \d+ participants \(\d+ M, \d+ F\), \d+ EEG segments", log)
    assert "parameters that train" in log and re.search(r"MRI layer3 +- +6\.23 M +6\.23 M", log)
    assert re.search(r"device: .+; precision: ", log) and "2 epochs of 3 batches, 4 participants each" in log
    assert f"preprocessed files: {run_folder.parent / 'preprocessed'}" in log and "confusion matrix" in log
    assert log.index("parameters that train") < log.index("epoch 1/2")
    assert re.search(
        r"epoch 1/2, .* \| lr fusion head 2\.0e-04, encoders 1\.0e-04 \| .* s, data wait \d+%, .* left", log
    )
    assert re.search(r"epoch 2/2, .* \| lr fusion head 1\.0e-04, encoders 5\.0e-05 \| .* s, data wait \d+%\n", log)


def test_a_tracked_training_is_in_a_database_of_mlflow_beside_its_results(run_folder: Path) -> None:
    client = mlflow.MlflowClient(path_to_sqlite_uri(run_folder / "mlruns.db"))
    (experiment,) = client.search_experiments(filter_string="name = 'monai-fusion'")
    (run,) = client.search_runs(experiment.experiment_id)
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    rows = rows_of(run_folder / "history.csv")
    scores = ("balanced_cross_entropy", "accuracy", "balanced_accuracy")
    for name in ("train_loss", "gate", *scores, "lr_encoders", "data_wait"):
        tracked = [(str(metric.step), metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
        assert tracked == [(row["epoch"], float(row[name])) for row in rows]
    assert run.data.params["batch_size"] == "4" and run.data.params["seed"] == "1337"
    assert not list(run_folder.glob("config_*"))  # manifest.json holds it


def test_the_manifest_records_the_inputs_and_the_results_of_the_run(cohort: Cohort, run_folder: Path) -> None:
    manifest = json.loads((run_folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished" and manifest["seed"] == 1337
    assert manifest["knobs"]["mri_size"] == [24, 24, 24] and manifest["knobs"]["pretrained"] is False
    assert manifest["config"]["train"]["trainer"]["_target_"] == "SupervisedTrainer"
    assert manifest["command"]["overrides"]["datalist"] == str(cohort.datalist)
    assert manifest["data"]["training"]["participants"] == len(read_datalist(cohort.datalist).records("training"))
    assert manifest["weights"]["digest"] == weights_digests(run_folder / "model.pt", ())["digest"]
    assert [str(row["train_loss"]) for row in manifest["epochs"]] == [
        row["train_loss"] for row in rows_of(run_folder / "history.csv")
    ]
    assert manifest["best"] in manifest["epochs"]
    assert manifest["identity"]["epoch_score"] == "balanced_cross_entropy"


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"device_data": "true"}, "training data: in memory ("),
        # tests/data/test_sampling.py compares the batches of spawned workers among the fast tests.
        pytest.param({"num_workers": 2, "start_method": "spawn"}, "", marks=pytest.mark.slow),
    ],
    ids=["recordings that wait in memory", "spawned workers"],
)
def test_a_rerun_gives_the_same_bits_with_knobs_that_must_change_nothing(
    run_folder: Path, knobs: dict[str, object], told: str, tmp_path: Path
) -> None:
    manifest = json.loads((run_folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["command"]["overrides"] |= knobs
    other, second = tmp_path / "manifest.json", tmp_path / "second"
    other.write_text(json.dumps(manifest), encoding="utf-8")
    done = monai_fusion("rerun", other, "--output-dir", second)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        done.stdout.splitlines()[-1] == f"identical: the weights have the same digest, {manifest['weights']['digest']}"
    )
    first, again = state_of(run_folder), state_of(second)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert untimed(second / "history.csv") == untimed(run_folder / "history.csv")
    assert told in done.stdout
    assert "prepared 0, reused " in done.stdout  # the store of the first run served the second
    assert not (second / "mlruns.db").exists()
    shutil.rmtree(second)  # checkpoints of 2 GB


def test_a_training_that_diverges_ends_with_a_short_message(cohort: Cohort, run_folder: Path) -> None:
    folder = run_folder.parent / "diverged"
    options = SMALL | {"num_epochs": "[1, 0]", "head_lr": 1e30, "encoder_lr": 1e30}
    done = bundle_run("train.yaml", datalist=cohort.datalist, output_dir=folder, **options)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stdout + done.stderr
    message = done.stderr[done.stderr.index("error: ") :].splitlines()
    assert len(message) == 4 and re.fullmatch(r"error: .* in epoch 1, batch [23] of 3", message[0]), message
    named = message[1].removeprefix("  participants of the batch: ").split(", ")
    participants = {record.participant_id for record in read_datalist(cohort.datalist).records("training")}
    assert len(named) == 4 and set(named) <= participants
    assert "terminating due to" not in done.stdout + done.stderr
    assert message[0].removeprefix("error: ") in (folder / "train.log").read_text(encoding="utf-8")
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["status"] == "failed"
    assert not list(folder.rglob("*.pt"))


def test_evaluation_predicts_each_test_participant_once(cohort: Cohort, run_folder: Path) -> None:
    done = bundle_run("evaluate.yaml", datalist=cohort.datalist, output_dir=run_folder)
    assert done.returncode == 0, done.stdout + done.stderr
    test = read_datalist(cohort.datalist).records("test")
    rows = rows_of(run_folder / "predictions.csv")
    assert [row["participant_id"] for row in rows] == [record.participant_id for record in test]
    assert all(float(row["probability_M"]) + float(row["probability_F"]) == pytest.approx(1) for row in rows)
    assert all(0 <= float(row["gate"]) <= 1 and row["segments"] == "2" for row in rows)
    metrics = json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["participants"] == len(test) and metrics["section"] == "test"
    Metrics.model_validate(metrics)
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert metrics["scores"]["accuracy"]["value"] == pytest.approx(right / len(rows))
    assert np.trace(metrics["confusion_matrix"]) == right and np.sum(metrics["confusion_matrix"]) == len(rows)
    assert metrics["classification_report"].keys() >= {"M", "F"}
    assert "confusion matrix" in done.stdout and metrics["headline"][0] in done.stdout
    assert all(warning in done.stdout + done.stderr for warning in metrics["warnings"])
    # 5 M and 6 F trained, drawn equally often: recalibrated, and then corrected to the cohort's shares.
    assert metrics["calibration"]["applied"] and metrics["calibration"]["target_prior"] == [5 / 11, 6 / 11]
    odds = [float(row["probability_F"]) / float(row["probability_M"]) for row in rows]
    network = [float(row["network_F"]) / float(row["network_M"]) for row in rows]
    slope, (of_m, of_f) = metrics["calibration"]["slope"], metrics["calibration"]["intercepts"]
    assert odds == pytest.approx([6 / 5 * each**slope * np.exp(of_f - of_m) for each in network])
    # Two segments each, eyes open and closed; each modality was taken away once.
    assert [each["condition"] for each in metrics["conditions"]] == ["EC", "EO"]
    assert all(float(row["network_F"]) > 0 and row["probability_F_in_EO"] and row["change_without_mri"] for row in rows)
    assert metrics["modalities"]["reference_participants"] == len(rows)
    for name, arrays in (("embeddings.npz", {"eeg", "mri", "fused"}), ("thumbnails.npz", {"eeg", "mri"})):
        with np.load(run_folder / name, allow_pickle=False) as stored:
            assert stored["participant_id"].tolist() == [record.participant_id for record in test]
            assert set(stored.files) == arrays | {"participant_id"}
    # The report can be made again, with the same bytes, where neither the recordings nor the model are.
    elsewhere = run_folder.parent / "elsewhere" / run_folder.name
    elsewhere.mkdir(parents=True)
    for name in (
        "predictions.csv",
        "metrics.json",
        "baseline.json",
        "embeddings.npz",
        "thumbnails.npz",
        "report_data.json",
        "recipe.json",
        "manifest.json",
    ):
        shutil.copy(run_folder / name, elsewhere)
    again = monai_fusion("report", elsewhere)
    assert again.returncode == 0 and str(elsewhere / "report.html") in again.stdout, again.stderr
    assert (elsewhere / "report.html").read_bytes() == (run_folder / "report.html").read_bytes()
    report = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "stage B" in report and all(f">{name}</th>" in report for name in ("training", "validation", "test"))


def test_inference_needs_no_labels_and_agrees_with_evaluation(cohort: Cohort, run_folder: Path) -> None:
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    participants = [{**row, "label": None} for row in content["test"]]
    unlabelled = cohort.datalist.with_name("new.json")
    del content["classes"]  # they are the model's
    unlabelled.write_text(json.dumps({**content, "training": [], "validation": [], "test": participants}))
    out = run_folder / "new"
    done = bundle_run("inference.yaml", datalist=unlabelled, model_dir=run_folder, output_dir=out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (out / "metrics.json").exists() and not (out / "report.html").exists()
    page = (out / "predictions.html").read_text(encoding="utf-8")
    assert "The model is &#34;first&#34;" in page and page.count("<img ") == 2 * len(participants)
    assert (out / "predictions.xlsx").read_bytes().startswith(b"PK")
    columns = ("participant_id", "probability_M", "probability_F", "predicted", "gate")
    new = [tuple(row[name] for name in columns) for row in rows_of(out / "predictions.csv")]
    options = {"datalist": cohort.datalist, "model_dir": run_folder}
    bundle_run("evaluate.yaml", **options, output_dir=out / "check")
    assert new == [tuple(row[name] for name in columns) for row in rows_of(out / "check" / "predictions.csv")]
    assert all(row["label"] == "" for row in rows_of(out / "predictions.csv"))
    prior, point = "[0.9, 0.1]", "0.05"
    bundle_run("evaluate.yaml", **options, output_dir=out / "rare", target_prior=prior, operating_point=point)
    metrics = json.loads((out / "rare" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["calibration"]["target_prior"] == [0.9, 0.1] and metrics["calibration"]["threshold"] == 0.05
    done = bundle_run("inference.yaml", **options, output_dir=out / "own", calibrate="false", operating_point="youden")
    assert (
        done.returncode == 2 and "--operating_point: 'youden': it has no effect with --calibrate false" in done.stderr
    )


def test_a_training_leaves_the_profile_of_its_recordings_and_a_prediction_names_what_differs(
    cohort: Cohort, run_folder: Path, tmp_path: Path
) -> None:
    profile = json.loads((run_folder / "cohort_profile.json").read_text(encoding="utf-8"))
    records = read_datalist(cohort.datalist)
    assert profile["participants"] == profile["with_eeg"] == len(records.records("training"))
    assert not any(record.participant_id in json.dumps(profile) for record in records.records("training"))
    changed, usual = records.records("test")[:2]
    rows = []
    for record, factor in ((changed, 1e6), (usual, 1)):
        names = [f"{record.participant_id}_EO_seg{place}.npy" for place, _ in enumerate(record.eeg)]
        for name, path in zip(names, record.eeg, strict=True):
            np.save(tmp_path / name, (factor * np.load(path)).astype(np.float32))
        assert record.mri is not None
        shutil.copy(record.mri, tmp_path)
        rows.append({"participant_id": record.participant_id, "label": None, "eeg": names, "mri": record.mri.name})
    new = write_datalist(tmp_path / "new.json", {"training": [], "validation": [], "test": rows})
    done = bundle_run("inference.yaml", datalist=new, model_dir=run_folder, output_dir=tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = rows_of(tmp_path / "out" / "predictions.csv")
    assert "EEG amplitude: " in first["unlike_training"] and "(volts and microvolts?)" in first["unlike_training"]
    assert "EEG amplitude: " not in second["unlike_training"]
    assert "unlike the training's" in done.stdout + done.stderr
    assert "(volts and microvolts?)" in (tmp_path / "out" / "predictions.html").read_text(encoding="utf-8")
    earlier = tmp_path / "earlier"  # a model of a version without profiles
    shutil.copytree(run_folder, earlier, ignore=shutil.ignore_patterns("cohort_profile.json", "checkpoints", "new"))
    done = bundle_run("inference.yaml", datalist=new, model_dir=earlier, output_dir=tmp_path / "again")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("the model has no cohort_profile.json") == 1
    assert "unlike_training" not in rows_of(tmp_path / "again" / "predictions.csv")[0]


def test_prediction_sets_of_few_validation_participants_hold_all_classes_and_say_so(
    cohort: Cohort, run_folder: Path, tmp_path: Path
) -> None:
    options = {"datalist": cohort.datalist, "model_dir": run_folder, "coverage": 0.9}
    done = bundle_run("evaluate.yaml", **options, output_dir=tmp_path / "out", baseline="false")
    assert done.returncode == 0, done.stdout + done.stderr
    known = json.loads((run_folder / "calibration.json").read_text(encoding="utf-8"))["predictions"]
    assert len(known) < 9 and all(len(row["others"]) == 2 and row["others_score"] > 0 for row in known)
    assert f"{len(known)} validation participant" in done.stderr + done.stdout
    assert "needs 9: every prediction set holds all classes" in done.stderr + done.stdout
    assert "prediction sets for a coverage of 0.9: 100 % hold the true class" in done.stderr + done.stdout
    assert {row["prediction_set"] for row in rows_of(tmp_path / "out" / "predictions.csv")} == {"M | F"}
    found = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))["prediction_sets"]
    assert found["undecided"] == 1 and found["calibration_participants"] == len(known)
    assert "Prediction sets" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_permuting_the_electrodes_changes_a_trained_networks_logits(run_folder: Path) -> None:
    network = standard_network(pretrained=False)
    network.load_state_dict(state_of(run_folder))
    network.eval()
    generator = torch.Generator().manual_seed(0)
    eeg, mri = torch.randn(1, 17, *EEG_SIZE[:2], generator=generator), torch.rand(1, 1, 16, 24, 24, generator=generator)
    with torch.no_grad():
        straight = network(eeg, mri)["logits"]
        permuted = network(eeg.flip(1), mri)["logits"]
        # The untrained stem has one filter for all electrodes and cannot tell: the difference is what training made.
        untrained = standard_network(pretrained=False).eval()
        unmoved = (untrained(eeg, mri)["logits"] - untrained(eeg.flip(1), mri)["logits"]).abs().max()
    assert (straight - permuted).abs().max() > 100 * unmoved


def test_a_second_training_does_not_overwrite_the_first_by_accident(cohort: Cohort, run_folder: Path) -> None:
    before = (run_folder / "model.pt").stat().st_mtime_ns
    done = bundle_run("train.yaml", datalist=cohort.datalist, output_dir=run_folder, **SMALL)
    assert done.returncode == 2
    assert "--overwrite true" in done.stderr and "Traceback" not in done.stderr
    assert (run_folder / "model.pt").stat().st_mtime_ns == before


def test_predict_is_the_inference_of_the_bundle_for_any_folder_names(
    cohort: Cohort, run_folder: Path, tmp_path: Path
) -> None:
    plain = bundle_run("inference.yaml", datalist=cohort.datalist, model_dir=run_folder, output_dir=tmp_path / "plain")
    assert plain.returncode == 0, plain.stdout + plain.stderr
    folder = tmp_path / "a,b #2 @home"
    short = monai_fusion("predict", run_folder, "--datalist", cohort.datalist, "--output_dir", folder)
    assert short.returncode == 0, short.stdout + short.stderr
    assert short.stdout.startswith("python -m monai.bundle run --config_file ")
    assert (folder / "predictions.csv").read_bytes() == (tmp_path / "plain" / "predictions.csv").read_bytes()


def test_a_prediction_loses_what_a_damaged_and_a_lost_file_hold_and_a_repair_predicts_only_that(
    cohort: Cohort, run_folder: Path, tmp_path: Path
) -> None:
    content = json.loads(cohort.datalist.read_text(encoding="utf-8"))
    rows = [{**row, "label": None} for row in content["validation"] + content["test"]]
    (tmp_path / "data").mkdir()
    for folder in ("eeg", "mri"):
        shutil.copytree(cohort.folder / folder, tmp_path / "data" / folder)
    datalist = tmp_path / "data" / "new.json"
    datalist.write_text(json.dumps({"data_root": ".", "test": rows}), encoding="utf-8")
    damaged = tmp_path / "data" / rows[1]["mri"]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:5000])
    lost = damaged.with_name(Path(rows[0]["mri"]).name)
    lost.rename(tmp_path / "moved")
    torn = sorted(tmp_path.joinpath("data").glob(rows[2]["eeg"]))[0]
    segment = torn.read_bytes()
    torn.write_bytes(segment[:500])
    out = tmp_path / "out"
    words = ("predict", run_folder, "--datalist", datalist, "--output_dir", out, "--device", "cpu")
    done = monai_fusion(*words)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert f"error: 2 of {len(rows)} participants could not be predicted" in done.stderr
    assert "1 participant cannot be predicted, recordings are not there" in done.stdout + done.stderr
    table = rows_of(out / "predictions.csv")
    assert [bool(row["error"]) for row in table] == [place < 2 for place in range(len(rows))]
    assert [bool(row["not_used"]) for row in table] == [place == 2 for place in range(len(rows))]
    assert torn.name in table[2]["not_used"] and f"1 of {len(rows)} participants predicted without" in done.stderr
    assert table[0]["error"] == f'mri: there is no file "{rows[0]["mri"]}"'
    assert table[1]["predicted"] == "" and damaged.name in table[1]["error"]
    page = (out / "predictions.html").read_text(encoding="utf-8")
    assert "Could not be predicted" in page and page.count(damaged.name) == page.count(torn.name) == 1
    damaged.write_bytes(whole)
    torn.write_bytes(segment)
    (tmp_path / "moved").rename(lost)
    again = monai_fusion(*words)
    assert again.returncode == 0, again.stderr
    assert f"{len(rows) - 3} of them in an earlier run" in again.stdout + again.stderr
    assert rows_of(out / "predictions.csv")[3:] == table[3:]
