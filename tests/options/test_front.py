"""``monai-fusion train``, ``evaluate`` and ``predict``: the bundle runs that they stand for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_fusion import cli
from monai_fusion.cli.bundle_runs import with_run_folder
from monai_fusion.errors import InputError
from monai_fusion.options.command_line import CommandLine
from monai_fusion.options.front import plan_run
from monai_fusion.options.knob_list import read_knobs
from monai_fusion.shipped_bundle import config_files
from tests.commands import call
from tests.options.test_knob_values import ENTRY, arrives
from tests.support import BUNDLE_CONFIGS

TRAIN = BUNDLE_CONFIGS / "train.yaml"


def planned(*words: str) -> CommandLine:
    command = CommandLine.parse([ENTRY, *plan_run([TRAIN], words).words])
    assert command is not None
    return command


def test_the_datalist_comes_first_and_every_knob_is_an_option() -> None:
    command = planned("my list.json", "--output-dir", "runs/first", "--num_epochs", "[5, 3]", "--overwrite")
    assert command.config_files == (str(TRAIN),)
    expected: dict[str, Any] = {"datalist": "my list.json", "output_dir": "runs/first", "num_epochs": [5, 3]}
    assert command.overrides == expected | {"overwrite": True}


@pytest.mark.parametrize("text", ["run#2", "@home", "%TEMP%/x", "$HOME/x", "a,b", "[x]", "2024", "C:\\new", "a b"])
@pytest.mark.parametrize("knob", ["output_dir", "datalist", "eeg_weights", "run_name"])
def test_a_text_is_used_as_it_is_typed_whatever_monai_would_make_of_it(knob: str, text: str) -> None:
    run = plan_run([TRAIN], [f"--{knob}", text])
    assert run.knobs[knob] == text
    assert arrives(run.words[-1]) == text


def test_the_value_of_a_knob_that_is_auto_by_default_keeps_its_type() -> None:
    words = ["--num_workers", "0", "--segment_batch_size=16", "--eval_batch_size", "auto", "--device_data", "false"]
    expected = {"num_workers": 0, "segment_batch_size": 16, "eval_batch_size": "auto"}
    overrides = planned("list.json", *words).overrides
    assert {name: overrides[name] for name in expected} == expected
    assert str(overrides["device_data"]).lower() == "false"


def test_nothing_is_written_as_the_help_says() -> None:
    run = plan_run([TRAIN], ["list.json", "--cache_dir", "$None", "--time_limit_minutes", "$None"])
    assert run.words[-4:] == ("--cache_dir", "$None", "--time_limit_minutes", "$None")
    assert run.knobs["cache_dir"] is None


def test_overlays_are_laid_over_the_shipped_config_and_define_knobs(tmp_path: Path) -> None:
    overlay = tmp_path / "mine, too.yaml"
    overlay.write_text(yaml.safe_dump({"my_knob": 3, "batch_size": 2}))
    for words in (["--config_file", str(overlay)], [f"--config-file={overlay}"]):
        command = planned("list.json", *words, "--my_knob", "4")
        assert command.config_files == (str(TRAIN), str(overlay))
    assert plan_run([TRAIN], ["list.json", "--config_file", str(overlay)]).knobs["batch_size"] == 2


def test_a_shipped_overlay_is_found_by_its_name() -> None:
    assert planned("list.json", "--config_file", "demo.yaml").config_files == (
        str(TRAIN),
        str(TRAIN.with_name("demo.yaml")),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.json", "--num_epoch", "3"], "--num_epoch: there is no 'num_epoch' in the config: did you mean --num_epo"),
        (["a.json", "--head_lr", "-1"], "--head_lr: -1, expected a number above 0"),
        (["a.json", "--output_dir", "my", "run"], "run: a word that belongs to no option, after --output_dir: the da"),
        (["a.json", "b.json"], "b.json: a word that belongs to no option, after --datalist: the datalist comes first"),
        (["a.json", "--output_dir"], "--output_dir: no value follows it, expected one, such as 'runs/latest'"),
        (
            ["a.json", "--config_file", "nothere.yaml"],
            "--config_file: nothere.yaml: no such file: the bundle has ",
        ),
        (["a.json", "--config_file", "demo.yml"], '--config_file: demo.yml: no such file: did you mean "demo.yaml"?'),
        (["a.json", "--modalities", "eeg,mri"], "--modalities: 'eeg,mri', expected both or eeg or mri"),
        (["a.json", "--device", "gpu"], "--device: 'gpu', expected cpu, cuda or cuda:NUMBER"),
        (["a.json", "--tracking", "mlfow"], "--tracking: 'mlfow', expected mlflow, or a file of MONAI's settings"),
        (["a.json", "--output_dir", ""], "--output_dir: empty, expected a value: is a variable of the shell not set?"),
        (["a.json", "--output_dir", "$None"], "--output_dir: $None, which is nothing, expected text"),
        (["a.json", "--args_file", "nope.json"], "--args_file: nope.json: no such file"),
        (["a.json", "--logging_file", "nope.conf"], "--logging_file: nope.conf: no such file"),
        (["a.json", "--num_epochs", "[0, 0]"], "--num_epochs: [0, 0], expected whole numbers, not all 0"),
        (["a.json", "--=3"], "--=3: a word that belongs to no option, after --datalist"),
        (["a.json", "--config_file"], "--config_file: no value follows it, expected an overlay's path"),
    ],
)
def test_what_is_wrong_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        plan_run([TRAIN], words)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", "nothing#there: 1"])
def test_an_overlay_that_is_no_config_is_refused(content: str, tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(content)
    with pytest.raises(InputError, match=r"^--config_file: "):
        plan_run([TRAIN], ["list.json", "--config_file", str(overlay)])


@pytest.mark.parametrize("name", ["train", "evaluate", "inference"])
def test_every_knob_that_a_config_comments_is_found_with_its_default(name: str) -> None:
    path = BUNDLE_CONFIGS / f"{name}.yaml"
    head = yaml.safe_load(path.read_text(encoding="utf-8").split("# ---- the parts")[0])
    knobs = {knob.name: knob for knob in read_knobs(path)}
    assert list(knobs) == list(head)
    assert all(knob.comment for knob in knobs.values())
    written = {name: yaml.safe_load(knob.default) for name, knob in knobs.items() if knob.default}
    assert written == {name: value for name, value in head.items() if name in written}
    assert len(written) >= len(head) - 1  # stage_blocks goes over several lines


def test_the_help_lists_the_knobs_of_the_config_with_their_comments(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train", "evaluate", "predict"):
        code, out, _ = call(capsys, command, "--help")
        first = "MODEL" if command == "predict" else "DATALIST"
        assert code == 0 and "--segment_batch_size auto" in out and first in out
    assert "number of" not in out and "where predictions.csv is written" in out


def test_a_training_that_comes_first_is_evaluated_on_its_own_datalist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, datalist = tmp_path / "run", tmp_path / "list.json"
    run.mkdir()
    (run / "recipe.json").write_text("{}", encoding="utf-8")
    (run / "manifest.json").write_text(json.dumps({"knobs": {"datalist": str(datalist)}}), encoding="utf-8")
    with pytest.raises(InputError, match=r"the run's datalist: .*list\.json: no such file: give its place: --datalist"):
        with_run_folder([str(run)])
    datalist.touch()
    assert with_run_folder([str(run)]) == ["--datalist", str(datalist), "--output_dir", str(run)]
    elsewhere = ["--output_dir", "runs/b", "--section", "training"]
    assert with_run_folder([str(run), *elsewhere]) == [
        *("--datalist", str(datalist), "--model_dir", str(run)),
        *elsewhere,
    ]
    assert with_run_folder([str(run), "--datalist", "b.json"]) == ["--output_dir", str(run), "--datalist", "b.json"]
    assert with_run_folder(words := ["list.json", "--output_dir", str(run)]) == words
    code, _, said = call(capsys, "evaluate", str(run), "--model_dir", "runs/b")
    assert code == 2 and "--model_dir: given beside the model" in said
    code, _, said = call(capsys, "evaluate", str(tmp_path))
    assert code == 2 and "a folder without recipe.json, expected a datalist, or the --output_dir of a training" in said


REFUSED: list[tuple[list[str], str]] = [
    (["train"], "error: DATALIST: not given, expected the path of a datalist (monai-fusion datalist)"),
    (
        ["train", "a.json", "--mri_weights", "no.pth"],
        "error: mri_weights 'no.pth': file not found: give the path of",
    ),
    (["train", "nothere.json"], "nothere.json: there is no such file"),
    (["evaluate", "list.json", "--model_dir", "nothere"], "error: nothere: no recipe.json, expected a trained mod"),
    (
        ["predict", "nothere", "--datalist", "list.json"],
        "error: nothere: no recipe.json, expected a trained model: there is no such folder: give the --output_dir"
        " of a training as MODEL",
    ),
    (
        ["predict", "new.json", "--model_dir", "runs/first"],
        "error: new.json: a datalist in the place of the model: give the model first: monai-fusion predict"
        " runs/first --datalist new.json",
    ),
    (
        ["predict", "runs/first", "new.json"],
        "error: new.json: a second word: give the model first: monai-fusion predict runs/first --datalist new.json",
    ),
    (
        ["predict", "runs/first"],
        "error: --datalist: not given, expected whom to predict: --datalist FILE, --eeg-dir and --mri-dir, or --eeg"
        " and --mri",
    ),
]


@pytest.fixture(scope="module")
def refusals() -> list[tuple[int, str, list[str]]]:
    """Of one new process for all that is refused: exit code, what is on stderr, and the heavy libraries by then."""
    program = (
        "import contextlib, io, json, sys\nfrom monai_fusion.cli import main\nfound = []\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    with contextlib.redirect_stderr(io.StringIO()) as said:\n"
        "        try: main(words)\n"
        "        except SystemExit as ended: code = ended.code\n"
        "    found.append([code, said.getvalue(), sorted({'torch', 'monai'} & set(sys.modules))])\n"
        "print(json.dumps(found))"
    )
    command = [sys.executable, "-c", program, json.dumps([words for words, _ in REFUSED])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    return [tuple(each) for each in json.loads(done.stdout)]


@pytest.mark.parametrize("place", range(len(REFUSED)), ids=[" ".join(words) for words, _ in REFUSED])
def test_what_is_wrong_is_reported_before_torch_is_imported(
    place: int, refusals: list[tuple[int, str, list[str]]]
) -> None:
    code, said, loaded = refusals[place]
    assert REFUSED[place][1] in said and (code, loaded) == (2, [])


def test_a_folder_with_a_trained_model_is_reported_before_the_datalist_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.pt").touch()
    for more, message in (([], "already holds a trained model"), (["--resume", "true"], "there is no such file")):
        with pytest.raises(SystemExit) as ended:
            cli.main(["train", "nothere.json", "--output_dir", str(tmp_path), *more])
        assert ended.value.code == 2 and message in capsys.readouterr().err


def test_an_option_of_the_training_is_reported_as_such_by_an_evaluation() -> None:
    with pytest.raises(InputError) as caught:
        plan_run(config_files("evaluate"), ["list.json", "--mri_size", "[48, 48, 48]"])
    advice = "leave it out: it belongs to the training, and the model has its own value"
    assert str(caught.value) == f"--mri_size: there is no 'mri_size' in the config: {advice}"
