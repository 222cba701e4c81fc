"""``monai-fusion preprocess`` and ``monai-fusion cache``, through the command line."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from monai_fusion.cli import main
from monai_fusion.datalist import ParticipantRecord
from tests.support import EEG_SHAPE, write_datalist

CONFIGS = Path(__file__).parents[2] / "bundles" / "brain_eeg_mri_classification" / "configs"
SMALL = ["--eeg-shape", ",".join(map(str, EEG_SHAPE)), "--mri-size", "6,6,6", "--slab-depth", "4"]


@pytest.fixture
def datalist(tiny_records: tuple[ParticipantRecord, ...], tmp_path: Path) -> Path:
    rows = []
    for record in tiny_records:
        assert record.mri is not None
        for path in record.files:
            os.utime(path, (time.time() - 60,) * 2)
        label = "MF"[record.label or 0]
        eeg = [path.name for path in record.eeg]
        rows.append({"participant_id": record.participant_id, "label": label, "eeg": eeg, "mri": record.mri.name})
    return write_datalist(tmp_path / "list.json", {"training": rows[:3], "validation": [], "test": rows[3:]})


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def fill(datalist: Path, store: Path, *more: object) -> int:
    return run("preprocess", datalist, "--cache-dir", store, "--backend", "threads", *SMALL, *more)


def test_preprocess_prepares_once_and_reuses(datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fill(datalist, store) == 0
    assert capsys.readouterr().out.startswith("prepared 14, reused 0, ")
    assert fill(datalist, store, "--workers", 1) == 0
    assert capsys.readouterr().out.startswith("prepared 0, reused 14, ")
    assert fill(datalist, store, "--mri-store-dtype", "uint16") == 0
    assert capsys.readouterr().out.startswith("prepared 4, reused 10, ")


def test_preprocess_shows_progress_with_a_rate_and_the_time_left(
    datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(datalist, store)
    shown = capsys.readouterr().err
    assert "preparing MRI" in shown and "/4 [" in shown and "file/s" in shown


def test_wrong_recordings_end_with_exit_code_2_after_the_others_are_prepared(
    datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (datalist.parent / "sub-01_T1w.nii.gz").write_bytes(b"no volume")
    assert fill(datalist, store) == 2
    shown = capsys.readouterr().err
    assert "sub-01" in shown and "mri: a text, expected" in shown and "Traceback" not in shown
    assert len(list(store.rglob("*.npy"))) == 13


@pytest.mark.parametrize(
    "options",
    [
        ["--backend", "cloud"],
        ["--backend", "dask"],
        ["--scheduler", "tcp://127.0.0.1:1"],
        ["--mri-size", "6,6"],
        ["--orientation", "XYZ"],
        ["--mri-store-dtype", "uint8"],
        ["--config-file", "nowhere.yaml"],
    ],
)
def test_wrong_options_are_one_message_and_exit_code_2(
    datalist: Path, store: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fill(datalist, store, *options) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and "Traceback" not in shown and not store.exists()


def test_a_store_that_cannot_be_written_is_reported_before_anything_is_prepared(
    datalist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "file"
    place.write_text("mine", encoding="utf-8")
    assert fill(datalist, place) == 2
    shown = capsys.readouterr().err
    assert shown == f"error: --cache-dir: {place}: a file, expected the folder of a store\n"
    for command in (("status",), ("verify",), ("prune", "--older-than", "1d")):
        assert run("cache", *command, "--cache-dir", place) == 2
        assert "a file, expected the folder of a store" in capsys.readouterr().err
    assert fill(datalist, place / "below") == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: --cache-dir: {place / 'below'}: ")
    assert shown.endswith(", expected a folder to write to\n")
    assert place.read_text(encoding="utf-8") == "mine"


def test_a_config_defines_how_to_preprocess(datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text(encoding="utf-8"))
    config |= {"eeg_shape": list(EEG_SHAPE), "mri_size": [6, 6, 6], "slab_depth": 4}
    own = datalist.parent / "own.yaml"
    own.write_text(yaml.safe_dump(config), encoding="utf-8")
    fill(datalist, store)
    capsys.readouterr()
    assert run("preprocess", datalist, "--cache-dir", store, "--backend", "threads", "--config-file", own) == 0
    assert capsys.readouterr().out.startswith("prepared 0, reused 14, ")


def test_an_overlay_adds_a_users_own_transform(datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(datalist, store)
    capsys.readouterr()
    overlay = datalist.parent / "overlay.yaml"
    overlay.write_text("+mri_preprocessing: [{_target_: tests.support.AddOne}]\n", encoding="utf-8")
    assert fill(datalist, store, "--config-file", overlay) == 0
    assert capsys.readouterr().out.startswith("prepared 4, reused 10, ")
    overlay.write_text("+mri_preprocessing: [{_target_: tests.support.NotThere}]\n", encoding="utf-8")
    assert fill(datalist, store, "--config-file", overlay) == 2
    shown = capsys.readouterr().err
    assert str(overlay) in shown and "tests.support.NotThere" in shown and "Traceback" not in shown


def test_status_names_chains_entries_bytes_and_the_hit_rate(
    datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(datalist, store)
    capsys.readouterr()
    assert run("cache", "status", "--cache-dir", store) == 0
    shown = capsys.readouterr().out
    assert "14 entries" in shown and "LoadScalogramd(shape=8x10x3) > ZScoreElectrodesd()" in shown
    assert "0 of 14 files reused (0 %)" in shown and "KB" in shown
    assert run("cache", "status", "--cache-dir", store.with_name("nowhere")) == 0
    assert "0 entries" in capsys.readouterr().out


def test_programs_read_status_and_verification_as_json(
    datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(datalist, store)
    capsys.readouterr()
    assert run("cache", "status", "--cache-dir", store, "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert status["entries"] == 14 == sum(chain["entries"] for chain in status["chains"])
    assert status["bytes"] == sum(path.stat().st_size for path in store.rglob("*.npy"))
    assert status["last_run"]["files"] == 14
    entry = next(store.rglob("*.npy"))
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    assert run("cache", "verify", "--cache-dir", store, "--datalist", datalist, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"] and found["checked"] == 14 and list(found["damaged"]) == [str(entry)]
    assert found["hashed"] == 14 and found["replaced"] == found["unreadable"] == []


def test_looking_into_the_store_does_not_wait_for_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom monai_fusion.cli import main\n"
        f"try: main(['cache', 'status', '--cache-dir', {str(tmp_path)!r}])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'monai'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_verify_finds_and_removes_damage(datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(datalist, store)
    assert run("cache", "verify", "--cache-dir", store, "--datalist", datalist) == 0
    assert "14 entries checked, 0 damaged; 14 recordings hashed, 0 replaced" in capsys.readouterr().out
    entry = next(store.rglob("*.npy"))
    entry.write_bytes(entry.read_bytes()[:140] + bytes(8) + entry.read_bytes()[148:])
    assert run("cache", "verify", "--cache-dir", store) == 1
    assert f"damaged, removed: {entry}" in capsys.readouterr().out and not entry.exists()
    assert run("cache", "verify", "--cache-dir", store) == 0


def test_prune_is_a_dry_run_first(datalist: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(datalist, store)
    capsys.readouterr()
    assert run("cache", "prune", "--cache-dir", store, "--max-size", "0GB") == 0
    assert "would remove 14 of 14 entries" in capsys.readouterr().out
    assert len(list(store.rglob("*.npy"))) == 14
    assert run("cache", "prune", "--cache-dir", store, "--older-than", "30d", "--delete") == 0
    assert "removed 0 of 14 entries" in capsys.readouterr().out
    assert run("cache", "prune", "--cache-dir", store, "--max-size", "0", "--delete") == 0
    assert "removed 14 of 14 entries" in capsys.readouterr().out
    assert not list(store.rglob("*.npy"))


@pytest.mark.parametrize("options", [[], ["--older-than", "soon"], ["--max-size", "much"]])
def test_prune_refuses_what_it_does_not_understand(
    store: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("cache", "prune", "--cache-dir", store, *options) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """A Dask cluster on this machine: a scheduler and two workers, each a process of its own."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    worker += ["--local-directory", str(tmp_path / "dask")]
    processes = [
        subprocess.Popen(each, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for each in (command, worker, worker)
    ]
    yield address
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(20)


@pytest.mark.slow
def test_two_dask_workers_do_the_same_work_as_threads(
    datalist: Path, store: Path, scheduler: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import distributed

    with distributed.Client(scheduler, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    (datalist.parent / "sub-01_T1w.nii.gz").write_bytes(b"no volume")
    dask = ["--backend", "dask", "--scheduler", scheduler]
    assert run("preprocess", datalist, "--cache-dir", store, *dask, *SMALL) == 2
    assert "mri: a text, expected" in capsys.readouterr().err
    entries = {path.name: path.read_bytes() for path in store.rglob("*.npy")}
    assert len(entries) == 13
    other = store.with_name("other")
    assert fill(datalist, other) == 2
    assert {path.name: path.read_bytes() for path in other.rglob("*.npy")} == entries
