#!/usr/bin/env bash
# Check and measure training on a machine with a GPU that has torch, torchvision and timm, but no monai and no network.
#
#   here:            bash tests/benchmarks/on_a_gpu.sh fetch    # the wheels it lacks into gpu_wheels/, about 20 MB
#   on the machine:  bash tests/benchmarks/on_a_gpu.sh          # carry the checkout and gpu_wheels/; all of what follows,
#                                                               # in this order, in under 8 minutes
#                    bash tests/benchmarks/on_a_gpu.sh units    # the tests that need a GPU
#                    bash tests/benchmarks/on_a_gpu.sh steps    # gpu_steps.py: both stages, three batches, with memory
#                    bash tests/benchmarks/on_a_gpu.sh run      # gpu_run.py: a whole training of 200 participants
#                    bash tests/benchmarks/on_a_gpu.sh measure  # bench_training.py: pipeline against steps, plain loop
#                    bash tests/benchmarks/on_a_gpu.sh train    # a small training in each precision, resumed, evaluated
#
# Each part has a time limit of its own (SECONDS_EACH replaces it).
# fetch takes the versions of the environment it runs in (PYTHON=.venv/bin/python), for Linux on x86-64 and Python 3.12
# (PYTHON_THERE=312 says which). What the scripts print lands in $OUT, or in /tmp.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${PYTHON:-python3}"
wheels=gpu_wheels
# Not in the machine's image: what monai_fusion needs besides torch, torchvision, timm, numpy, scipy, scikit-learn, pandas,
# rich, typer, jinja2, matplotlib, tensorboard and the like. Without their own needs, of which one is another torch.
lacking=(monai pytorch-ignite nibabel nilearn isal xxhash pydantic pydantic-core annotated-types typing-inspection fire termcolor
         openpyxl et-xmlfile)

if [ "${1:-}" = fetch ]; then
    pins=$("$python" -c 'import sys; from importlib.metadata import version; print(*(f"{n}=={version(n)}" for n in sys.argv[1:]))' \
        "${lacking[@]}")
    platforms=()
    for tag in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux_2_5 manylinux1; do
        platforms+=(--platform "${tag}_x86_64")
    done
    rm -f "$wheels"/*.whl  # one version of each
    # shellcheck disable=SC2086 # the pins are words
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$wheels" \
        --implementation cp --python-version "${PYTHON_THERE:-312}" "${platforms[@]}" $pins
    du -ch "$wheels"/*.whl | tail -n 1
    exit
fi

case "${1:-all}" in
    all) parts=(units steps run measure train) ;;
    units | steps | run | measure | train) parts=("$1") ;;
    *) echo "usage: on_a_gpu.sh [fetch|units|steps|run|measure|train]" >&2; exit 2 ;;
esac
if ! ls "$wheels"/*.whl >/dev/null 2>&1; then
    echo "no wheels in $wheels/: run \`on_a_gpu.sh fetch\` where there is a network, and carry the folder along" >&2
    exit 2
fi
site=/tmp/gpu_site
rm -rf "$site"  # made by this script
"$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$wheels"/*.whl
export PYTHONPATH="$PWD:$site"
device="${DEVICE:-cuda}"
out="${OUT:-/tmp}"

declare -A limits=([units]=100 [steps]=80 [run]=100 [measure]=90 [train]=100)
end=0
# Runs a command for what is left of its part's time.
limited() {
    left=$((end - SECONDS))
    timeout "$((left > 1 ? left : 1))" "$@"
}

units() {
    limited "$python" -m pytest -q -m gpu -p no:cacheprovider tests/training tests/networks tests/data tests/transforms
}

steps() {
    limited "$python" -W ignore tests/benchmarks/gpu_steps.py
}

run() {
    limited "$python" -W ignore tests/benchmarks/gpu_run.py --device "$device"
}

measure() {
    # shellcheck disable=SC2086 # further options are words
    limited "$python" -W ignore tests/benchmarks/bench_training.py --device "$device" --rows pipeline baseline ${BENCH:-}
}

train() {
    work=$(mktemp -d)
    "$python" -m monai_fusion sample-cohort "$work/cohort" --participants 16 --segments-per-condition 1
    "$python" -m monai_fusion datalist build --eeg-dir "$work/cohort/eeg" --mri-dir "$work/cohort/mri" \
        --participants "$work/cohort/participants.csv" --out "$work/cohort/list.json"
    bundle=bundles/brain_eeg_mri_classification
    small=(--num_epochs "[1, 1]" --pretrained false --mri_size "[64, 64, 64]" --slab_depth 48)
    for precision in ${PRECISIONS:-bfloat16 float16 float32}; do
        echo "== a small training in $precision on $device, resumed, evaluated"
        bundle_run() {
            files="['$bundle/configs/$1.yaml']"
            if [ "$1" = evaluate ]; then files="['$bundle/configs/inference.yaml','$bundle/configs/evaluate.yaml']"; fi
            limited "$python" -W ignore -m monai.bundle run --config_file "$files" --bundle_root "$bundle" --device "$device" \
                --datalist "$work/cohort/list.json" --output_dir "$work/$precision" "${@:2}"
        }
        bundle_run train --precision "$precision" "${small[@]}"
        bundle_run train --precision "$precision" "${small[@]}" --resume true
        bundle_run evaluate
    done
}

# A part that fails keeps none of the others from running: time on such a machine is short.
failed=0
for part in "${parts[@]}"; do
    set +e
    end=$((SECONDS + ${SECONDS_EACH:-${limits[$part]}}))
    (set -e; "$part") 2>&1 | tee "$out/$part.txt"
    if [ "${PIPESTATUS[0]}" != 0 ]; then failed=1; echo "== $part failed"; fi
done
exit "$failed"
