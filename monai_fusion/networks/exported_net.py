"""A trained network that onnxruntime computes from an exported file, with `FusionNet`'s interface."""

from __future__ import annotations

from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xxhash
from torch import Tensor, nn

from monai_fusion import keys
from monai_fusion.cores import usable_cores
from monai_fusion.errors import InputError, Problem, RunFailed
from monai_fusion.networks.onnx_parts import EMBEDDINGS, OUTPUTS, input_names, load_graph, part_of
from monai_fusion.onnx_metadata import NotOnnxError, hash_graph, read_metadata

if TYPE_CHECKING:
    import onnxruntime

GRAPH_DIGEST = "graph_digest"
"""The name of the text, in the metadata of an exported file, with the digest of its graph."""
PRESENT = "present"
_EXTRA = 'pip install "monai-fusion[export]"'


class ExportedNet(nn.Module):
    """The network of an exported file: an evaluation uses it as it uses a `FusionNet`; it cannot train.

    The graph is cut at the embeddings, so that an MRI is encoded once for all EEG segments of its participant. It
    computes in float32, on the CPU, whatever the device of the tensors is.

    Args:
        path: An ``.onnx`` file of ``monai-fusion export``; it is read by :meth:`load`.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        super().__init__()
        self.path = Path(path)
        self._inputs: list[str] = []
        self._parts: dict[str, onnxruntime.InferenceSession] = {}

    def load(self) -> None:
        """Read the file and make it ready to compute.

        Raises:
            InputError: It is damaged, or no file of ``monai-fusion export``, or onnxruntime is not installed.
        """
        _refuse_without_onnx(str(self.path))
        model = load_graph(self.path)
        self._inputs = input_names(model)
        recordings = [name for name in EMBEDDINGS if name in self._inputs]
        cuts = {EMBEDDINGS[name]: ([name], [EMBEDDINGS[name]]) for name in recordings}
        head = [EMBEDDINGS[name] for name in recordings] + [PRESENT] * (PRESENT in self._inputs)
        cuts["head"] = head, list(OUTPUTS)
        parts = {}
        for name, (inputs, outputs) in cuts.items():
            content = part_of(model, inputs, outputs).SerializeToString()
            parts[name] = session_of(content, str(self.path), threads=1 if name == "head" else None)
        self._parts = parts

    def forward(self, eeg: Tensor, mri: Tensor) -> dict[str, Tensor]:
        """Classify a batch: [B, electrodes, F, T] and [B, 1, T, H, W] -> the dictionary of :meth:`fuse`."""
        return self.fuse(self.encode_eeg(eeg), self.encode_mri(mri))

    def encode_eeg(self, eeg: Tensor) -> Tensor:
        """Embeddings [B, D] of scalograms [B, electrodes, F, T]."""
        return self._run("eeg_embedding", {"eeg": eeg})[0]

    def encode_mri(self, mri: Tensor) -> Tensor:
        """Embeddings [B, D] of volumes [B, 1, T, H, W]."""
        return self._run("mri_embedding", {"mri": mri})[0]

    def fuse(
        self, eeg_embedding: Tensor | None, mri_embedding: Tensor | None, present: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Classify from embeddings.

        Args:
            eeg_embedding: [B, D] from :meth:`encode_eeg`.
            mri_embedding: [B, D] from :meth:`encode_mri`, or [1, D] for all.
            present: [B, 2] bool (EEG, MRI), as `FusionNet.fuse` takes it; the embeddings are then of those who have the
                recording, None if no participant has it.

        Returns:
            ``logits`` [B, num_classes], ``gate`` [B, 1], both embeddings [B, D] (zeros for an absent recording), and
            ``present`` if it was given.

        Raises:
            ValueError: A recording is absent, and the network has not learned to do without.
        """
        found = {"eeg": eeg_embedding, "mri": mri_embedding}
        some = next((each for each in found.values() if each is not None), None)
        if some is None:
            raise ValueError("neither an EEG nor an MRI")
        rows = len(present) if present is not None else max(len(each) for each in found.values() if each is not None)
        here = torch.ones(rows, 2, dtype=torch.bool) if present is None else present.cpu()
        whole = {
            name: _placed(embedding, here[:, column], some) for column, (name, embedding) in enumerate(found.items())
        }
        feeds = {EMBEDDINGS[name]: whole[name] for name in EMBEDDINGS if name in self._inputs}
        if PRESENT in self._inputs:
            feeds[PRESENT] = here
        elif not all(bool(here[:, column].all()) for column, name in enumerate(EMBEDDINGS) if name in self._inputs):
            raise ValueError("a recording is absent, and the network was trained without absent recordings")
        logits, _, gate = self._run("head", feeds)
        answer = {keys.LOGITS: logits, keys.GATE: gate}
        answer |= {keys.EEG_EMBEDDING: whole["eeg"], keys.MRI_EMBEDDING: whole["mri"]}
        if present is not None:
            answer[keys.PRESENT] = present
        return answer

    def _run(self, part: str, feeds: dict[str, Tensor]) -> list[Tensor]:
        if not self._parts:
            raise ValueError("load() first")
        device = next(iter(feeds.values())).device
        found = run_session(self._parts[part], {name: _array(value) for name, value in feeds.items()}, str(self.path))
        return [torch.from_numpy(each).to(device) for each in found]


def _refuse_without_onnx(where: str) -> None:
    """See that what runs an exported file is installed.

    Raises:
        InputError: onnx or onnxruntime is missing.
    """
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        seen = f"needs {' and '.join(missing)}, which {'are' if missing[1:] else 'is'} not installed"
        raise InputError(Problem(where, seen=seen, advice=_EXTRA))


def check_exported(path: str | PathLike[str]) -> None:
    """See that an exported file is as it was written, without making it ready to compute.

    Raises:
        InputError: It is damaged or was edited, or onnxruntime is not installed.
    """
    _refuse_without_onnx(str(path))
    advice = "copy it again, or export the model again"
    digest = xxhash.xxh3_128()
    try:
        written = read_metadata(path).get(GRAPH_DIGEST)
        hash_graph(path, digest.update)
    except NotOnnxError as error:
        raise InputError(Problem(str(path), seen=str(error), advice=advice)) from None
    except OSError as error:
        raise InputError(Problem(str(path), seen=error.strerror or "cannot be read", advice=advice)) from None
    if written != digest.hexdigest():
        raise InputError(Problem(str(path), seen="damaged, or edited since it was exported", advice=advice))


def session_of(content: bytes | str, where: str, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Make a graph ready to compute on the CPU.

    Its threads sleep when there is nothing to compute: spinning, they would take the cores from PyTorch's.

    Args:
        content: An ONNX file's bytes, or its path.
        where: What it is, for the message.
        threads: How many threads compute; None for one a core, or as many as PyTorch may use if they are fewer.

    Raises:
        InputError: onnxruntime does not take the graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(usable_cores(), torch.get_num_threads())
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: its warnings are about the exporter's graph
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base
        reason = str(error).splitlines()[0][:160]
        raise InputError(Problem(where, seen=f"onnxruntime does not take it: {reason}")) from error


def run_session(session: onnxruntime.InferenceSession, feeds: dict[str, Any], where: str) -> list[Any]:
    """Compute all outputs of a graph.

    Raises:
        RunFailed: onnxruntime could not: a shape that the graph does not take, or too little memory.
    """
    try:
        return list(session.run(None, feeds))
    except Exception as error:  # as above
        raise RunFailed(f"{where}: onnxruntime stopped: {str(error).splitlines()[0][:200]}") from error


def _placed(embedding: Tensor | None, here: Tensor, some: Tensor) -> Tensor:
    """Embeddings of those who have the recording in their rows [B, D], and zeros in the others'."""
    rows = here.nonzero().flatten().to(some.device)
    if embedding is not None and len(embedding) == 1 and len(rows) == len(here):
        return embedding.expand(len(here), -1)
    whole = some.new_zeros(len(here), some.shape[1])
    return whole if embedding is None else whole.index_copy(0, rows, embedding)


def _array(value: Tensor) -> Any:
    value = value.detach().cpu()
    return np.ascontiguousarray(value.numpy() if value.dtype == torch.bool else value.float().numpy())
