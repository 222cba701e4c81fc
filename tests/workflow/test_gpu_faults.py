"""What goes wrong with a GPU is one short message. The texts are torch's and CUDA's own; no GPU is needed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from monai_fusion.data import DeviceLoader, FusionDataset, Preprocessing
from monai_fusion.datalist import ParticipantRecord
from monai_fusion.errors import InputError, RunFailed
from monai_fusion.networks import MRIEncoder
from monai_fusion.transforms import LoadScalogramd, LoadVolumed
from monai_fusion.workflow import gpu_reasons
from monai_fusion.workflow.gpu_memory import small_gpu_warning, warn_of_small_gpu
from monai_fusion.workflow.gpu_reasons import check_device, memory_failure_behind, of_gpu, reason_without_gpu
from monai_fusion.workflow.reasons import failure_behind
from tests.support import EEG_SHAPE

GIB = 2**30
FULL_SIZE = (96, 128, 128)
REST = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be"
    " incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with `TORCH_USE_CUDA_DSA` to enable"
    " device-side assertions."
)
FAULTS = {
    "CUDA error: no kernel image is available for execution on the device": ("no program for this GPU", "--device cpu"),
    "CUDA error: unspecified launch failure": ("the GPU stopped working", "--resume true"),
    "CUDA error: the launch timed out and was terminated": ("the GPU stopped working", "nvidia-smi"),
    "CUDA error: uncorrectable ECC error encountered": ("the GPU stopped working", "nvidia-smi"),
    "CUDA error: unknown error": ("the GPU stopped working", "nvidia-smi"),
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable": ("the GPU cannot be used", "which program"),
    "CUDA error: device-side assert triggered": ("a computation on the GPU failed", "CUDA_LAUNCH_BLOCKING=1"),
    "CUDA error: an illegal memory access was encountered": ("a computation on the GPU failed", "--device cpu"),
}


@pytest.mark.parametrize("text", FAULTS)
@pytest.mark.parametrize("kind", [RuntimeError, torch.AcceleratorError])
def test_a_fault_of_the_gpu_is_one_message_with_what_to_do(kind: type[RuntimeError], text: str) -> None:
    wrapped = RuntimeError("MONAI failed to evaluate an expression")
    wrapped.__cause__ = kind(text + REST)
    failure = failure_behind(wrapped)
    assert isinstance(failure, RunFailed) and len(failure.lines) == 2
    what, advice = FAULTS[text]
    assert what in failure.lines[0] and text in failure.lines[0] and advice in failure.lines[1]
    assert "asynchronously" not in str(failure)


@pytest.mark.parametrize(
    "error", [RuntimeError("unspecified launch failure"), ValueError("CUDA error: unknown error"), RuntimeError("CUDA")]
)
def test_other_errors_are_not_taken_for_a_fault_of_the_gpu(error: BaseException) -> None:
    assert of_gpu(error) is None


def test_a_network_that_does_not_fit_is_reported_before_the_first_batch() -> None:
    error = RuntimeError("config: failed to evaluate '@network_def.to(torch.device(@device))'")
    error.__cause__ = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    failure = memory_failure_behind(error)
    assert (
        isinstance(failure, InputError) and "not even the network fits" in str(failure) and "nvidia-smi" in str(failure)
    )
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert "GPU" not in str(memory_failure_behind(caught.value))
    assert memory_failure_behind(RuntimeError("else")) is None


NO_GPU = {
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver": "too old",
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU": "no NVIDIA driver",
    "No CUDA GPUs are available": "CUDA_VISIBLE_DEVICES",
    "CUDA unknown error - this may be due to an incorrectly set up environment": "CUDA unknown error",
}


@pytest.mark.parametrize("text", NO_GPU)
def test_why_there_is_no_gpu_is_told(text: str) -> None:
    assert NO_GPU[text] in reason_without_gpu(text)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with one GPU, as far as torch counts."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


def test_a_gpu_that_does_not_exist_is_refused_with_those_that_do(
    one_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="--device: cuda:7, expected cuda:0 or cuda, the only GPU"):
        check_device("cuda:7")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(InputError, match="--device: cuda:7, expected cuda:0 to cuda:3"):
        check_device("cuda:7")
    for value in ("gpu0", None, 1.5):
        with pytest.raises(InputError, match="expected cpu, cuda or cuda:NUMBER"):
            check_device(value)  # type: ignore[arg-type] # as a config may have it


@pytest.mark.parametrize("device", ["meta", "mps", "xpu", "hpu"])
def test_a_device_that_torch_names_and_this_machine_lacks_is_refused(device: str) -> None:
    if getattr(getattr(torch, device, None), "is_available", lambda: False)():
        pytest.skip(f"this machine has {device}")
    with pytest.raises(InputError) as caught:
        check_device(device)
    wanted = "cpu, cuda or cuda:NUMBER"
    assert str(caught.value) == f"--device: {device}, with which torch cannot compute here, expected {wanted}"


def test_a_machine_without_a_gpu_says_so_when_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        InputError, match=r"--device: cuda, expected cpu: (this torch was built|torch finds no GPU|the NVIDIA)"
    ):
        check_device("cuda")
    check_device("cpu")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.AcceleratorError("CUDA error: no kernel image is available" + REST), "no program for this GPU"),
        (torch.AcceleratorError("CUDA error: out of memory" + REST), "cuda has no memory left"),
        (torch.OutOfMemoryError("CUDA out of memory."), "cuda has no memory left"),
    ],
)
def test_a_gpu_that_cannot_compute_is_refused_before_anything_is_prepared(
    one_gpu: None, monkeypatch: pytest.MonkeyPatch, error: RuntimeError, message: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(gpu_reasons.torch, "ones", fail)
    with pytest.raises(InputError, match=message) as caught:
        check_device("cuda")
    assert len(str(caught.value).splitlines()) == 1
    check_device("cuda", use=False)  # one of several processes has not chosen its GPU yet


# --- memory -------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "measured"), [(4, 2.4), (16, 8.4), (32, 18.3)])
def test_the_estimate_is_near_what_was_measured(batch: int, measured: float) -> None:
    """In bfloat16, with half a GiB for CUDA itself; the larger of both stages."""
    enough, too_little = (1.2 * measured + 0.5, 0.9 * measured + 0.5)
    assert not small_gpu_warning(int(enough * GIB), 80 * GIB, "bfloat16", batch, FULL_SIZE)
    assert small_gpu_warning(int(too_little * GIB), 80 * GIB, "bfloat16", batch, FULL_SIZE)


def test_a_card_of_6_gb_is_told_which_knob_to_turn() -> None:
    assert not small_gpu_warning(int(5.5 * GIB), 6 * GIB, "bfloat16", 4, FULL_SIZE)
    text = small_gpu_warning(int(5.5 * GIB), 6 * GIB, "bfloat16", 16, FULL_SIZE)
    assert text == (
        "a batch of 16 takes about 9.3 GiB of GPU memory, and 5.5 of 6.0 GiB are free: --batch_size 8 would fit, with"
        " --accumulation_steps 2 for the same step"
    )
    assert not small_gpu_warning(int(5.5 * GIB), 6 * GIB, "bfloat16", 8, FULL_SIZE)  # it does


def test_several_gpus_share_a_batch() -> None:
    assert not small_gpu_warning(int(5.5 * GIB), 6 * GIB, "bfloat16", 16, FULL_SIZE, processes=2)
    text = small_gpu_warning(int(5.5 * GIB), 6 * GIB, "bfloat16", 32, FULL_SIZE, processes=2)
    assert text.startswith("a batch of 16 on each GPU takes about 9.3 GiB")
    assert "--batch_size 16 would fit, with --accumulation_steps 2" in text


def test_training_data_on_the_gpu_leave_less_for_the_steps(
    tiny_records: tuple[ParticipantRecord, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the CPU in the place of the GPU for the data: 4 GiB that are reserved count as free if they are not data."""
    preprocessing = Preprocessing([LoadScalogramd(shape=EEG_SHAPE)], [LoadVolumed()], tmp_path / "store")
    loader = DeviceLoader(FusionDataset(tiny_records, preprocessing, progress=False), "cpu", 2)
    network = SimpleNamespace(mri_enc=MRIEncoder(pretrained=False))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (GIB, 6 * GIB))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: 4 * GIB)
    warn_of_small_gpu(network, "cuda", "bfloat16", 4, FULL_SIZE, loader)
    assert not caplog.records
    large = SimpleNamespace(nbytes=3 * GIB)
    monkeypatch.setattr(loader, "memory", lambda: [large])
    warn_of_small_gpu(network, "cuda", "bfloat16", 4, FULL_SIZE, loader)
    (record,) = caplog.records
    assert "2.0 of 6.0 GiB are free: --batch_size 1 would fit" in record.getMessage()
    assert record.getMessage().endswith("; --device_data false would free 3.0 GiB, which the training data take")


def test_a_card_that_others_fill_is_told_so() -> None:
    text = small_gpu_warning(GIB, 24 * GIB, "float32", 4, FULL_SIZE)
    assert "1.0 of 24.0 GiB are free" in text and "--batch_size 1, --precision auto, a smaller --mri_size" in text


def test_nothing_is_said_of_a_cpu_or_of_networks_whose_memory_is_not_known() -> None:
    warn_of_small_gpu(None, "cpu", "float32", 4, FULL_SIZE)
    warn_of_small_gpu(torch.nn.Identity(), "cuda", "float32", 4, FULL_SIZE)
