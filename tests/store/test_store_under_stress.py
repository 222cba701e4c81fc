"""Processes that fill one store together, are killed, meet a full or read-only disk."""

import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_fusion.cli import main
from monai_fusion.data import MRIDataset
from monai_fusion.store.maintenance import choose_for_pruning, prune, status_of, verify
from monai_fusion.store.preparing import PreparationChain
from monai_fusion.store.runners import Threads
from monai_fusion.store.stored_chain import StoredChain
from monai_fusion.transforms import LoadVolumed, ResampleSlabd, ScaleIntensityPercentilesd
from tests.support import mri_dataset, write_datalist, write_volume

pytestmark = pytest.mark.skipif(os.name == "nt", reason="these tests fork")
resource = pytest.importorskip("resource")
FORK = multiprocessing.get_context("fork") if os.name != "nt" else None
FILES = 12


def items(folder: Path, count: int = FILES, shape: tuple[int, int, int] = (9, 10, 11)) -> list[dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    paths = [write_volume(folder / f"s{number}_T1w.nii", number, shape) for number in range(count)]
    for path in paths:
        os.utime(path, (time.time() - 60,) * 2)
    return [{"mri": str(path), "participant_id": path.name.split("_")[0]} for path in paths]


def dataset(data: list[dict[str, Any]], store: Path | None, side: int = 6, workers: int = 1) -> MRIDataset:
    chain = [LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd(size=(side,) * 3, depth=side)]
    return mri_dataset(data, chain, store, runner=Threads(workers))


def volumes(filled: MRIDataset) -> list[np.ndarray]:
    return [filled[index]["mri"].numpy().copy() for index in range(len(filled))]


def forked(work: Callable[..., None], *arguments: Any) -> Any:
    assert FORK is not None
    process = FORK.Process(target=work, args=arguments)
    process.start()
    return process


def _fill_slowly(data: list[dict[str, Any]], store: Path, log: Path, all_there: Any) -> None:
    """Fill the store, writing a line for each computation; 20 ms each, and all start together, so that they overlap."""
    compute = PreparationChain.compute

    def logged(self: PreparationChain, item: Any) -> np.ndarray:
        with log.open("a") as stream:
            stream.write(f"{Path(os.fspath(item['mri'])).name}\n")
        time.sleep(0.02)
        return compute(self, item)

    PreparationChain.compute = logged  # type: ignore[method-assign] # in a forked process of its own
    all_there.wait(60)
    filled = dataset(data, store)
    report = {**vars(filled.report), "sum": float(sum(volume.sum() for volume in volumes(filled)))}
    log.with_suffix(f".{os.getpid()}").write_text(json.dumps(report))


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_that_fill_one_store_share_the_work(tmp_path: Path, processes: int) -> None:
    data = items(tmp_path / "data")
    log = tmp_path / "log"
    assert FORK is not None
    all_there = FORK.Barrier(processes)
    running = [forked(_fill_slowly, data, tmp_path / "store", log, all_there) for _ in range(processes)]
    for process in running:
        process.join(60)
        assert process.exitcode == 0
    computed = Counter(log.read_text().split())
    assert len(computed) == FILES
    assert sum(computed.values()) <= FILES + 1  # one file may be computed twice, where a claim was broken unluckily
    reports = [json.loads(path.read_text()) for path in tmp_path.glob("log.*")]
    assert len(reports) == processes and sum(report["prepared"] > 0 for report in reports) >= 2
    assert all(report["prepared"] + report["reused"] == FILES for report in reports)
    expected = float(sum(volume.sum() for volume in volumes(dataset(data, None))))
    assert all(report["sum"] == pytest.approx(expected, abs=1e-3) for report in reports)
    assert verify(tmp_path / "store").sound
    assert not list((tmp_path / "store").rglob("*.claim"))


def _fill(data: list[dict[str, Any]], store: Path) -> None:
    dataset(data, store, side=48)


def test_after_any_kill_every_entry_is_absent_or_right(tmp_path: Path) -> None:
    data = items(tmp_path / "data", shape=(30, 31, 32))
    store = tmp_path / "store"
    started = time.perf_counter()
    expected = volumes(dataset(data, tmp_path / "undisturbed", side=48))
    duration = time.perf_counter() - started
    chance = random.Random(0)
    found: list[int] = []
    for _ in range(20):
        shutil.rmtree(store, ignore_errors=True)
        process = forked(_fill, data, store)
        time.sleep(chance.uniform(0, 1.2) * duration)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert not verify(store).damaged
        found.append(len(status_of(store).entries))
        filled = dataset(data, store, side=48)  # continues at once: it breaks the claim of the killed process
        assert filled.report.reused == found[-1] and filled.report.prepared == FILES - found[-1]
        np.testing.assert_array_equal(volumes(filled), expected)
    assert len(set(found)) > 3, "the kills did not fall into the filling"


def _fill_with_little_disk(data: list[dict[str, Any]], store: Path, result: Path) -> None:
    """Every file may hold 100 KB: writing an entry fails half-way, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    filled = dataset(data, store, side=48)
    result.write_text(f"{filled.report.unstored} {sum(volume.sum() for volume in volumes(filled)):.3f}")


def test_an_entry_that_could_not_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    data = items(tmp_path / "data", 3, (30, 31, 32))
    process = forked(_fill_with_little_disk, data, tmp_path / "store", tmp_path / "result")
    process.join(60)
    assert process.exitcode == 0
    unstored, total = (tmp_path / "result").read_text().split()
    expected = sum(volume.sum() for volume in volumes(dataset(data, None, side=48)))
    assert unstored == "3" and float(total) == pytest.approx(float(expected), rel=1e-6)
    left = [path for path in (tmp_path / "store").rglob("*") if path.suffix in (".npy", ".part", ".claim")]
    assert not left and verify(tmp_path / "store").sound


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_the_run_continues_uncached_and_reports_it_once(
    tmp_path: Path, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = items(tmp_path / "data", shape=(30, 31, 32))
    filled = dataset(data, small_disk / "store", side=48)  # 12 entries of 440 KB
    assert 0 < filled.report.unstored < FILES == filled.report.prepared
    np.testing.assert_array_equal(volumes(filled), volumes(dataset(data, None, side=48)))
    warned = [record.getMessage() for record in caplog.records if "without the store" in record.getMessage()]
    assert len(warned) == 1 and "No space left" in warned[0]
    assert verify(small_disk / "store").sound and not list(small_disk.rglob("*.part"))
    again = dataset(data, small_disk / "store", side=48)
    assert again.report.reused == FILES - filled.report.unstored


def test_preprocess_fails_if_it_could_not_store_every_file(
    tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"participant_id": each["participant_id"], "mri": Path(each["mri"]).name} for each in items(tmp_path, 2)]
    datalist = write_datalist(tmp_path / "list.json", {"training": [], "validation": [], "test": rows})
    words = [
        "--cache-dir",
        small_disk / "store",
        "--backend",
        "threads",
        "--mri-size",
        "96,96,96",
        "--slab-depth",
        "96",
    ]
    with pytest.raises(SystemExit) as ended:
        main(["preprocess", *map(str, [datalist, *words])])
    error = capsys.readouterr().err
    assert ended.value.code == 1, error
    assert f"error: {small_disk / 'store'}: 2 files could not be stored" in error


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach; pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _use_as_another_user(data: list[dict[str, Any]], store: Path, results: Any) -> None:
    if os.geteuid() == 0:
        os.setuid(65534)  # the user "nobody": root may write anywhere
    filled = dataset(data, store)
    results.put((vars(filled.report), volumes(filled)))


def test_a_read_only_store_is_used_for_hits_and_is_never_an_error(public_folder: Path) -> None:
    assert FORK is not None
    data = items(public_folder / "data")
    expected = volumes(dataset(data, None))
    store = public_folder / "store"
    dataset(data[:8], store)
    stale = next(store.rglob("chain.json")).with_name("0" * 32 + ".claim")
    stale.write_bytes(b"")
    for path in [store, *store.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    results = FORK.Queue()
    process = FORK.Process(target=_use_as_another_user, args=(data, store, results))
    process.start()
    report, seen = results.get(timeout=60)
    process.join(60)
    for path in [store, *store.rglob("*")]:
        path.chmod(0o755)
    assert (report["reused"], report["prepared"], report["unstored"]) == (8, 4, 4)
    np.testing.assert_array_equal(seen, expected)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def _read_all(folder: Path, contents: list[str], results: Any) -> None:
    """Go through a store with 40 files at most open, and measure what stays open and in memory."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    stored = StoredChain(folder, [])
    held = [stored.read(content) for content in contents[:100]]
    before, total = _anonymous_bytes(), 0.0
    for content in contents:
        array = stored.read(content)
        total += float("nan") if array is None else float(array.sum())
    grown = _anonymous_bytes() - before
    results.put((total, sum(array is not None for array in held), grown))


def _anonymous_bytes() -> int:
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc/self/status on this system")
def test_entries_that_were_read_neither_stay_open_nor_in_memory(tmp_path: Path) -> None:
    assert FORK is not None
    stored = StoredChain(tmp_path, [])
    contents = [f"{number:032x}" for number in range(200)]
    for content in contents:
        stored.write(content, np.full(100_000, 1.0, dtype=np.float32))
    results = FORK.Queue()
    process = forked(_read_all, tmp_path, contents, results)
    total, held, grown = results.get(timeout=30)
    process.join(30)
    assert (total, held) == (2e7, 100) and grown < 4e6  # of 80 MB


def _read_and_truncate(folder: Path, content: str, results: Any) -> None:
    stored = StoredChain(folder, [])
    before = stored.read(content)
    os.truncate(stored.entry(content), 1000)
    after = stored.read(content)
    results.put((None if before is None else float(before.sum()), after is None, stored.state(content)))


def test_an_entry_that_is_truncated_while_a_process_uses_it_does_no_harm(tmp_path: Path) -> None:
    assert FORK is not None
    StoredChain(tmp_path, []).write("0" * 32, np.full(500_000, 1.0, dtype=np.float32))
    results = FORK.Queue()
    process = forked(_read_and_truncate, tmp_path, "0" * 32, results)
    process.join(30)
    assert process.exitcode == 0  # a mapped file would end it with SIGBUS
    assert results.get(timeout=1) == (5e5, True, "damaged")


def _prune_for_ever(store: Path) -> None:
    while True:
        status = status_of(store)
        prune(status, choose_for_pruning(status, max_size=0))


def test_pruning_during_a_run_neither_ends_it_nor_spoils_its_numbers(tmp_path: Path) -> None:
    data = items(tmp_path / "data", 4)
    expected = volumes(dataset(data, None))
    process = forked(_prune_for_ever, tmp_path / "store")
    try:
        for _ in range(10):
            np.testing.assert_array_equal(volumes(dataset(data, tmp_path / "store")), expected)
    finally:
        process.kill()
        process.join()
    assert verify(tmp_path / "store").sound


@pytest.mark.slow
def test_random_faults_give_no_wrong_numbers_and_no_crash() -> None:
    driver = Path(__file__).parents[1] / "benchmarks" / "store_faults.py"
    ended = subprocess.run([sys.executable, driver, "--faults", "100", "--seed", "7"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
