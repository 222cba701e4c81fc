"""Which number format a training computes in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.precision import autocast, cpu_multiplies_bfloat16, resolve_precision


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_precision_that_is_named_is_taken(precision: str) -> None:
    assert resolve_precision(precision, "cpu") == precision


def test_auto_is_bfloat16_only_where_the_cpu_multiplies_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for capable, chosen in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr("monai_fusion.precision.cpu_multiplies_bfloat16", lambda capable=capable: capable)
        assert resolve_precision("auto", "cpu") == chosen


def test_a_cpu_that_emulates_bfloat16_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for capable in (True, False):
        monkeypatch.setattr("monai_fusion.precision.cpu_multiplies_bfloat16", lambda capable=capable: capable)
        caplog.clear()
        assert resolve_precision("bfloat16", "cpu") == "bfloat16"
        assert ("this CPU emulates it" in caplog.text) is not capable


def test_the_cpus_own_flags_say_whether_it_multiplies_bfloat16() -> None:
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        pytest.skip("this system does not list the CPU's flags")
    assert cpu_multiplies_bfloat16() == bool(flags & {"avx512_bf16", "amx_bf16"})


def test_each_gpu_of_a_machine_is_asked_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuda:0 is an old display card, and torch's current device; torch answers for the current one."""
    current = [0]

    @contextmanager
    def device(chosen: object) -> Iterator[None]:
        before, current[0] = current[0], torch.device(str(chosen)).index or 0
        yield
        current[0] = before

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: current[0] == 1)
    assert [resolve_precision("auto", each) for each in ("cuda", "cuda:0", "cuda:1")] == [*["float16"] * 2, "bfloat16"]
    assert current == [0]


def test_what_a_device_cannot_do_is_refused() -> None:
    with pytest.raises(InputError, match="--precision: float16, expected bfloat16 or float32"):
        resolve_precision("float16", "cpu")
    with pytest.raises(InputError, match="one of auto, float32, bfloat16, float16"):
        resolve_precision("half", "cpu")


def test_the_context_computes_in_the_precision() -> None:
    layer, x = torch.nn.Linear(4, 4), torch.rand(2, 4)
    with autocast("bfloat16", "cpu"):
        assert layer(x).dtype == torch.bfloat16
    with autocast("float32", torch.device("cpu")):
        assert layer(x).dtype == torch.float32
