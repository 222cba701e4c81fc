"""``monai-fusion compare`` as users type it."""

import subprocess
import sys
from pathlib import Path

import pytest

from monai_fusion import cli
from monai_fusion.comparison.variants import VARIANTS
from tests.comparison.conftest import Writer
from tests.message_parts import assert_parts
from tests.support import BUNDLE_CONFIGS


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The entry point in this process: exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["compare", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize("last", [True, False])
def test_a_dry_run_lists_every_command_and_writes_nothing(
    last: bool, datalist: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["--folds", 2, "--output-dir", tmp_path / "out", "--bundle-root", BUNDLE_CONFIGS.parent, "--dry-run"]
    own += ["--variants", "concat", "stage-a"]
    arguments = [*own, datalist()] if last else [datalist(), *own]
    code, out, err = call(capsys, *arguments, "--", "--num_epochs", "[5, 3]", "--variants", "x")
    assert (code, out) == (2, "") and err.startswith("error: --variants: ")
    code, out, err = call(capsys, *arguments, "--", "--num_epochs", "[5, 3]", "--device", "cpu")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert_parts(lines[0], "6 of 6 runs", "2 GB")
    assert [line for line in lines[1:] if line.endswith(":")] == [
        f"{name}, fold {fold}, seed 1337:" for fold in (0, 1) for name in ("gated", "concat", "stage-a")
    ]
    commands = [line for line in lines[1:] if not line.endswith(":")]
    assert all("--num_epochs" in command and "--device cpu" in command for command in commands)
    assert "'[8, 0]'" in commands[2] or '"[8, 0]"' in commands[2]  # as the shell here takes it
    assert not (tmp_path / "out").exists()


def test_the_list_needs_no_datalist(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--list")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == [*VARIANTS, "numbers"]
    assert out.splitlines()[0].endswith("(by default)")


def test_a_wrong_datalist_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, tmp_path / "no.json")
    assert (code, out) == (2, "") and "no such file" in err and "no.json" in err and "Traceback" not in err


def test_an_option_of_the_trainings_is_told_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--num_epochs", "[1, 1]"], ["--num-epochs=[1, 1]"]):
        code, out, err = call(capsys, "gender.json", *words)
        assert (code, out) == (2, "") and "-- --num" in err
    assert "No such option: --foldss" in call(capsys, "gender.json", "--foldss", 2)[2]


def test_help_does_not_wait_for_the_heavy_libraries() -> None:
    program = (
        "import sys\nfrom monai_fusion import cli\n"
        "try: cli.main(['compare', '--help'])\nexcept SystemExit as end: assert not end.code\n"
        "sys.exit(' '.join(sorted({'torch', 'monai', 'numpy', 'scipy', 'yaml'} & set(sys.modules))) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and "same folds and seeds" in done.stdout
