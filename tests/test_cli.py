"""The command line: exact command lines, exit codes, and what is not loaded."""

import dataclasses
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from monai_fusion import __version__, cli
from monai_fusion.cli.sample_cohort import sample_cohort
from monai_fusion.cli.several_values import one_flag_a_value
from monai_fusion.sample_cohort import SampleCohortOptions
from tests.commands import call, write_placeholders
from tests.runs.test_repeating import manifest_in
from tests.runs.test_repeating import write as write_manifest
from tests.support import BUNDLE_CONFIGS

LABELS = dict(zip([f"sub-{number:02d}" for number in range(1, 13)], "MFMMFMFMMFMM", strict=True))


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The program as a user starts it."""
    command = [sys.executable, "-m", "monai_fusion", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Twelve participants with two EEG segments and an MRI each; the files hold nothing yet."""
    write_placeholders(tmp_path, LABELS)
    rows = [f"{name},{label},20-25,A" for name, label in LABELS.items()]
    table = "\n".join(["participant_id,gender,age,site", *rows])
    (tmp_path / "participants.csv").write_text(table, encoding="utf-8")
    return tmp_path


def build_command(cohort: Path, *more: object) -> list[object]:
    folders = ("--eeg-dir", cohort / "eeg", "--mri-dir", cohort / "mri", "--participants", cohort / "participants.csv")
    return ["datalist", "build", *folders, "--out", cohort / "list.json", *more]


def test_a_tilde_that_the_shell_left_is_the_home_folder(
    cohort: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(cohort))
    words = ["datalist", "build", "--eeg-dir=~/eeg", "--mri-dir", "~/mri", "--participants=~/participants.csv"]
    assert call(capsys, *words, "--out=~/list.json")[0] == 0
    assert (cohort / "list.json").is_file()


def test_options_take_hyphens_and_underscores_alike(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(word).replace("-dir", "_dir") for word in build_command(cohort, "--stratify_by", "age", "site")]
    assert "--eeg_dir" in words
    assert call(capsys, *words, "--method=stratified", "--data_root", cohort)[0] == 0
    assert {"age", "site"} <= json.loads((cohort / "list.json").read_text(encoding="utf-8"))["training"][0].keys()


@pytest.mark.parametrize(
    ("old", "new"), [("--map", "--label-map"), ("--class", "--bin"), ("--class=a=1", "--bin"), ("--keep", "--columns")]
)
def test_an_option_that_was_renamed_names_its_new_name(
    old: str, new: str, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, *build_command(cohort, old, "1=F"))
    assert (code, err.count("\n"), err.startswith(f"error: {old.partition('=')[0]}: ")) == (2, 1, True)
    assert f" {new}: " in err and not (cohort / "list.json").exists()


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["report", ""], "an argument"),
        (["compare", "list.json", "--output-dir", ""], "--output-dir"),
        (["compare", "list.json", "--output-dir= "], "--output-dir"),
        (["datalist", "check", "list.json", "--report", " "], "--report"),
    ],
)
def test_an_empty_word_is_a_variable_that_is_not_set(
    words: list[str], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = f"error: {where}: empty, expected a value: is a variable of the shell not set?\n"
    assert call(capsys, *words) == (2, "", expected)


def test_the_documented_build_command_works_as_it_is_written(cohort: Path) -> None:
    done = run(
        "datalist", "build", "--eeg-dir", cohort / "eeg", "--mri-dir", cohort / "mri", "--participants",
        cohort / "participants.csv", "--id-column", "participant_id", "--label-column", "gender", "--classes", "M", "F",
        "--out", cohort / "list.json",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    words = done.stdout.split()
    # 8 M and 4 F: T0 2, k 1; left 6 and 3, one of each to validate with
    for section, first, second, ratio in (
        ("training", "5", "2", "2.50"),
        ("validation", "1", "1", "1.00"),
        ("test", "2", "1", "2.00"),
    ):
        row = [word for word in words[words.index(section) :] if word[0].isalnum()][:5]
        assert row == [section, str(int(first) + int(second)), first, second, ratio]
    assert json.loads((cohort / "list.json").read_text(encoding="utf-8"))["classes"] == ["M", "F"]
    checked = run("datalist", "check", cohort / "list.json")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.splitlines() == [
        f"{cohort / 'list.json'}: no problems",
        "  training: 7 participants (5 M, 2 F)",
        "  validation: 2 participants (1 M, 1 F)",
        "  test: 3 participants (2 M, 1 F)",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--classes", "F", "M", "--columns", "age", "site"],
        ["--classes", "F", "--classes", "M", "--columns=age", "--columns=site"],
        ["--classes=F", "M", "--columns=age", "site"],
        ["--columns", "age", "--classes", "F", "M", "--columns", "site"],
    ],
)
def test_several_values_may_follow_one_flag_or_one_each(
    arguments: list[str], cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, *build_command(cohort, *arguments, "--test-fraction", "0.3"))
    assert (code, err) == (0, "")
    document = json.loads((cohort / "list.json").read_text(encoding="utf-8"))
    assert document["classes"] == ["F", "M"]
    assert document["test"][0].items() >= {"age": "20-25", "site": "A"}.items()


def test_values_that_look_like_flags_are_distinguished_from_flags() -> None:
    def rewritten(*arguments: str) -> list[str]:
        return list(one_flag_a_value(arguments, {"--classes"}))

    assert rewritten("--classes", "-1", "1", "--force") == ["--classes=-1", "--classes=1", "--force"]
    assert rewritten("--out", "M", "--classes", "a=b", "c") == ["--out", "M", "--classes=a=b", "--classes=c"]
    assert rewritten("--classes", "--force") == ["--classes", "--force"]
    assert rewritten("--classes") == ["--classes"]


def test_wrong_input_is_one_text_on_stderr_and_exit_code_two(cohort: Path) -> None:
    table = cohort / "participants.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("sub-02,F", "sub-02,"), encoding="utf-8")
    done = run(*build_command(cohort))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"error: {table}: 1 problem",
        '  sub-02 gender: empty in line 3, expected "M" or "F"',
        "note: correct the table, or leave them out with --drop-unlabelled",
    ]
    assert not (cohort / "list.json").exists()


def test_who_is_left_out_is_named(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = cohort / "participants.csv"
    text = table.read_text(encoding="utf-8").replace("sub-01,M", "sub-01,männlich")
    table.write_bytes(f"{text}\nsub-77,M,20-25,A\n".encode("cp1252"))
    (cohort / "mri/sub-03_T1w.nii.gz").unlink()
    for segment in ("seg0", "seg1"):
        (cohort / f"eeg/sub-04_EO_{segment}.npy").unlink()
    code, out, err = call(capsys, *build_command(cohort, "--drop-unlabelled"))
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{cohort / 'list.json'}: 9 participants with both recordings"
    assert "1 participant with an EEG but no MRI left out: sub-03" in lines
    assert "1 participant with an MRI but no EEG left out: sub-04" in lines
    assert "1 participant of the table without any recording: sub-77" in lines
    assert "1 participant without a label left out:" in lines
    assert '  sub-01 gender: "männlich" in line 2, expected "M" or "F": did you mean "M"?' in lines
    assert (
        f"For completion in your editor: monai-fusion datalist schema --out {cohort / 'datalist.schema.json'}" in lines
    )
    assert err.startswith("note: ")
    assert "Windows-1252" in err


def test_check_counts_all_problems_and_shows_twenty_of_a_kind(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"participant_id": f"sub-{number}", "label": "X", "mri": None, "eeg": "x.npy"} for number in range(30)]
    path = cohort / "wrong.json"
    path.write_text(json.dumps({"classes": ["M", "F"], "training": rows}), encoding="utf-8")
    code, out, err = call(capsys, "datalist", "check", path)
    lines = err.splitlines()
    assert (code, out, lines[0]) == (2, "", f"error: {path}: 89 problems")  # one file of thirty participants: 29 more
    assert [line for line in lines if not line.startswith("  line 1, sub-")] == [
        lines[0],
        "Labels:",
        "  ... and 10 more like that of line 1",
        "Files:",
        "  ... and 10 more like that of line 1",
        "  ... and 9 more like that of line 1",
    ]
    assert len(lines) == 6 + 3 * 20
    code, out, err = call(capsys, "datalist", "check", path, "--json")
    assert (code, err, len(json.loads(out)["findings"])) == (2, "", 89)


def test_check_accepts_missing_labels_only_on_request(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cohort / "new.json"
    row = {"participant_id": "sub-01", "eeg": "eeg/sub-01_*.npy", "mri": "mri/sub-01_T1w.nii.gz"}
    path.write_text(json.dumps({"classes": ["M", "F"], "test": [row]}), encoding="utf-8")
    assert call(capsys, "datalist", "check", path)[0] == 2
    code, out, _ = call(capsys, "datalist", "check", path, "--unlabelled")
    assert code == 0
    assert "  test: 1 participant (0 M, 0 F, 1 without a label)" in out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--version"], 0, f"monai-fusion {__version__}"),
        (["datalist", "chek", "x"], 2, "there is no command `monai-fusion datalist chek`"),
        (["datalist", "check"], 2, "Missing argument"),
        (["datalist", "build", "--eeg", "x"], 2, "No such option"),
        (["datalist", "build", "--classes"], 2, "--classes"),
        (["sample-cohort", "x", "--participants", "many"], 2, "--participants"),
        (["sample-cohort", "x", "--eeg-effect", "0,5"], 2, "0,5"),
        (["cache", "status", "runs/preprocessed"], 2, "--cache-dir"),
        (
            ["sample-cohort", "x", "--size", "huge"],
            2,
            "error: sample cohort --size: 'huge', expected 'small' or 'full'",
        ),
        (["datalist", "check", "no-such-file.json"], 2, "no-such-file.json: there is no such file"),
        (["report", "no-such-folder"], 2, "error: no-such-folder: no such folder\n"),
    ],
)
def test_exit_codes_tell_done_from_wrong_input(
    arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = call(capsys, *arguments)
    assert ended == code
    assert text in (err if code else out)


def test_where_nobody_can_read_what_is_printed_a_command_does_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # closed, or a program without a console
    with pytest.raises(SystemExit) as ended:
        cli.main(["datalist", "schema", "--out", str(tmp_path / "datalist.schema.json")])
    assert (ended.value.code, (tmp_path / "datalist.schema.json").is_file()) == (0, True)
    full = Path("/dev/full")
    if not full.exists():
        return
    with full.open("w", encoding="utf-8", buffering=1) as stream, suppress(OSError):
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit) as ended:
            cli.main(["datalist", "schema"])
        assert ended.value.code == 1
        assert capsys.readouterr().err.startswith("error: what this command prints cannot be written (No space")


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.datalist.saving.writing.schema_text", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["datalist", "schema"])


def all_commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every command and group of commands, the program itself first."""
    command = command or typer.main.get_command(cli.app)
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from all_commands(below, (*path, name))


@pytest.mark.parametrize("command", list(all_commands()), ids=" ".join)
def test_every_command_and_option_explains_itself(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    found = typer.main.get_command(cli.app)
    for name in command:
        found = found.commands[name]
    assert found.help
    assert "\\b" not in result.output  # click's mark for lines that stay as they are, printed by raw docstrings
    assert found.help.split()[:4] == result.output.split("\n\n")[1].split()[:4]
    assert all(parameter.help for parameter in found.params)


def test_check_loads_none_of_the_heavy_libraries(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, *build_command(cohort))[0] == 0
    program = (
        "import sys\nfrom monai_fusion import cli\n"
        f"try: cli.main(['datalist', 'check', {str(cohort / 'list.json')!r}])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'monai', 'ignite', 'numpy', 'pandas', 'scipy', 'sklearn', 'nibabel', 'rich', 'yaml'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no problems" in done.stdout


def test_the_schema_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = call(capsys, "datalist", "schema")
    assert code == 0
    assert call(capsys, "datalist", "schema", "--out", tmp_path / "datalist.schema.json")[0] == 0
    written = (tmp_path / "datalist.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(printed)
    assert call(capsys, "datalist", "schema", "--out", tmp_path / "no" / "s.json")[0] == 2


@pytest.mark.parametrize(
    ("command", "options", "passed_on_if_none"),
    [
        (sample_cohort, SampleCohortOptions, {"conditions"}),
    ],
)
def test_every_field_of_the_options_is_an_option_with_the_same_default(
    command: object, options: type, passed_on_if_none: set[str]
) -> None:
    assert callable(command)
    parameters = inspect.signature(command).parameters
    for field in dataclasses.fields(options):
        default = parameters[field.name].default
        if field.name in passed_on_if_none:
            assert default is None
        elif field.default is dataclasses.MISSING:
            assert default is inspect.Parameter.empty
        else:
            assert default == field.default


def test_a_sample_cohort_is_written_built_and_checked_to_the_last_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cohort"
    few = ("--participants", 10, "--segments-per-condition", 1, "--conditions", "EO", "--only-eeg", 1)
    assert call(capsys, "sample-cohort", out, *few)[0] == 0
    path = tmp_path / "list.json"
    sources = ("--eeg-dir", out / "eeg", "--mri-dir", out / "mri", "--participants", out / "participants.csv")
    code, text, _ = call(capsys, "datalist", "build", *sources, "--classes", "M", "F", "--out", path)
    assert code == 0
    assert "1 participant with an EEG but no MRI left out" in text
    assert call(capsys, "datalist", "check", path, "--deep")[0] == 0

    name = json.loads(path.read_text(encoding="utf-8"))["training"][0]["participant_id"]
    [scalogram], [volume] = (out / "eeg").glob(f"{name}_*"), (out / "mri").glob(f"{name}_*")
    np.save(scalogram, np.zeros((224, 224, 16), np.float32))
    volume.write_bytes(volume.read_bytes()[:1000])
    line = 1 + next(n for n, row in enumerate(path.read_text(encoding="utf-8").splitlines()) if name in row)
    code, _, err = call(capsys, "datalist", "check", path, "--deep")
    lines = [line for line in err.splitlines() if line.startswith("  ")]
    assert code == 2
    assert len(lines) == 2
    assert lines[0].startswith(f"  line {line}, {name} eeg eeg/{scalogram.name}: shape (224, 224, 16)")
    assert lines[1].startswith(f"  line {line}, {name} mri mri/{volume.name}: ")


def test_a_rerun_of_what_is_no_manifest_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "manifest.json"
    path.write_text("{}", encoding="utf-8")
    code, out, err = call(capsys, "rerun", path)
    assert (code, out) == (2, "")
    assert err == f"error: {path}: not a manifest that this version reads\n"


def test_a_dry_rerun_says_what_differs_and_the_command_and_runs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_manifest(tmp_path, manifest_in(tmp_path, batch_size=3))
    code, out, err = call(capsys, "rerun", path, "--bundle-root", BUNDLE_CONFIGS.parent, "--dry-run")
    assert (code, err) == (0, "")
    *differing, command = out.splitlines()
    assert "differs: versions torch: '0.0' then, " in "\n".join(differing)
    assert "-m monai.bundle run" in command and "--batch_size 3" in command
    assert not list(tmp_path.parent.glob("*-rerun"))


def test_a_rerun_that_the_bundle_refuses_has_its_exit_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_manifest(tmp_path, manifest_in(tmp_path, batch_size=3))  # its datalist is none
    with pytest.raises(SystemExit) as ended:
        cli.main(["rerun", str(path), "--bundle-root", str(BUNDLE_CONFIGS.parent)])
    error = capfd.readouterr().err
    assert ended.value.code == 2
    assert "list.json" in error and "exit code 2: there are no numbers" in error and "Traceback" not in error
