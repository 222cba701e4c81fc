#!/usr/bin/env bash
# Measure training on a machine with a GPU that has torch, torchvision and timm but no network.
#   here:            bash tests/benchmarks/on_a_gpu.sh fetch      (downloads the wheels it lacks into gpu_wheels/, about 40 MB)
#   on the machine:  bash tests/benchmarks/on_a_gpu.sh            (installs them beside its own torch, checks, measures)
set -euo pipefail
cd "$(dirname "$0")/../.."
needs=(monai pytorch-ignite nibabel xxhash isal threadpoolctl joblib tqdm pydantic typer rich scipy scikit-learn pandas pyyaml fire)
if [ "${1:-}" = fetch ]; then
    mkdir -p gpu_wheels
    # --no-deps for what would bring another torch; the rest is small and pure, or has wheels for the same Python.
    python3 -m pip download --quiet --dest gpu_wheels --no-deps monai pytorch-ignite
    python3 -m pip download --quiet --dest gpu_wheels "${needs[@]:2}"
    exit
fi
python3 -m venv --system-site-packages /tmp/gpu_env
/tmp/gpu_env/bin/pip install --quiet --no-index --find-links gpu_wheels --no-deps monai pytorch-ignite
/tmp/gpu_env/bin/pip install --quiet --no-index --find-links gpu_wheels "${needs[@]:2}"
export PYTHONPATH="$PWD"
/tmp/gpu_env/bin/python tests/benchmarks/bench_training.py --device cuda 2>&1 | tee "${OUT:-/tmp}/bench_training.txt"
