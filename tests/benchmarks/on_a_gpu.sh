#!/usr/bin/env bash
# Check and measure training on a machine with a GPU that has torch, torchvision and timm, but no monai and no network.
#
#   here:            bash tests/benchmarks/on_a_gpu.sh fetch    # the wheels it lacks into gpu_wheels/, about 20 MB
#   on the machine:  bash tests/benchmarks/on_a_gpu.sh          # carry the checkout and gpu_wheels/; all of what follows
#                    bash tests/benchmarks/on_a_gpu.sh units    # tests of networks and handlers, with that torch
#                    bash tests/benchmarks/on_a_gpu.sh train    # a small training in each precision, resumed, evaluated
#                    bash tests/benchmarks/on_a_gpu.sh measure  # bench_training.py: steps, memory, pipeline, baseline
#
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
    all) parts=(units train measure) ;;
    units | train | measure) parts=("$1") ;;
    *) echo "usage: on_a_gpu.sh [fetch|units|train|measure]" >&2; exit 2 ;;
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

units() {
    "$python" -m pytest -q -p no:cacheprovider tests/networks tests/training/test_accumulation.py tests/training/test_averaging.py \
        tests/training/test_finite_check.py tests/training/test_gradient_clipping.py tests/training/test_stages.py tests/test_losses.py
}

train() {
    work=$(mktemp -d)
    "$python" -m monai_fusion sample-cohort "$work/cohort" --participants 16 --segments-per-condition 1
    "$python" -m monai_fusion datalist build --eeg-dir "$work/cohort/eeg" --mri-dir "$work/cohort/mri" \
        --participants "$work/cohort/participants.csv" --out "$work/cohort/list.json"
    bundle=bundles/brain_eeg_mri_classification
    small=(--num_epochs "[1, 1]" --pretrained false --mri_size "[64, 64, 64]" --slab_depth 48)
    for precision in ${PRECISIONS:-float32 bfloat16 float16}; do
        echo "== a small training in $precision on $device, resumed, evaluated"
        run() {
            files="['$bundle/configs/$1.yaml']"
            if [ "$1" = evaluate ]; then files="['$bundle/configs/inference.yaml','$bundle/configs/evaluate.yaml']"; fi
            "$python" -W ignore -m monai.bundle run --config_file "$files" --bundle_root "$bundle" --device "$device" \
                --datalist "$work/cohort/list.json" --output_dir "$work/$precision" "${@:2}"
        }
        run train --precision "$precision" "${small[@]}"
        run train --precision "$precision" "${small[@]}" --resume true
        run evaluate
    done
}

measure() {
    # shellcheck disable=SC2086 # further options are words
    "$python" tests/benchmarks/bench_training.py --device "$device" ${BENCH:-}
}

# A part that fails keeps none of the others from running: time on such a machine is short.
failed=0
for part in "${parts[@]}"; do
    set +e
    (set -e; "$part") 2>&1 | tee "$out/$part.txt"
    if [ "${PIPESTATUS[0]}" != 0 ]; then failed=1; echo "== $part failed"; fi
done
exit "$failed"
