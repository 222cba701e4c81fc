"""What is read of the command line is what `fire` gives MONAI, and what no config defines is refused."""

import inspect
import json
from collections.abc import Callable
from functools import wraps
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import Any

import fire
import pytest
from monai.bundle import ConfigParser
from monai.bundle import run as bundle_run

from monai_fusion.errors import InputError
from monai_fusion.options import command_line
from monai_fusion.options.configs import load_configs
from monai_fusion.workflow import CommandLine, as_bool, as_resume, check_overrides
from monai_fusion.workflow.components import component_arguments
from tests.support import BUNDLE_CONFIGS

ENTRY = "/somewhere/site-packages/monai/bundle/__main__.py"
TRAIN = str(BUNDLE_CONFIGS / "train.yaml")


def parse(*words: str) -> CommandLine:
    command = CommandLine.parse([ENTRY, "run", *words])
    assert command is not None
    return command


def as_fire_reads(words: list[str]) -> dict[str, Any]:
    """What a function with the signature of `monai.bundle.run` is really called with."""
    found: dict[str, Any] = {}

    @wraps(bundle_run)
    def run(*args: Any, **kwargs: Any) -> None:
        bound = inspect.signature(bundle_run).bind(*args, **kwargs)
        found.update({name: value for name, value in bound.arguments.items() if name != "override"})
        found.update(bound.arguments.get("override", {}))

    entry: Callable[..., None] = run
    fire.Fire({"run": entry}, command=["run", *words])
    return {name: value for name, value in found.items() if value is not None or name not in RUN_OPTIONS}


RUN_OPTIONS = inspect.signature(bundle_run).parameters

VALUES = [
    *(
        "8",
        "-1",
        "1.0e-4",
        "1e-4",
        "1_000",
        "0x10",
        "0042",
        "1.5.2",
        "2024-01-01",
        "true",
        "True",
        "None",
        "null",
        "''",
    ),
    *("[15, 10]", "[15,10", "(1,2)", "1,2", "[stage3, stage4]", "{eeg: [stage3], mri: []}", "{'a': None}"),
    *(
        "runs/first",
        "C:\\cohort\\list.json",
        "a b",
        "'quoted'",
        '"2024"',
        "$@seed + 1",
        "@seed",
        "%x.yaml#a",
        "a#b",
        "",
    ),
    *("['a.yaml', 'b.yaml']", "a.yaml,b.yaml", "x=y", "1+2j", "3+4", "cuda:0", "(", "ü", ""),
]


def test_the_options_of_monai_are_those_of_its_own_function() -> None:
    assert set(RUN_OPTIONS) - {"override"} == command_line.RUN_OPTIONS


@pytest.mark.parametrize("value", VALUES)
def test_values_are_read_as_fire_reads_them(value: str) -> None:
    for words in (["--option", value], [f"--option={value}"]):
        expected = as_fire_reads(words)
        assert expected.keys() == {"option"}
        assert parse(*words).overrides == expected
        assert type(parse(*words).overrides["option"]) is type(expected["option"])


SPELLINGS = [
    ["--batch_size", "8"],
    ["--batch_size=8"],
    ["--batch-size", "8"],
    ["-batch_size", "8"],
    ["-b", "8"],
    ["-b=8"],
    ["--overwrite"],
    ["--overwrite", "--seed", "5"],
    ["--seed", "-5", "--overwrite"],
    ["--nopretrained"],
    ["--nopretrained", "--seed", "5"],
    ["--normalize", "3"],
    ["--seed", "5", "--seed", "6"],
    ["--train#trainer#max_epochs", "3"],
    ["--train#trainer#max-epochs=3"],
    ["--a", "x=y", "--b=x=y"],
    ["training", "--seed", "5"],
    ["--run_id", "training", "--init-id", "start", "--seed=5"],
    ["--seed", "5", "--", "--verbose"],
]


@pytest.mark.parametrize("words", SPELLINGS, ids=" ".join)
def test_options_are_found_where_fire_finds_them(words: list[str]) -> None:
    expected = {name: value for name, value in as_fire_reads(words).items() if name not in RUN_OPTIONS}
    assert parse(*words).overrides == expected


def test_the_options_of_monai_itself_are_not_overrides() -> None:
    command = parse(
        *("--config_file", TRAIN, "--meta_file=m.json", "--logging_file", "l.conf", "--tracking", "mlflow"),
        *("--bundle_root", "here"),
    )
    assert command.overrides == {"bundle_root": "here"}


def test_config_files_are_one_path_or_a_list_in_any_spelling() -> None:
    two = ("configs/train.yaml", "configs/demo.yaml")
    assert parse("--config_file", two[0]).config_files == two[:1]
    for spelling in (str(list(two)), ",".join(two), f"('{two[0]}','{two[1]}')"):
        assert parse("--config-file", spelling).config_files == two
    assert parse("--seed", "1").config_files == ()


def test_an_args_file_gives_defaults_that_the_command_line_overrides(tmp_path: Path) -> None:
    path = tmp_path / "args.json"
    path.write_text(json.dumps({"config_file": TRAIN, "seed": 1, "batch_size": 2, "logging_file": "l.conf"}))
    command = parse("--args_file", str(path), "--seed", "7")
    own = {"logging_file": "l.conf", "args_file": str(path)}
    assert command == CommandLine((TRAIN,), {"seed": 7, "batch_size": 2}, own)


@pytest.mark.parametrize("content", [None, "a: [", "3"])
def test_an_args_file_that_is_none_is_refused(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "args.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"^--args_file: .*, expected a YAML or JSON file of options$"):
        parse("--args_file", str(path))


@pytest.mark.parametrize(
    "argv",
    [
        [],
        [ENTRY],
        ["/usr/bin/pytest", "run", "--seed", "1"],
        [ENTRY, "ckpt_export", "--net_id", "network"],
        ["/somewhere/other/__main__.py", "run", "--seed", "1"],
    ],
)
def test_another_programs_command_line_is_not_read(argv: list[str]) -> None:
    assert CommandLine.parse(argv) is None


def problems(*words: str) -> list[str]:
    return [str(problem) for problem in check_overrides(parse("--config_file", TRAIN, *words), component_arguments)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--num_epoch", "1"],
            "--num_epoch: there is no 'num_epoch' in the config: did you mean --num_epochs?",
        ),
        (["--xyzzy", "1"], "--xyzzy: there is no 'xyzzy' in the config: see the config's first lines"),
        (
            ["--trian#trainer#max_epochs", "1"],
            "--trian#trainer#max_epochs: there is no 'trian' in the config: did you mean --train?",
        ),
        (
            ["--train#trainer#max_epoch", "1"],
            "--train#trainer#max_epoch: there is no 'max_epoch' in train#trainer: "
            "did you mean --train#trainer#max_epochs?",
        ),
        (
            ["--train::trainer::accumulation_step", "2"],
            "--train::trainer::accumulation_step: there is no 'accumulation_step' in train#trainer: "
            "did you mean --train#trainer#accumulation_steps?",
        ),
        (
            ["--optimizer#wieght_decay", "0.1"],
            "--optimizer#wieght_decay: there is no 'wieght_decay' in optimizer: did you mean --optimizer#weight_decay?",
        ),
        (
            ["--train#handlers#99#interval", "1"],
            "--train#handlers#99#interval: there is no '99' in train#handlers: see the config's first lines",
        ),
        (
            ["--batch_size#x", "1"],
            "--batch_size#x: there is no 'x' in batch_size: see the config's first lines",
        ),
    ],
)
def test_what_no_config_defines_is_refused_with_the_likely_meaning(words: list[str], message: str) -> None:
    assert problems(*words) == [message]


@pytest.mark.parametrize(
    "words",
    [
        ["--batch_size", "8"],
        ["--num_epochs", "[2, 1]"],
        ["--num_epochs", "(2, 1)"],
        ["--stage_blocks", "[{eeg: [stage4], mri: []}, {eeg: [stage3], mri: [layer4]}]"],  # bare words, as fire reads
        ["--head_lr", "1e-4"],
        ["--head_lr", "1"],
        ["--pretrained", "false"],
        ["--pretrained", "no"],
        ["--pretrained=False"],
        ["--nopretrained"],
        ["--overwrite"],
        ["--batch_size", "$2 * 4"],
        ["--num_epochs", "@stage_blocks"],
        ["--max_eval_segments", "3"],
        ["--cache_dir", "$None"],
        ["--cache_dir", "runs/store"],
        ["--precision", "float32"],
        ["--keep_epoch", "last"],
        ["--optimizer#amsgrad", "True"],
        ["--train#trainer#max_epochs", "3"],
        ["--train#trainer#accumulation_steps", "2"],  # an argument of MONAI's class, which the config names briefly
        ["--loss#label_smoothing", "0.1"],
        ["--train::trainer::accumulation_steps", "2"],
        ["--train#handlers#0#seed", "7"],
        ["--validate#evaluator#_disabled_", "True"],
        ["--eeg_preprocessing#0#keys", "['eeg', 'other']"],
        ["--+num_epochs", "[5]"],
        ["--_meta_#version", "2"],
        ["--resume", "latest"],
        ["--class_weights", "balanced", "--early_stopping", "3", "--time_limit_minutes", "0.5"],
        [],
    ],
    ids=" ".join,
)
def test_what_a_config_or_a_component_defines_is_accepted(words: list[str]) -> None:
    assert problems(*words) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch_size", "four"], "--batch_size: 'four', expected a whole number"),
        (["--batch_size", "4.5"], "--batch_size: 4.5, expected a whole number"),
        (["--batch_size", "True"], "--batch_size: True, expected a whole number"),
        (["--batch_size"], "--batch_size: no value follows it, expected one, such as 4"),
        (["--head_lr", "fast"], "--head_lr: 'fast', expected a number"),
        (["--resume", "newest"], "--resume: 'newest', expected true, false or latest"),
        (["--early_stopping", "0"], "--early_stopping: 0, expected a whole number, at least 1"),
        (["--keep_epoch", "lst"], "--keep_epoch: 'lst', expected best or last: did you mean 'last'?"),
        (["--accumulation_steps", "0"], "--accumulation_steps: 0, expected a whole number, at least 1"),
        (["--pretrained", "yes please"], "--pretrained: 'yes please', expected true or false"),
        (["--pretrained", "1"], "--pretrained: 1, expected true or false"),
        (["--mri_size", "[48,48]"], '--mri_size: [48, 48], expected three numbers, such as "[128, 128, 128]"'),
        (
            ["--eeg_shape", "[a,b,c]"],
            "--eeg_shape: ['a', 'b', 'c'], expected three numbers, such as \"[224, 224, 17]\"",
        ),
        (["--flip_prob", "0.5"], '--flip_prob: 0.5, expected a list such as "[0.5, 0.5, 0.5]"'),
        (["--flip_prob", "[2, 0, 0]"], "--flip_prob: [2, 0, 0], expected between 0 and 1"),
        (["--rotate_prob", "30"], "--rotate_prob: 30, expected between 0 and 1"),
        (["--head_lr", "-1"], "--head_lr: -1, expected a number above 0"),
        (["--weight_decay", "-0.1"], "--weight_decay: -0.1, expected a number, at least 0"),
        (["--seed", "-1"], "--seed: -1, expected a whole number, at least 0"),
        (["--time_limit_minutes", "0"], "--time_limit_minutes: 0, expected a number above 0"),
        (["--time_limit_minutes", "soon"], "--time_limit_minutes: 'soon', expected a number above 0"),
        (["--early_stopping", "two"], "--early_stopping: 'two', expected a whole number, at least 1"),
        (
            ["--start_method", "threads"],
            f"--start_method: 'threads', expected {' or '.join(get_all_start_methods())}",
        ),
        (["--device_data", "gpu"], "--device_data: 'gpu', expected auto, true or false"),
        (["--device_data", "1"], "--device_data: 1, expected auto, true or false"),
        (["--num_workers", "many"], "--num_workers: 'many', expected a whole number, at least 0, or auto"),
        (["--num_workers", "-1"], "--num_workers: -1, expected a whole number, at least 0, or auto"),
        (["--num_epochs", "[5]"], '--num_epochs: [5], expected 2 numbers, one per stage: e.g. "[15, 10]"'),
        (["--num_epochs", "25"], '--num_epochs: 25, expected a list such as "[15, 10]"'),
        (["--num_epochs", "15", "10"], '--num_epochs: 15, expected a list such as "[15, 10]"'),
        (
            ["--seed", "1", "first", "--batch_size", "2"],
            "first: a word that belongs to no option, after --seed: "
            'put double quotes around a value with spaces in it: --name "one value"',
        ),
        (["--num_epochs", "fifteen"], "--num_epochs: 'fifteen', expected a list such as \"[15, 10]\""),
        # Below the knobs nothing turns the text "false" into false: as an argument it would count as true.
        (["--train#trainer#decollate", "false"], "--train#trainer#decollate: 'false', expected True or False"),
        # MONAI drops None, and YAML's null is only text here.
        (["--cache_dir", "None"], "--cache_dir: None: to set nothing at all write '$None', with the quotes"),
        (["--cache_dir", "null"], "--cache_dir: 'null': to set nothing at all write '$None', with the quotes"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(words: list[str], message: str) -> None:
    assert problems(*words) == [message]


def test_all_that_is_wrong_is_reported_at_once_in_the_order_given() -> None:
    found = problems("--num_epoch", "1", "--batch_size", "four", "--seed", "1")
    assert [message.partition(":")[0] for message in found] == ["--num_epoch", "--batch_size"]


def test_a_knob_that_only_an_overlay_defines_is_known(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("my_knob: 3\n")
    command = parse("--config_file", str([TRAIN, str(overlay)]), "--my_knob", "4", "--batch_size", "2")
    assert check_overrides(command, component_arguments) == []


OVERLAYS: dict[str, Any] = {
    "replaced.yaml": {"batch_size": 2, "num_epochs": [1, 1], "new": {"a": [1]}},
    "within.yaml": {"train#trainer#max_epochs": 3, "train::handlers::0::seed": 7, "train#new": None},
    "added.yaml": {"+imports": ["$import json"], "+network_def": {"fusion": "mean"}, "+train#trainer": {"amp": True}},
}


def test_configs_are_merged_as_monai_merges_them(tmp_path: Path) -> None:
    files = [TRAIN]
    for name, content in OVERLAYS.items():
        (tmp_path / name).write_text(json.dumps(content))  # JSON is YAML
        files.append(str(tmp_path / name))
        assert load_configs(files) == ConfigParser.load_config_files(list(files))
    shipped = [TRAIN, str(BUNDLE_CONFIGS / "demo.yaml"), str(BUNDLE_CONFIGS / "multi_gpu_train.yaml")]
    assert load_configs(shipped) == ConfigParser.load_config_files(list(shipped))


@pytest.mark.parametrize("text", [True, "true", "True", "YES", "on"])
def test_a_flag_that_is_true(text: object) -> None:
    assert as_bool(text) is True


@pytest.mark.parametrize("text", [False, "false", "False", "no", "OFF"])
def test_a_flag_that_is_false(text: object) -> None:
    assert as_bool(text) is False


@pytest.mark.parametrize("text", ["maybe", 1, None, ""])
def test_a_flag_that_is_neither_is_refused(text: object) -> None:
    with pytest.raises(InputError, match=r"^resume: .*, expected true or false$"):
        as_bool(text, "resume")


def test_a_training_resumes_with_true_and_with_latest() -> None:
    assert [as_resume(value) for value in ("latest", "true", True, "false", False)] == [True, True, True, False, False]
    with pytest.raises(InputError, match="resume: 'newest', expected true or false"):
        as_resume("newest")
