"""A command that receives a signal to end at any point: one message, the right exit code, nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.bundle.conftest import CONFIGS, EEG_SIZE, ROOT, SMALL, Cohort, bundle_command, shipped
from tests.commands import hear_signals
from tests.message_parts import assert_parts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows delivers no signals of this kind")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
ENVIRONMENT["PYTHONWARNINGS"] = "ignore:parsing config_file:UserWarning"  # MONAI's, of any config but a shipped one
SLOW_PREPARATION = "+mri_preprocessing:\n  - {{_target_: tests.support.Dawdle, marker: '{marker}'}}\n"
SLOW_EVALUATION = "+handlers:\n  - {{_target_: tests.support.Dawdle, marker: '{marker}'}}\n"


class Stopped:
    """A command that received a signal after the start of its long part."""

    def __init__(
        self,
        command: Sequence[str],
        marker: Path,
        number: int,
        *,
        group: bool,
        nohup: bool = False,
        rank: int | None = None,
    ) -> None:
        process = subprocess.Popen(
            [*(("nohup",) if nohup else ()), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path.home(),
            env=ENVIRONMENT,
            start_new_session=True,
            preexec_fn=hear_signals,
        )
        self.session = process.pid
        deadline = time.monotonic() + 100
        while process.poll() is None and not marker.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.3)
        pid = process.pid if rank is None else _pid_of_rank(process.pid, rank)
        (os.killpg if group else os.kill)(pid, number)
        started = time.monotonic()
        self.out, self.err = process.communicate(timeout=100)
        self.seconds = time.monotonic() - started
        self.code = process.returncode

    @property
    def messages(self) -> list[str]:
        """The lines on standard error, without progress bars and blank lines."""
        lines = [line.rpartition("\r")[2].strip() for line in self.err.splitlines()]
        return [line for line in lines if line and "it/s" not in line and "file/s" not in line]

    def left_over(self) -> list[str]:
        """The command lines of processes of its session that still run, a few seconds later."""
        for _ in range(50):
            found = [each for each in psutil.process_iter() if _session_of(each.pid) == self.session]
            running = [each for each in found if each.status() != psutil.STATUS_ZOMBIE]
            if not running:
                return []
            time.sleep(0.1)
        return [" ".join(each.cmdline()) for each in running]


def _pid_of_rank(launcher: int, rank: int) -> int:
    children = psutil.Process(launcher).children()
    return next(each.pid for each in children if each.environ().get("RANK") == str(rank))


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def named(value: object) -> str:
    return value.name if isinstance(value, signal.Signals) else "whole group" if value else "one process"


def half_written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".part", ".claim")]


def overlay(folder: Path, base: str, text: str) -> tuple[str, Path]:
    """A shipped config with an overlay; and the file that exists after the start of the long part."""
    marker, file = folder / "begun", folder / "slow.yaml"
    file.write_text(text.format(marker=marker), encoding="utf-8")
    return str([*shipped(base), str(file)]), marker


def preprocess(cohort: Cohort, folder: Path, backend: str) -> list[str]:
    config, marker = folder / "slow.yaml", folder / "begun"
    slow, first = (
        f"  - {{_target_: tests.support.Dawdle, marker: '{marker}'}}\n",
        "  - _target_: monai_fusion.transforms.Load",
    )
    text = (CONFIGS / "train.yaml").read_text(encoding="utf-8").replace(f"{first}Volumed", f"{slow}{first}Volumed")
    config.write_text(text, encoding="utf-8")
    options = {"--cache-dir": folder / "store", "--config-file": config, "--backend": backend, "--workers": 2}
    options["--eeg-shape"] = str(EEG_SIZE)
    words = [word for name, value in options.items() for word in (name, str(value))]
    return [sys.executable, "-m", "monai_fusion", "preprocess", str(cohort.datalist), *words]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGHUP, True)], ids=named
)
def test_a_training_that_prepares(number: signal.Signals, group: bool, cohort: Cohort, tmp_path: Path) -> None:
    config, marker = overlay(tmp_path, "train.yaml", SLOW_PREPARATION)
    options = SMALL | {"datalist": cohort.datalist, "output_dir": tmp_path / "run", "cache_dir": tmp_path / "store"}
    stopped = Stopped(bundle_command(config, **options), marker, number, group=group)
    assert stopped.code == 128 + number, stopped.err
    assert len(stopped.messages) == 1, stopped.err
    (message,) = stopped.messages
    how = f"stopped by {number.name}"
    assert_parts(message, f"{how}: ", "kept", "--resume true")
    assert how in (tmp_path / "run" / "train.log").read_text(encoding="utf-8")
    assert stopped.seconds < 10 and not stopped.left_over() and not half_written(tmp_path)
    assert not (tmp_path / "run" / "model.pt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["processes", "threads"])
@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGHUP, True), (signal.SIGINT, True)],
    ids=named,
)
def test_preprocess(number: signal.Signals, group: bool, backend: str, cohort: Cohort, tmp_path: Path) -> None:
    stopped = Stopped(preprocess(cohort, tmp_path, backend), tmp_path / "begun", number, group=group)
    assert stopped.code == 128 + number, stopped.err
    how = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
    assert stopped.messages == [f"{how}: finished work is kept"]
    assert stopped.seconds < 10 and not stopped.left_over()
    if backend == "threads":
        assert not half_written(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("config", ["evaluate.yaml", "inference.yaml"])
@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGHUP, True)], ids=named)
def test_an_evaluation(
    number: signal.Signals, group: bool, config: str, cohort: Cohort, run_folder: Path, tmp_path: Path
) -> None:
    files, marker = overlay(tmp_path, config, SLOW_EVALUATION)
    options = {"datalist": cohort.datalist, "model_dir": run_folder, "output_dir": tmp_path / "out", "device": "cpu"}
    stopped = Stopped(bundle_command(files, **options), marker, number, group=group)
    assert stopped.code == 128 + number, stopped.err
    assert len(stopped.messages) == 1 and stopped.messages[0].startswith(f"stopped by {number.name}: "), stopped.err
    assert stopped.seconds < 10 and not stopped.left_over()
    left = {path.name for path in (tmp_path / "out").iterdir() if path.suffix not in (".log", ".lock")}
    allowed = {"predictions.partial.csv", "network_outputs.jsonl"} if config == "inference.yaml" else set()
    assert left <= allowed  # nothing that looks like a whole result


@pytest.mark.slow
def test_below_nohup_a_closed_terminal_ends_nothing(cohort: Cohort, run_folder: Path, tmp_path: Path) -> None:
    files, marker = overlay(tmp_path, "inference.yaml", SLOW_EVALUATION)
    options = {"datalist": cohort.datalist, "model_dir": run_folder, "output_dir": tmp_path / "out", "device": "cpu"}
    stopped = Stopped(bundle_command(files, **options), marker, signal.SIGHUP, group=True, nohup=True)
    assert stopped.code == 0 and (tmp_path / "out" / "predictions.csv").is_file(), stopped.err


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["one rank by SIGTERM", "one rank by SIGKILL", "torchrun by SIGTERM"])
def test_two_ranks_that_prepare(victim: str, cohort: Cohort, tmp_path: Path) -> None:
    _, marker = overlay(tmp_path, "train.yaml", SLOW_PREPARATION)
    both = str([str(CONFIGS / "train.yaml"), str(CONFIGS / "multi_gpu_train.yaml"), str(tmp_path / "slow.yaml")])
    options = SMALL | {"datalist": cohort.datalist, "output_dir": tmp_path / "run", "cache_dir": tmp_path / "store"}
    _, *words = bundle_command(both, device="cpu", **options)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", *words]
    number = signal.SIGKILL if "SIGKILL" in victim else signal.SIGTERM
    stopped = Stopped(command, marker, number, group=False, rank=1 if "rank" in victim else None)
    assert stopped.code != 0 and stopped.seconds < 60 and not stopped.left_over()
    ours = [line for line in stopped.messages if line.startswith(("stopped by", "process ", "error:"))]
    assert 1 <= len(ours) <= 2, stopped.err
    assert "site-packages/monai" not in stopped.err and "monai_fusion/" not in stopped.err, stopped.err
