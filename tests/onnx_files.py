"""ONNX files whose metadata matters, and whose graph is empty."""

from pathlib import Path

import onnx


def write_onnx(path: Path, texts: dict[str, str], weights: int = 0) -> Path:
    """An ONNX file with these texts, its graph as large as asked."""
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.UINT8, dims=[weights], raw_data=bytes(weights))
    graph = onnx.GraphProto(name="g", initializer=[tensor])
    model = onnx.ModelProto(ir_version=10, producer_name="x", graph=graph)
    model.opset_import.add(domain="", version=20)
    for name, text in texts.items():
        model.metadata_props.add(key=name, value=text)
    path.write_bytes(model.SerializeToString())
    return path
