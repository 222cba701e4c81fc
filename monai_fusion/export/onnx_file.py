"""``--format onnx``: one file that onnxruntime runs, with the facts about the model in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import xxhash
from torch import Tensor

from monai_fusion.errors import InputError, Problem
from monai_fusion.export.deployed_network import DeployedNetwork, WithEmbeddings
from monai_fusion.export.facts import Facts
from monai_fusion.export.parity import Compute
from monai_fusion.export.torch_program import example_of, program_of, silent
from monai_fusion.export.trained_run import TrainedRun
from monai_fusion.networks.exported_net import GRAPH_DIGEST, ExportedNet, run_session, session_of
from monai_fusion.networks.onnx_parts import EMBEDDINGS, OUTPUTS
from monai_fusion.onnx_metadata import METADATA, hash_graph

if TYPE_CHECKING:
    import onnx

OPSET = 20
"""The first in which GELU is one operator."""
MOST_BYTES = 2**31 - 1
"""Of an ONNX file: protocol buffers take no more."""


def write_onnx(run: TrainedRun, facts: Facts, path: Path) -> None:
    """Write the ONNX file.

    Args:
        run: The trained model.
        facts: What its metadata tells.
        path: The file; it is replaced.

    Raises:
        InputError: The network cannot be exported, or is too large for one file.
    """
    size = sum(each.numel() * each.element_size() for each in run.network.state_dict().values())
    if size > MOST_BYTES:
        seen, advice = f"{size / 2**30:.1f} GiB of weights", "export the run of one fold, or use --format torch-export"
        raise InputError(
            Problem("--format onnx", seen=seen, wanted="less than 2 GiB: an ONNX file has no more", advice=advice)
        )
    deployed = DeployedNetwork(run.network, run.calibration, run.modalities)
    model = exported_graph(WithEmbeddings(deployed), example_of(run))
    path.write_bytes(model.SerializeToString(deterministic=True))
    digest = xxhash.xxh3_128()
    hash_graph(path, digest.update)
    with path.open("ab") as stream:  # a message followed by one with other fields is a message with both
        stream.write(_metadata({**facts.texts(opset=OPSET), **run.texts, GRAPH_DIGEST: digest.hexdigest()}))


def computed_by(path: Path) -> Compute:
    """The exported file as onnxruntime computes it."""
    session = session_of(str(path), str(path))
    names = [each.name for each in session.get_inputs()]

    def compute(feeds: Mapping[str, Tensor]) -> list[Any]:
        return run_session(session, {name: feeds[name].numpy() for name in names}, str(path))

    return compute


def computed_in_parts(path: Path, run: TrainedRun) -> Compute:
    """The exported file as a prediction of this program computes it: the encoders, then the head."""
    network = ExportedNet(path)
    network.load()

    def compute(feeds: Mapping[str, Tensor]) -> list[Any]:
        present = feeds.get("present")
        encode = {"eeg": network.encode_eeg, "mri": network.encode_mri}
        embeddings = [encode[name](feeds[name]) if name in run.modalities else None for name in encode]
        if present is None and len(run.modalities) == 1:
            present = torch.tensor([[each is not None for each in embeddings]] * len(next(iter(feeds.values()))))
        elif present is not None:
            embeddings = [
                None if each is None else each[present[:, column]] if bool(present[:, column].any()) else None
                for column, each in enumerate(embeddings)
            ]
        answer = network.fuse(embeddings[0], embeddings[1], present)
        shares = answer["logits"].double().softmax(dim=1).numpy()
        return [answer["logits"], run.calibration.probabilities(shares), answer["gate"]]

    return compute


def exported_graph(network: WithEmbeddings, example: Mapping[str, Tensor]) -> onnx.ModelProto:
    """The graph of a network, with embeddings inside that are named; nothing in it comes from this machine.

    Args:
        network: In evaluation mode.
        example: Inputs of two participants by name.

    Raises:
        InputError: It cannot be exported.
    """
    program = program_of(network, example)
    embeddings = [EMBEDDINGS[name] for name in network.deployed.modalities]
    try:
        with silent(), torch.no_grad():
            exported = torch.onnx.export(
                program,
                input_names=list(example),
                output_names=[*OUTPUTS, *embeddings],
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # torch's exporter raises errors of many kinds
        reason = str(error.__cause__ or error).strip().splitlines()[0][:200]
        advice = "its layers need operators that ONNX has; --format hub hands on the weights"
        raise InputError(Problem("the network", seen=f"cannot be exported to ONNX: {reason}", advice=advice)) from error
    if exported is None:
        raise AssertionError("dynamo=True returns a program")
    model = exported.model_proto
    _leave_no_traces(model, embeddings)
    return model


def _leave_no_traces(model: onnx.ModelProto, embeddings: list[str]) -> None:
    """Keep what computes: no embeddings among the outputs, and no names of source files of this machine."""
    graph = model.graph
    inner = [each for each in graph.output if each.name in embeddings]
    kept = [each for each in graph.output if each.name not in embeddings]
    del graph.output[:]
    graph.output.extend(kept)
    known = {each.name for each in graph.value_info}
    graph.value_info.extend(each for each in inner if each.name not in known)
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    graph.name, graph.doc_string, model.doc_string = "monai_fusion", "", ""
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*graph.value_info, *graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param == batch:
                axis.dim_param = "batch"


def _metadata(texts: Mapping[str, str]) -> bytes:
    import onnx

    message = onnx.ModelProto()
    for name, text in texts.items():
        message.metadata_props.add(key=name, value=text)
    content: bytes = message.SerializeToString()
    if onnx.ModelProto.DESCRIPTOR.fields_by_name["metadata_props"].number != METADATA:
        raise AssertionError("the reader of the metadata knows another number")
    return content
