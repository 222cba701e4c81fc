"""``--format torch-export``: a ``.pt2`` file for PyTorch, and the program that an ONNX file is made from."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from monai_fusion.errors import InputError, Problem
from monai_fusion.export.deployed_network import PRESENT, DeployedNetwork
from monai_fusion.export.facts import Facts
from monai_fusion.export.parity import Compute
from monai_fusion.export.trained_run import TrainedRun
from monai_fusion.files import write_atomically

_EXAMPLES = 2


def write_program(run: TrainedRun, facts: Facts, path: Path) -> None:
    """Write the program of `torch.export` with the facts as extra files.

    Raises:
        InputError: The network cannot be exported.
    """
    program = program_of(DeployedNetwork(run.network, run.calibration, run.modalities), example_of(run))
    content = io.BytesIO()  # on a full disk PyTorch ends the whole process
    with silent():
        torch.export.save(program, content, extra_files={**facts.texts(), **run.texts})
    write_atomically(path, lambda stream: stream.write(content.getbuffer()))


def computed_by_program(path: Path) -> Compute:
    """The program as PyTorch reads it from the file, which this process has just written."""
    with silent():
        module = torch.export.load(path).module()

    def compute(feeds: Mapping[str, Tensor]) -> list[Any]:
        with torch.no_grad():
            return list(module(**feeds))

    return compute


def example_of(run: TrainedRun) -> dict[str, Tensor]:
    """Inputs of a batch of participants, by name, in the order of the exported inputs."""
    example = {name: torch.zeros(_EXAMPLES, *shape) for name, shape in run.input_shapes.items()}
    return example | ({PRESENT: torch.ones(_EXAMPLES, 2, dtype=torch.bool)} if run.takes_missing else {})


def program_of(network: nn.Module, example: Mapping[str, Tensor]) -> ExportedProgram:
    """Trace a network over recordings of any number of participants.

    Args:
        network: In evaluation mode.
        example: Inputs of two participants by name: a batch of 1 would become a constant of the graph.

    Raises:
        InputError: It cannot be traced, as a network may whose code branches by the values of a tensor.
    """
    batch = Dim("batch", min=1)
    try:
        with silent(), torch.no_grad():
            program = torch.export.export(
                network.eval(), (), dict(example), dynamic_shapes={name: {0: batch} for name in example}, strict=False
            )
    except Exception as error:  # torch.export raises errors of many kinds
        reason = str(error).strip().splitlines()[0][:200]
        advice = "a network that is exported branches by no value of a tensor, and takes any number of participants"
        raise InputError(Problem("the network", seen=f"cannot be exported: {reason}", advice=advice)) from error
    _leave_no_traces(program)
    return program


@contextmanager
def silent() -> Iterator[None]:
    """Without what the exporter says: it is about its own insides, and of a failure goes over hundreds of lines."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _leave_no_traces(program: ExportedProgram) -> None:
    """Remove what names source files of this machine."""
    graphs = [each.graph for each in program.graph_module.modules() if isinstance(each, GraphModule)]
    for node in (node for graph in graphs for node in graph.nodes):
        for name in ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node", "torch_fn"):
            node.meta.pop(name, None)
