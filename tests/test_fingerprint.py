import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xxhash
from monai.transforms import Compose, RandFlipd, ScaleIntensityd, ScaleIntensityRangePercentilesd

from monai_fusion.fingerprint import content_hash, describe_chain, digest_of
from monai_fusion.transforms import LoadVolumed, RandInPlaneRotated, ResampleSlabd, ScaleIntensityPercentilesd
from tests.support import AddOne, load_second_version, write_volume


def digest(*transforms: object) -> str:
    return digest_of(describe_chain(transforms))


def standard_chain(size: int = 8) -> list[object]:
    return [LoadVolumed(), ScaleIntensityPercentilesd(), ResampleSlabd(size=(size,) * 3, depth=4)]


def test_content_hash_is_xxh3_128_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # longer than one read
    (tmp_path / "file").write_bytes(content)
    assert content_hash(tmp_path / "file") == xxhash.xxh3_128_hexdigest(content)


def test_equal_chains_have_equal_digests() -> None:
    assert digest(*standard_chain()) == digest(*standard_chain())


def test_a_changed_parameter_changes_the_digest() -> None:
    assert digest(*standard_chain(8)) != digest(*standard_chain(9))


def test_the_order_of_the_transforms_matters() -> None:
    chain = standard_chain()
    assert digest(*chain) != digest(*reversed(chain))


def test_a_parameter_deep_inside_a_monai_transform_changes_the_digest() -> None:
    first, second = (
        ScaleIntensityRangePercentilesd("mri", lower=1, upper=upper, b_min=0, b_max=1) for upper in (99, 98)
    )
    assert digest(first) != digest(second)


@pytest.mark.parametrize("number", [np.int64(8), 8])
def test_numpy_and_python_numbers_are_the_same_parameter(number: int) -> None:
    assert digest(ResampleSlabd(size=(number,) * 3, depth=4)) == digest(ResampleSlabd(size=(8, 8, 8), depth=4))


def test_a_monai_transform_has_the_same_digest_in_every_process() -> None:
    """Its ``dtype`` is a class of NumPy's: where it lies in memory does not count."""
    code = (
        "from monai.transforms import ScaleIntensityd\n"
        "from monai_fusion.fingerprint import describe_chain, digest_of\n"
        "print(digest_of(describe_chain([ScaleIntensityd('mri')])))"
    )
    command = [sys.executable, "-c", code]
    digests = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert digests == [f"{digest_of(describe_chain([ScaleIntensityd('mri')]))}\n"] * 2


def with_names(names: np.ndarray) -> AddOne:
    transform = AddOne()
    transform.names = names  # type: ignore[attr-defined] # a parameter that it has here alone
    return transform


def test_an_array_of_objects_counts_by_what_it_holds() -> None:
    arrays = (np.array(names, dtype=object) for names in ([["a", None]], [["a", None]], ["a", None]))
    first, second, other = map(with_names, arrays)
    assert digest_of(describe_chain([first])) == digest_of(describe_chain([second]))
    assert digest_of(describe_chain([first])) != digest_of(describe_chain([other]))


def test_a_raised_version_changes_the_digest() -> None:
    before = digest(LoadVolumed())
    names = {"__module__": LoadVolumed.__module__, "__qualname__": LoadVolumed.__qualname__}
    raised = type("LoadVolumed", (LoadVolumed,), {**names, "version": LoadVolumed.version + 1})
    assert digest(type("LoadVolumed", (LoadVolumed,), names)()) == before
    assert digest(raised()) != before


def test_changed_source_of_a_users_own_transform_changes_the_digest(tmp_path: Path) -> None:
    other = load_second_version(AddOne, tmp_path, "+ 1", "+ 2")
    assert other.__qualname__ == AddOne.__qualname__
    described, described_other = (describe_chain([cls()])["transforms"][0]["code"] for cls in (AddOne, other))
    assert described != described_other


def test_being_composed_does_not_change_the_digest_of_a_random_transform() -> None:
    chain = [RandFlipd("mri", prob=0.5), RandInPlaneRotated()]
    before = digest(*chain)
    Compose(chain).set_random_state(seed=3)
    assert digest(*chain) == before != digest(RandFlipd("mri", prob=0.4), RandInPlaneRotated())


def test_having_been_used_does_not_change_the_digest(tmp_path: Path) -> None:
    chain = Compose(standard_chain())
    before = digest(*chain.transforms)
    chain({"mri": str(write_volume(tmp_path / "volume.nii.gz", 0))})
    assert digest(*chain.transforms) == before


USERS_MODULE = """
FACTOR = 2
def helper(x):
    return x * FACTOR
class Base:
    def apply(self, x):
        return helper(x)
class Own(Base):
    def __call__(self, data):
        return {**data, "mri": (lambda x: self.apply(x))(data["mri"])}
def unrelated():
    return 1
"""


def users_code_version(text: str, folder: Path, name: str) -> object:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    try:
        return describe_chain([module.Own()])["transforms"][0]["code"]
    finally:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("old", "new", "matters"),
    [
        ("x * FACTOR", "x + FACTOR", True),
        ("FACTOR = 2", "FACTOR = 3", True),
        ("return helper(x)", "return helper(x) + 1", True),
        ("return 1", "return 2", False),
    ],
    ids=["a helper", "a constant", "a base class", "something it does not use"],
)
def test_what_a_users_transform_refers_to_counts(old: str, new: str, matters: bool, tmp_path: Path) -> None:
    assert old in USERS_MODULE
    before = users_code_version(USERS_MODULE, tmp_path, "users_first")
    after = users_code_version(USERS_MODULE.replace(old, new), tmp_path, "users_second")
    assert (before != after) is matters
