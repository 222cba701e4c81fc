"""Cuts the graph of an exported file into encoders and head, and refuses a graph that could do more than compute.

``onnx`` is imported where it is used: an installation that predicts with run folders does not need it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from os import PathLike
from typing import TYPE_CHECKING

from monai_fusion.errors import InputError, Problem

if TYPE_CHECKING:
    import onnx

OUTPUTS = ("logits", "probabilities", "gate")
"""The outputs of an exported file, in their order."""
EMBEDDINGS = {"eeg": "eeg_embedding", "mri": "mri_embedding"}
"""The tensors inside the graph at which it is cut, by the input that they come from."""

_DOMAINS = ("", "ai.onnx")


def load_graph(path: str | PathLike[str]) -> onnx.ModelProto:
    """Read an ONNX file whose graph is plain: standard operators on tensors that the file itself holds.

    Raises:
        InputError: It cannot be read, names another file, an operator of another library, a function or a loop, or is
            not a model of `monai-fusion export`.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise InputError(Problem(str(path), seen="damaged, or not an ONNX file", advice="copy it again")) from error
    if reason := _why_not_plain(model) or _why_not_ours(model):
        raise InputError(Problem(str(path), seen=reason, wanted="a file of `monai-fusion export --format onnx`"))
    return model


def input_names(model: onnx.ModelProto) -> list[str]:
    """The names of a graph's inputs."""
    return [each.name for each in model.graph.input]


def part_of(model: onnx.ModelProto, inputs: Collection[str], outputs: Collection[str]) -> onnx.ModelProto:
    """Cut out what computes some tensors of a graph from others.

    The number of participants is the first axis of every input. A part that would take it from an input of the whole
    graph takes it from its own first input instead.

    Args:
        model: From :func:`load_graph`.
        inputs: Names of inputs or of tensors inside the graph.
        outputs: Names of outputs or of tensors inside the graph.

    Raises:
        InputError: The outputs do not follow from the inputs.
    """
    import onnx

    graph = model.graph
    kinds = {each.name: each for each in (*graph.input, *graph.output, *graph.value_info)}
    made_by = {name: node for node in graph.node for name in node.output if name}
    stored = {each.name: each for each in graph.initializer}
    whole = set(input_names(model))
    wanted, taken, found = list(outputs), set(inputs), []
    used: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in taken:
            continue
        taken.add(name)
        if name in stored:
            used.add(name)
        elif name in made_by:
            node = onnx.NodeProto()
            node.CopyFrom(made_by[name])
            taken.update(node.output)
            if node.input[:1] and node.input[0] in whole - set(inputs) and _is_batch_size(node):
                node.input[0] = next(iter(inputs))
            found.append((made_by[name].output[0], node))
            wanted += [each for each in node.input if each]
        else:
            raise InputError(Problem("the ONNX file", seen=f"{', '.join(outputs)} need {name!r} too"))
    places = {node.output[0]: place for place, node in enumerate(graph.node)}
    part = onnx.ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    part.opset_import.extend(model.opset_import)
    part.graph.name = "part"
    part.graph.node.extend(node for _, node in sorted(found, key=lambda each: places[each[0]]))
    part.graph.initializer.extend(stored[name] for name in sorted(used))
    part.graph.input.extend(kinds[name] for name in inputs)
    part.graph.output.extend(kinds[name] for name in outputs)
    return part


def _is_batch_size(node: onnx.NodeProto) -> bool:
    """Whether a node returns the length of its input's first axis, and nothing else."""
    limits = {each.name: each.i for each in node.attribute}
    return node.op_type == "Shape" and limits == {"start": 0, "end": 1}


def _why_not_plain(model: onnx.ModelProto) -> str:
    import onnx

    graph = model.graph
    attributes = [each for node in graph.node for each in node.attribute]
    sparse = [each for each in attributes if each.HasField("sparse_tensor") or each.sparse_tensors or each.tensors]
    if model.functions or model.training_info or graph.sparse_initializer or sparse:
        return "holds functions or sparse tensors"
    tensors = [*graph.initializer, *(each.t for each in attributes if each.HasField("t"))]
    if any(each.data_location == onnx.TensorProto.EXTERNAL or each.external_data for each in tensors):
        return "its weights are in another file"
    domains = {each.domain for each in (*graph.node, *model.opset_import)} - set(_DOMAINS)
    if domains:
        return f"uses operators of another library ({', '.join(sorted(domains))})"
    if any(True for node in graph.node for _ in _inner_graphs(node)):
        return "holds a loop or a branch"
    return ""


def _inner_graphs(node: onnx.NodeProto) -> Iterator[str]:
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs:
            yield attribute.name


def _why_not_ours(model: onnx.ModelProto) -> str:
    names = input_names(model)
    recordings = [name for name in names if name in EMBEDDINGS]
    outputs = [each.name for each in model.graph.output]
    known = {name for node in model.graph.node for name in node.output}
    cut_at = [EMBEDDINGS[name] for name in recordings]
    if not recordings or set(names) - {*EMBEDDINGS, "present"} or outputs != list(OUTPUTS):
        return f"has inputs {', '.join(names)} and outputs {', '.join(outputs)}"
    return "" if set(cut_at) <= known else "has no embeddings"
