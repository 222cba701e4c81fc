"""``manifest.json`` records the inputs and the results of a run, as data."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser

from monai_fusion.datalist import Datalist, ParticipantRecord
from monai_fusion.errors import RunFailed
from monai_fusion.fingerprint import content_hash, digest_of
from monai_fusion.run_folder import MODEL_FILE
from monai_fusion.runs import RunManifest
from monai_fusion.runs.environment import git_revision, hardware, versions
from monai_fusion.runs.manifest import config_digest
from monai_fusion.runs.resolved import RunConfig, knobs_of, merged_config, parser_of
from monai_fusion.runs.run_digests import data_digests, weights_digests
from monai_fusion.store.stored_chain import layout_folder
from monai_fusion.workflow import CommandLine, prepare
from tests.support import BUNDLE_CONFIGS, write_scalogram
from tests.workflow.test_preparation import over

ENTRY = "/somewhere/site-packages/monai/bundle/__main__.py"
TRAIN, DEMO = str(BUNDLE_CONFIGS / "train.yaml"), str(BUNDLE_CONFIGS / "demo.yaml")


CHAIN = [{"class": "Load", "parameters": {"keys": ["mri"] * 60}}]
IDENTITY = {
    **{"seed": 7, "num_epochs": [1, 1], "files": {"eeg_weights": None}},
    **{"participants": {"sub-00": {"label": "M"}}, "mri_preprocessing": CHAIN},
}


@pytest.fixture
def cohort(tiny_records: Sequence[ParticipantRecord], tmp_path: Path) -> Datalist:
    path = tmp_path / "list.json"
    path.write_text("{}", encoding="utf-8")
    sections = {"training": tuple(tiny_records[:3]), "test": tuple(tiny_records[3:])}
    return Datalist(path, "tiny", "gender", ("M", "F"), tmp_path, sections)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """What a training of two epochs leaves, the second one kept."""
    folder = tmp_path / "run"
    folder.mkdir()
    rows = ["epoch,stage,train_loss,gate,cross_entropy,seconds", "1,A,0.7,0.5,nan,3.5", "2,B,0.6,0.5,0.25,4"]
    (folder / "history.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    torch.save({"eeg_enc.w": torch.ones(2), "mri_enc.w": torch.ones(3), "head.w": torch.ones(1)}, folder / MODEL_FILE)
    return folder


def manifest_of(folder: Path, cohort: Datalist, cache_dir: Path | None = None, resume: bool = False) -> RunManifest:
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.best_metric_epoch = 2
    command = CommandLine.parse(sys.argv)
    run_config = RunConfig(parser_of(command) if command else ConfigParser({"device": "cpu", "seed": 7}))
    return RunManifest(folder, cohort, cache_dir, run_config, IDENTITY, evaluator, resume=resume)


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_a_finished_training_is_described_from_start_to_end(run_folder: Path, cohort: Datalist) -> None:
    manifest = manifest_of(run_folder, cohort)
    manifest.begin()
    started = read(run_folder)
    assert started["status"] == "running" and started["times"]["ended"] is None and started["weights"] is None
    manifest.finish(Engine(lambda engine, batch: None), None)
    content = read(run_folder)
    assert content["status"] == "finished" and content["times"]["ended"] >= content["times"]["started"]
    assert [row["seconds"] for row in content["epochs"]] == [3.5, 4]
    assert content["epochs"][0]["cross_entropy"] == "nan"  # JSON has no such number
    assert content["best"]["epoch"] == 2 and content["best"]["cross_entropy"] == 0.25
    assert content["weights"]["digest"] == weights_digests(run_folder / MODEL_FILE, ())["digest"]
    assert content["weights"]["parts"].keys() == {"eeg_enc", "mri_enc", "head"}
    assert content["datalist"] == {"name": "tiny", "digest": content_hash(cohort.path)}
    assert content["seed"] == 7
    assert content["identity"] == {
        **{"seed": 7, "num_epochs": [1, 1], "files": {"eeg_weights": None}},
        **{"participants": digest_of(IDENTITY["participants"]), "mri_preprocessing": digest_of(CHAIN)},
    }
    assert content["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert content["hardware"]["cores"] >= 1 and content["hardware"]["memory"] > 2**28
    assert content["command"] is None  # it was not called by `python -m monai.bundle run`
    assert not [record.participant_id for record in cohort.records("training") if record.participant_id in str(content)]


def test_a_stopped_and_a_failed_training_are_recorded_as_such(run_folder: Path, cohort: Datalist) -> None:
    stopped = Engine(lambda engine, batch: None)
    stopped.state.stopped_by = signal.SIGTERM  # as GracefulStop notes it
    out_of_time = Engine(lambda engine, batch: None)
    out_of_time.state.out_of_time = True  # as TimeLimit notes it
    for engine, error, status in (
        (stopped, None, "stopped"),
        (out_of_time, None, "stopped"),
        (Engine(lambda engine, batch: None), KeyboardInterrupt(), "stopped"),
        (Engine(lambda engine, batch: None), ValueError("sub-01 is no good"), "failed"),
    ):
        manifest = manifest_of(run_folder, cohort)
        manifest.begin()
        manifest.finish(engine, error)
        assert read(run_folder)["status"] == status
    assert read(run_folder)["failure"] == "ValueError"
    manifest.begin()
    manifest.finish(Engine(lambda engine, batch: None), RunFailed("the loss is nan", "participants: sub-01"))
    assert read(run_folder)["failure"] == "the loss is nan"


def test_a_resumed_training_keeps_its_start_and_a_finished_one_its_manifest(run_folder: Path, cohort: Datalist) -> None:
    manifest_of(run_folder, cohort).begin()  # and then it is killed
    path = run_folder / "manifest.json"
    earlier = path.read_text(encoding="utf-8").replace(read(run_folder)["times"]["started"], "2026-01-01T00:00:00")
    path.write_text(earlier, encoding="utf-8")
    resumed = manifest_of(run_folder, cohort, resume=True)
    resumed.begin()
    resumed.finish(Engine(lambda engine, batch: None), None)
    content = read(run_folder)
    assert content["times"]["started"] == "2026-01-01T00:00:00" and len(content["times"]["resumed"]) == 1
    before = path.read_bytes()
    again = manifest_of(run_folder, cohort, resume=True)
    again.begin()
    again.finish(Engine(lambda engine, batch: None), None)
    assert path.read_bytes() == before


def test_a_resumed_training_keeps_the_count_of_evaluations(run_folder: Path, cohort: Datalist) -> None:
    manifest_of(run_folder, cohort).begin()
    path = run_folder / "manifest.json"
    path.write_text(json.dumps({**read(run_folder), "evaluations": [1]}), encoding="utf-8")
    resumed = manifest_of(run_folder, cohort, resume=True)
    resumed.begin()
    path.write_text(json.dumps({**read(run_folder), "evaluations": [1, 2]}), encoding="utf-8")  # while it trains
    resumed.finish(Engine(lambda engine, batch: None), None)
    assert read(run_folder)["evaluations"] == [1, 2]
    manifest_of(run_folder, cohort).begin()  # another training in its place
    assert "evaluations" not in read(run_folder)


def test_a_finished_training_that_trained_again_has_the_digest_of_its_new_model(
    run_folder: Path, cohort: Datalist
) -> None:
    """As when its checkpoints are gone: `--resume true` starts from the beginning."""
    first = manifest_of(run_folder, cohort)
    first.begin()
    first.finish(Engine(lambda engine, batch: None), None)
    before = read(run_folder)
    again = manifest_of(run_folder, cohort, resume=True)
    again.begin()
    torch.save({"eeg_enc.w": torch.zeros(2), "head.w": torch.ones(1)}, run_folder / MODEL_FILE)
    again.evaluator.state.iteration = 3
    again.finish(Engine(lambda engine, batch: None), None)
    content = read(run_folder)
    assert content["status"] == "finished" and content["times"]["started"] == before["times"]["started"]
    assert content["weights"]["digest"] == weights_digests(run_folder / MODEL_FILE, ())["digest"]
    assert content["weights"]["digest"] != before["weights"]["digest"]


def test_a_model_that_cannot_be_read_leaves_no_digest_of_an_earlier_one(run_folder: Path, cohort: Datalist) -> None:
    stopped = Engine(lambda engine, batch: None)
    stopped.state.stopped_by = signal.SIGTERM
    first = manifest_of(run_folder, cohort)
    first.begin()
    first.finish(stopped, None)
    assert read(run_folder)["weights"] is not None
    again = manifest_of(run_folder, cohort, resume=True)
    again.begin()
    (run_folder / MODEL_FILE).write_bytes(b"cut")
    again.finish(Engine(lambda engine, batch: None), None)
    assert read(run_folder)["weights"] is None


def test_the_command_is_kept_with_digests_of_its_configs(
    run_folder: Path, cohort: Datalist, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--config_file", f"['{TRAIN}','{DEMO}']", "--batch_size", "3", "--pretrained", "false", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", [ENTRY, "run", *words, "--tracking", "mlflow", "--output_dir", str(run_folder)])
    manifest_of(run_folder, cohort).begin()
    content = read(run_folder)
    command = content["command"]
    assert command["argv"][:4] == ["python", "-m", "monai.bundle", "run"] and command["argv"][4:8] == words[:4]
    assert command["config_files"] == [{"path": path, "digest": config_digest(path)} for path in (TRAIN, DEMO)]
    assert command["overrides"] == {
        **{"batch_size": 3, "pretrained": "false", "device": "cpu"},
        "output_dir": str(run_folder),
    }
    assert command["options"] == {"tracking": "mlflow"} and command["folder"] == str(Path.cwd())
    assert content["knobs"]["batch_size"] == 3 and content["knobs"]["pretrained"] is False
    assert content["knobs"]["num_epochs"] == [5, 3]  # of the overlay
    assert content["config"]["batch_size"] == 3
    assert content["config"]["run_name"].startswith("$")  # text, as it stands there


def test_knobs_are_resolved_and_what_builds_or_runs_something_is_not(tmp_path: Path) -> None:
    seen = tmp_path / "ran"
    config = tmp_path / "own.yaml"
    config.write_text(
        "imports: [$import os]\n"
        "a: 2\n"
        "b: $@a * 3\n"
        "c: {deep: ['@b', text]}\n"
        "built: {_target_: torch.nn.Linear, in_features: 1, out_features: 1}\n"
        "uses_built: $@built.weight\n"
        f"initialize: [\"$open('{seen.as_posix()}', 'w')\"]\n"
        f"run: [\"$open('{seen.as_posix()}', 'w')\"]\n",
        encoding="utf-8",
    )
    command = CommandLine((str(config),), {"a": 5})
    assert knobs_of(parser_of(command)) == {"a": 5, "b": 15, "c": {"deep": [15, "text"]}}
    assert merged_config(command)["b"] == "$@a * 3" and not seen.exists()


def test_every_knob_of_the_shipped_config_is_resolved() -> None:
    text = Path(TRAIN).read_text(encoding="utf-8").split("# ---- the parts")[0]
    knobs = {line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()}
    found = knobs_of(parser_of(CommandLine((TRAIN,), {"datalist": "a.json", "output_dir": "runs/x"})))
    assert knobs <= found.keys()
    unresolved = [name for name, value in found.items() if isinstance(value, str) and value[:1] in ("$", "@")]
    assert not unresolved
    assert found["run_name"] == "x" and found["tracking_uri"].endswith("/runs/x/mlruns.db")


@pytest.mark.parametrize(("typed", "resolved"), [("latest", True), ("true", True), ("False", False)])
def test_a_switch_is_recorded_as_its_meaning(typed: str, resolved: bool) -> None:
    overrides = {"datalist": "a.json", "output_dir": "runs/x", "resume": typed, "pretrained": "no"}
    found = knobs_of(parser_of(CommandLine((TRAIN,), overrides)))
    assert (found["resume"], found["pretrained"]) == (resolved, False)


def test_a_configs_digest_is_that_of_its_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_bytes(b"a: 1  # one\nb: two\n")
    second.write_bytes(b"# another comment, and line ends of Windows\r\nb: two\r\na: 1\r\n")
    assert config_digest(first) == config_digest(second)
    second.write_bytes(b"a: 2\nb: two\n")
    assert config_digest(first) != config_digest(second)


def test_data_digests_follow_the_contents_not_the_names(cohort: Datalist, tmp_path: Path) -> None:
    store = tmp_path / "store"
    prepare(cohort, ["training", "test"], over(store))
    first = data_digests(cohort, store)
    assert first["training"].items() >= {"participants": 3, "files": 9}.items()
    record = cohort.records("test")[0]
    segment = record.eeg[0]
    moved = segment.rename(segment.with_name(f"{segment.stem}_renamed.npy"))
    renamed = Datalist(
        **{
            **{name: getattr(cohort, name) for name in ("path", "name", "target", "classes", "data_root")},
            "by_section": {
                **cohort.by_section,
                "test": (type(record)(**{**vars_of(record), "eeg": (moved, *record.eeg[1:])}),),
            },
        }
    )
    assert data_digests(renamed, store) == first
    write_scalogram(moved, 999)
    other = data_digests(renamed, store)
    assert other["training"] == first["training"] and other["test"]["digest"] != first["test"]["digest"]


def vars_of(record: ParticipantRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def test_known_files_are_not_read_again_for_the_digest(
    cohort: Datalist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_fusion.store.stamps.SETTLED_AFTER_NS", -(10**12))  # no file is too young
    store = tmp_path / "store"
    prepare(cohort, ["training", "test"], over(store))
    assert layout_folder(store).exists()
    first = data_digests(cohort, store)
    read: list[Path] = []
    monkeypatch.setattr("monai_fusion.store.file_index.content_hash", lambda path: read.append(Path(path)) or "read")
    assert data_digests(cohort, store) == first and read == []
    changed = cohort.records("test")[0].mri
    assert changed is not None
    changed.write_bytes(bytes(changed.stat().st_size + 1))
    assert data_digests(cohort, store) != first and read == [changed]


@pytest.mark.parametrize(
    "changed",
    [
        {"head.w": torch.ones(1, dtype=torch.float64)},
        {"head.w": torch.ones(1, 1)},
        {"head.w": torch.nextafter(torch.ones(1), torch.zeros(1))},
        {"head.v": torch.ones(1)},
    ],
    ids=["type", "shape", "last bit", "name"],
)
def test_weights_digests_see_every_difference(changed: dict[str, torch.Tensor], tmp_path: Path) -> None:
    common = {
        "eeg_enc.w": torch.arange(6.0).view(2, 3).t(),
        "eeg_enc.n": torch.tensor(3),
        "b.x": torch.ones(2).bfloat16(),
    }
    torch.save({**common, "head.w": torch.ones(1)}, tmp_path / "a.pt")
    torch.save({"head.w": torch.ones(1), **common}, tmp_path / "same.pt")  # in another order
    torch.save({**common, **changed}, tmp_path / "b.pt")
    first, same, other = (weights_digests(tmp_path / f"{name}.pt", ("eeg_enc", "head")) for name in ("a", "same", "b"))
    assert first == same
    assert first["digest"] != other["digest"]
    assert first["parts"]["eeg_enc"] == other["parts"]["eeg_enc"]
    assert first["parts"]["head"] != other["parts"]["head"]


def test_the_surroundings_are_described_in_jsons_types() -> None:
    described = {"versions": versions(), "git": git_revision(), "hardware": hardware("cpu")}
    assert json.loads(json.dumps(described)) == described
    assert described["hardware"]["cpu"] and described["versions"]["python"].startswith("3.")
    if described["git"] is not None:
        assert len(described["git"]["revision"]) == 40
