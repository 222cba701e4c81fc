"""How fast onnxruntime computes an exported file, beside PyTorch: an MRI, 16 EEG segments, and both of a participant.

    python tests/benchmarks/bench_onnxruntime.py               # about a minute a thread on a CPU
    python tests/benchmarks/bench_onnxruntime.py --threads 2

The shipped network with random weights at the shipped sizes, in float32, on the CPU, both runtimes with the same number
of threads, in turn; each time is the least CPU time of the repetitions. The exported graph is the one that a prediction
uses: cut at the embeddings, with onnxruntime's optimisations. The largest difference is printed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import onnx
import torch
from common import Row, in_s, show

from monai_fusion.evaluation import ParticipantInferer
from monai_fusion.export.deployed_network import DeployedNetwork, WithEmbeddings
from monai_fusion.export.onnx_file import exported_graph
from monai_fusion.metrics.calibration import Calibration
from monai_fusion.networks import FusionNet, standard_network
from monai_fusion.networks.exported_net import ExportedNet

SEGMENTS = 16


def exported(network: FusionNet, folder: Path) -> ExportedNet:
    """The network as a prediction with an exported file computes it."""
    example = {"eeg": torch.zeros(2, 17, 224, 224), "mri": torch.zeros(2, 1, 96, 128, 128)}
    deployed = DeployedNetwork(network, Calibration((0.5, 0.5), (0.5, 0.5)))
    onnx.save(exported_graph(WithEmbeddings(deployed), example), folder / "model.onnx")
    found = ExportedNet(folder / "model.onnx")
    found.load()
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    load = os.getloadavg()
    network = standard_network(pretrained=False).eval().requires_grad_(False)
    eeg, mri = torch.randn(SEGMENTS, 17, 224, 224), torch.rand(1, 1, 96, 128, 128)
    inferer = ParticipantInferer(SEGMENTS)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        other = exported(network, Path(folder))
        works = {
            "one MRI": lambda net: net.encode_mri(mri),
            f"{SEGMENTS} EEG segments": lambda net: net.encode_eeg(eeg),
            f"a participant of {SEGMENTS} segments": lambda net: inferer(eeg, net, mri)["probabilities"],
        }
        rows = []
        for name, work in works.items():
            difference = (work(network) - work(other)).abs().max().item()  # warms both up
            seconds: dict[str, list[float]] = {"torch": [], "onnxruntime": []}
            for _ in range(options.repetitions):
                for title, net in (("torch", network), ("onnxruntime", other)):
                    started = time.process_time()
                    work(net)
                    seconds[title].append(time.process_time() - started)
            old, new = (min(each) for each in seconds.values())
            print(f"{name}: largest difference {difference:.1e}")
            rows.append(Row(name, *in_s(old, new), old / new, 0.001))
    show(rows, load)
    print(f"{options.threads} threads, torch {torch.__version__}, onnxruntime {__import__('onnxruntime').__version__}")


if __name__ == "__main__":
    main()
