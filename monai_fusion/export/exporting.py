"""From a run folder to a file or a folder for others: written beside its place, checked, and only then put there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from monai_fusion.causes import causes_of
from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.export.destination import FORMATS, Destination
from monai_fusion.export.facts import Facts, facts_of
from monai_fusion.export.parity import TOLERANCE, Case, Compute, cases, difference, refuse_other_numbers
from monai_fusion.export.trained_run import TrainedRun, read_trained_run
from monai_fusion.files import is_full
from monai_fusion.wording import counted

_NEEDS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "hub": ("safetensors",)}


def _refuse_missing_libraries(format_: str) -> None:
    """See that what a format needs is installed.

    Raises:
        InputError: A library is missing.
    """
    if missing := [name for name in _NEEDS.get(format_, ()) if find_spec(name) is None]:
        seen = f"needs {' and '.join(missing)}, which {'are' if missing[1:] else 'is'} not installed"
        raise InputError(Problem(f"--format {format_}", seen=seen, advice='pip install "monai-fusion[export]"'))


def export_run(
    folder: Path, destination: Destination, trusted_modules: Sequence[str], tell: Callable[[str], None]
) -> None:
    """Export a trained model.

    Args:
        folder: The run folder, or the folder of a fold ensemble.
        destination: The format, and where it is written.
        trusted_modules: Modules of networks and transforms of one's own.
        tell: Gets the lines for the user.

    Raises:
        InputError: The model cannot be exported, or the place cannot be written to.
        RunFailed: The exported network gives other numbers than PyTorch; nothing is written.
    """
    _refuse_missing_libraries(destination.format)
    run = read_trained_run(folder, trusted_modules)
    if run.left_out:
        names = ", ".join(run.left_out)
        tell(f"not handed on: {counted(len(run.left_out), 'knob')} of a config of your own with text ({names})")
    facts = facts_of(run)
    with _beside(destination.path) as work:
        made = work / destination.path.name
        _write_and_check(destination.format, run, facts, made, tell)
        finished = work / "finished.zip" if destination.format == "bundle" else made
        size = sum(each.stat().st_size for each in [finished, *finished.rglob("*")] if each.is_file())
        destination.put(finished)
    shapes = ", ".join(f"{name} [batch, {', '.join(map(str, shape))}]" for name, shape in run.input_shapes.items())
    tell(
        f"inputs: {shapes}{', present [batch, 2]' if run.takes_missing else ''}; {FORMATS[destination.format].purpose}"
    )
    tell(f"wrote {destination.path} ({size / 1e6:.1f} MB)")


def _write_and_check(format_: str, run: TrainedRun, facts: Facts, made: Path, tell: Callable[[str], None]) -> None:
    """Write the export, and compare what others read of it with PyTorch.

    Raises:
        InputError: The model cannot be exported.
        RunFailed: The numbers differ.
    """
    if format_ == "onnx":
        from monai_fusion.export import onnx_file

        onnx_file.write_onnx(run, facts, made)
        people = list(cases(run))
        _check(people, onnx_file.computed_by(made), "onnxruntime", tell)
        some = [people[1], *people[-1:]]  # the same graph, cut: what is new is who has which recording
        _check(some, onnx_file.computed_in_parts(made, run), "onnxruntime, encoders and head apart,", tell)
    elif format_ == "torch-export":
        from monai_fusion.export import torch_program

        torch_program.write_program(run, facts, made)
        _check(cases(run), torch_program.computed_by_program(made), "torch.export", tell)
    elif format_ == "hub":
        from monai_fusion.export import hub_folder

        hub_folder.write_hub_folder(run, facts, made)
        _check(cases(run), hub_folder.computed_by_folder(made, run), "model.safetensors", tell)
    else:
        from monai_fusion.export import bundle_zip, hub_folder

        models = bundle_zip.write_bundle_folder(run, facts, made)
        _check(cases(run), hub_folder.computed_by_folder(models, run), "models/model.pt", tell)
        bundle_zip.zip_folder(made, made.with_name("finished.zip"))


def _check(people: Iterable[Case], compute: Compute, by: str, tell: Callable[[str], None]) -> None:
    tell(f"{by} against PyTorch, largest absolute difference (allowed: {TOLERANCE:g}):")
    found = []
    for case in people:
        found.append(difference(case, compute))
        tell(f"  {case.title}: {', '.join(f'{name} {value:.1e}' for name, value in found[-1].largest.items())}")
    refuse_other_numbers(found, by)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A folder beside a path, which is gone afterwards.

    Raises:
        InputError: It cannot be made.
        RunFailed: The disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".export.", dir=path.parent))
    except OSError as error:
        raise InputError(Problem("--out", seen=f"{path}: {error.strerror}", wanted="a place to write to")) from None
    try:
        yield work
    except Exception as error:
        if not any(map(is_full, causes_of(error))):
            raise
        advice = "free some space, twice the model's size, or name another place: --out PATH"
        raise RunFailed(f"no space left to write to: {path}", advice) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
