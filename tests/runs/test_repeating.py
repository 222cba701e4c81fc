"""A training is repeated from its manifest, of which nothing is ever executed."""

import copy
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_fusion.errors import InputError
from monai_fusion.runs.manifest import config_digest
from monai_fusion.runs.matching import compare, environment_differences, same_weights
from monai_fusion.runs.repeating import RerunOptions, plan_rerun, read_manifest
from monai_fusion.workflow import CommandLine
from tests.support import BUNDLE_CONFIGS

BUNDLE = BUNDLE_CONFIGS.parent
ROW = {"epoch": 1, "stage": "A", "train_loss": 0.5, "cross_entropy": 0.25, "data_wait": 0.1, "seconds": 3.0}


def manifest_in(folder: Path, **overrides: Any) -> dict[str, Any]:
    """The manifest of a finished training that was started in a folder, with a datalist there."""
    (folder / "list.json").write_text("{}", encoding="utf-8")
    train = {"path": "elsewhere\\configs\\train.yaml", "digest": config_digest(BUNDLE_CONFIGS / "train.yaml")}
    return {
        "manifest": 1,
        "status": "finished",
        "command": {
            "folder": str(folder),
            "config_files": [train],
            "overrides": {"datalist": "list.json", "output_dir": "runs/first", "overwrite": "true", **overrides},
            "options": {"tracking": "mlflow"},
        },
        "versions": {"torch": "0.0"},
        "data": {"training": {"digest": "aa"}},
        "epochs": [ROW, {**ROW, "epoch": 2}],
        "weights": {"digest": "11", "parts": {"eeg_enc": "1", "mri_enc": "2", "head": "3"}},
    }


def write(folder: Path, content: object) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def planned(content: Mapping[str, Any], folder: Path, **options: Any) -> CommandLine:
    """The options that the bundle would read from the command line of a rerun."""
    found = plan_rerun(content, folder / "manifest.json", RerunOptions(**{"bundle_root": BUNDLE, **options}))
    assert found.command[:4] == (sys.executable, "-m", "monai.bundle", "run")
    command = CommandLine.parse(["bundle/__main__.py", "run", *found.command[4:]])
    assert command is not None
    return command


def test_what_two_processes_trained_two_train_again(tmp_path: Path) -> None:
    content = manifest_in(tmp_path) | {"processes": {"count": 2, "machines": 1}, "hardware": {"threads": 3}}
    one = plan_rerun(manifest_in(tmp_path), tmp_path, RerunOptions(bundle_root=BUNDLE))
    two = plan_rerun(content, tmp_path, RerunOptions(bundle_root=BUNDLE))
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    assert two.command == (sys.executable, *launcher, *one.command[1:])
    assert (one.environment, two.environment) == ({}, {"OMP_NUM_THREADS": "3"})


def test_processes_on_several_machines_are_refused_with_the_command_for_them(tmp_path: Path) -> None:
    content = manifest_in(tmp_path) | {"processes": {"count": 8, "machines": 2}}
    message = refused(content, tmp_path)
    start = "processes: 8 on 2 machines, expected one machine: start them on the same number: "
    assert f"{start}torchrun --nnodes=2 --nproc_per_node=4 -m monai.bundle run --config_file " in message


def test_a_manifest_starts_no_more_processes_than_there_are_cores(tmp_path: Path) -> None:
    content = manifest_in(tmp_path) | {"processes": {"count": 100_000, "machines": 1}}
    assert "processes: 100000 on 1 machine, expected at most" in refused(content, tmp_path)
    for wrong in ({}, None, {"count": "2; rm", "machines": 1}, {"count": 0, "machines": 1}, {"count": True}):
        path = write(tmp_path, manifest_in(tmp_path) | {"processes": wrong})
        with pytest.raises(InputError, match="another type"):
            read_manifest(path)


def refused(content: Mapping[str, Any], folder: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        planned(content, folder, **options)
    return str(caught.value)


def test_the_same_configs_run_with_the_same_values_into_a_new_folder(tmp_path: Path) -> None:
    content = manifest_in(
        tmp_path, batch_size=3, num_epochs=[1, 1], pretrained="false", head_lr=1e-5, cache_dir="$None"
    )
    command = planned(content, tmp_path)
    assert command.config_files == (str(BUNDLE_CONFIGS / "train.yaml"),)
    assert command.overrides == {
        **{"batch_size": 3, "num_epochs": [1, 1], "pretrained": "false", "head_lr": 1e-5, "cache_dir": "$None"},
        "bundle_root": str(BUNDLE),
        "datalist": str(tmp_path / "list.json"),
        "output_dir": str(tmp_path.with_name(f"{tmp_path.name}-rerun")),
    }
    assert not command.options  # a rerun is not tracked


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@settings(max_examples=40, deadline=None)
@given(st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)))
def test_a_value_arrives_as_it_was_or_is_refused_as_code(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = manifest_in(folder, eeg_shape=value)
    try:
        command = planned(content, folder)
    except InputError as error:
        assert "this is code" in str(error)
    else:
        assert command.overrides.get("eeg_shape") == value


@pytest.mark.parametrize(
    "overrides",
    [
        {"device": "$__import__('os').system('echo gone')"},
        {"device": "@seed"},
        {"device": "%/tmp/evil.yaml#run"},
        {"device": " $1"},
        {"loss": {"_target_": "os.system", "command": "echo gone"}},
        {"stage_blocks": [{"eeg": ["$exit()"]}]},
        {"loss#_target_": "os.system"},
        {"train::trainer::_mode_": "callable"},
    ],
)
def test_code_in_a_manifest_is_shown_and_not_run(overrides: dict[str, Any], tmp_path: Path) -> None:
    content = manifest_in(tmp_path, **overrides)
    message = refused(content, tmp_path)
    assert "this is code" in message and f"--{next(iter(overrides))}" in message and "--allow-expressions" in message
    planned(content, tmp_path, allow_expressions=True)


def test_a_config_is_taken_from_the_own_bundle_and_must_be_unchanged(tmp_path: Path) -> None:
    content = manifest_in(tmp_path)
    (evil,) = content["command"]["config_files"]
    planted = tmp_path / "evil" / "train.yaml"
    planted.parent.mkdir()
    planted.write_text("run: [$exit()]\n", encoding="utf-8")
    evil.update(path=str(planted), digest=config_digest(planted))
    assert "its content differs from the original run" in refused(content, tmp_path)
    changed = planned(content, tmp_path, changed_config=True)
    assert changed.config_files == (str(BUNDLE_CONFIGS / "train.yaml"),)  # still the own one


def test_an_overlay_outside_the_bundle_must_be_named(tmp_path: Path) -> None:
    content = manifest_in(tmp_path)
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("batch_size: 2\n", encoding="utf-8")
    content["command"]["config_files"].append({"path": "mine.yaml", "digest": config_digest(overlay)})
    assert "mine.yaml: not in" in refused(content, tmp_path)
    assert planned(content, tmp_path, config_files=[overlay]).config_files[1] == str(overlay)


def test_a_datalist_that_moved_is_asked_for(tmp_path: Path) -> None:
    content = manifest_in(tmp_path)
    moved = (tmp_path / "list.json").rename(tmp_path / "moved.json")
    assert "--datalist PATH" in refused(content, tmp_path)
    assert planned(content, tmp_path, datalist=moved).overrides["datalist"] == str(moved)


def test_prepared_recordings_are_used_again_where_they_are_still_there(tmp_path: Path) -> None:
    store = tmp_path / "preprocessed"
    content = {**manifest_in(tmp_path), "knobs": {"cache_dir": str(store)}}
    assert "cache_dir" not in planned(content, tmp_path).overrides
    store.mkdir()
    assert planned(content, tmp_path).overrides["cache_dir"] == str(store)


def test_options_that_choose_other_code_are_refused(tmp_path: Path) -> None:
    content = manifest_in(tmp_path)
    content["command"]["options"] = {"logging_file": "evil.conf", "run_id": "evil"}
    message = refused(content, tmp_path)
    assert "--logging_file" in message and "--run_id" in message


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "a manifest.json"),
        ("{", "not JSON"),
        ([], "not a manifest"),
        ({"manifest": 2}, "not a manifest"),
        ({"manifest": 1, "status": "stopped"}, "--resume true"),
        ({"manifest": 1, "status": "finished", "command": None}, "no command to repeat"),
        ({"manifest": 1, "status": "finished", "command": {}}, "was it edited?"),
    ],
)
def test_anything_but_a_finished_manifest_is_refused(content: object, text: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    assert text in str(caught.value) and str(path) in str(caught.value)


def test_a_manifest_may_be_named_by_its_folder(tmp_path: Path) -> None:
    content = manifest_in(tmp_path)
    write(tmp_path, content)
    assert read_manifest(tmp_path) == content


def test_equal_weights_are_identical(tmp_path: Path) -> None:
    then, now = manifest_in(tmp_path), manifest_in(tmp_path)
    now["epochs"] = [{**row, "seconds": 99, "data_wait": 0.9} for row in now["epochs"]]
    assert same_weights(then, now)
    assert compare(then, now) == ["identical: the weights have the same digest, 11"]


def test_other_weights_come_with_how_far_and_why(tmp_path: Path) -> None:
    then = manifest_in(tmp_path)
    now = copy.deepcopy(then)
    now["weights"] = {"digest": "22", "parts": {"eeg_enc": "1", "mri_enc": "9", "head": "9"}}
    now["epochs"][0]["train_loss"], now["epochs"][1]["train_loss"] = 0.5 + 1e-6, 0.75
    now["epochs"][1]["cross_entropy"] = "nan"
    assert not same_weights(then, now)
    lines = compare(then, now)
    assert lines == [
        "not identical: the weights differ (mri_enc, head)",
        "  train_loss: differs by at most 0.25 (epoch 2); by epoch 1: 1.0e-06, 2: 2.5e-01",
        "  cross_entropy: differs by at most inf (epoch 2); by epoch 2: inf",
        "nothing else differs: some kernel of this device or precision does not repeat exactly",
    ]
    now["versions"]["torch"], now["data"]["training"]["digest"] = "2.16.0", "bb"
    assert compare(then, now)[3:] == [
        "what else differs:",
        "  versions torch: '0.0' then, '2.16.0' now",
        "  data training digest: 'aa' then, 'bb' now",
    ]
    assert environment_differences(then, {"versions": {"torch": "0.0"}}) == []
