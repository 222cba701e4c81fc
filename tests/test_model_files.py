"""A model's files are read the same way from a run folder and from the metadata of an ONNX file."""

import json
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_fusion.datalist.trained_model import read_trained_model
from monai_fusion.errors import InputError
from monai_fusion.model_files import (
    is_exported_file,
    place_in,
    read_model_json,
    read_model_object,
    read_model_text,
    weights_file,
)
from monai_fusion.onnx_metadata import NotOnnxError, hash_graph, read_metadata
from tests.message_parts import assert_parts
from tests.onnx_files import write_onnx

RECIPE = {"classes": ["M", "Fräulein"], "preprocessing": {}, "target": "gender", "modalities": "eeg"}


def test_a_text_is_read_from_a_folder_and_from_a_file(tmp_path: Path) -> None:
    text = json.dumps(RECIPE, ensure_ascii=False)
    (tmp_path / "recipe.json").write_text(text, encoding="utf-8")
    path = write_onnx(tmp_path / "model.onnx", {"recipe.json": text, "empty": ""})
    for model in (tmp_path, path):
        assert read_model_text(model, "recipe.json") == text
        assert read_model_json(model, "recipe.json") == RECIPE == read_model_object(model, "recipe.json")
        assert read_model_text(model, "manifest.json") is None and read_model_object(model, "manifest.json") is None
        with pytest.raises(FileNotFoundError):
            read_model_json(model, "manifest.json")
        found = read_trained_model(model) if model == path else None
        assert found is None or (found.classes, found.modalities) == (("M", "Fräulein"), "eeg")
    assert read_model_text(path, "empty") == ""
    assert read_model_text(tmp_path / "nowhere", "recipe.json") is None
    assert read_model_text(tmp_path / "nowhere.onnx", "recipe.json") is None
    assert place_in(path, "recipe.json") == f"recipe.json in {path}"
    assert is_exported_file(path) and not is_exported_file(tmp_path)


def test_the_weights_are_not_read_for_a_text_and_no_library_is_imported(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "large.onnx", {"recipe.json": "{}"}, weights=200_000_000)
    started = time.process_time()
    assert read_model_text(path, "recipe.json") == "{}"
    assert time.process_time() - started < 0.05
    code = (
        "import sys; from monai_fusion.model_files import read_model_text\n"
        f"assert read_model_text({str(path)!r}, 'recipe.json') == '{{}}'\n"
        "assert not {'torch', 'onnx', 'google.protobuf', 'onnxruntime', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_it_reads_what_onnx_itself_reads(tmp_path: Path) -> None:
    texts = {"a": "x" * 300, "b": "Köln\n\u2028", "c": ""}
    path = write_onnx(tmp_path / "model.onnx", texts, weights=1000)
    assert read_metadata(path) == {each.key: each.value for each in onnx.load(path).metadata_props} == texts
    pieces: list[bytes] = []
    hash_graph(path, pieces.append)
    assert b"".join(pieces) == onnx.load(path).graph.SerializeToString()


@given(content=st.binary(max_size=200), cut=st.integers(0, 1500))
def test_any_other_bytes_are_no_onnx_file_or_hold_no_text(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    path = write_onnx(folder / "model.onnx", {"recipe.json": "{}"}, weights=1000)
    path.write_bytes(path.read_bytes()[:cut] + content)
    try:
        assert all(isinstance(text, str) for text in read_metadata(path).values())
    except NotOnnxError as error:
        assert str(error)


def test_a_file_of_endless_fields_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x01" * 5_000_000)  # ir_version, five million times
    with pytest.raises(NotOnnxError):
        read_metadata(path)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [(b"", "without recipe.json"), (b"not onnx", "not an ONNX file"), (b"\x3a\xff\xff\xff\x7fabc", "cut off")],
)
def test_another_file_with_the_ending_is_refused_in_one_line(tmp_path: Path, content: bytes, wanted: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_trained_model(path, "MODEL")
    assert_parts(str(raised.value), str(path), wanted)
    with pytest.raises(InputError, match=r"there is no such file: .* as MODEL"):
        read_trained_model(tmp_path / "other.onnx", "MODEL")


def test_weights_are_model_pt_or_else_safetensors(tmp_path: Path) -> None:
    assert weights_file(tmp_path) is None
    (tmp_path / "model.safetensors").touch()
    assert weights_file(tmp_path) == tmp_path / "model.safetensors"
    (tmp_path / "model.pt").touch()
    assert weights_file(tmp_path) == tmp_path / "model.pt"
