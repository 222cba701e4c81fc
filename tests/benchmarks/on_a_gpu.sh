#!/usr/bin/env bash
# Check and measure training on a machine with a GPU that has torch, torchvision and timm, but no monai and no network.
#
#   here:            bash tests/benchmarks/on_a_gpu.sh fetch    # the wheels it lacks into gpu_wheels/, about 20 MB
#   on the machine:  bash tests/benchmarks/on_a_gpu.sh          # carry the checkout and gpu_wheels/; all of what follows,
#                                                               # in this order, in under 8 minutes
#                    bash tests/benchmarks/on_a_gpu.sh units    # the tests that need a GPU
#                    bash tests/benchmarks/on_a_gpu.sh run      # gpu_run.py: a whole training of 200 participants
#                    bash tests/benchmarks/on_a_gpu.sh evaluate # bench_evaluation.py: participants together, read ahead
#                    bash tests/benchmarks/on_a_gpu.sh measure  # bench_training.py: pipeline against steps, plain loop
#                    bash tests/benchmarks/on_a_gpu.sh steps    # gpu_steps.py: both stages, three batches, with memory
#                    bash tests/benchmarks/on_a_gpu.sh doors    # a small training: resumed, evaluated, predicted, explained
#
# Each part has a time limit of its own (SECONDS_EACH replaces it).
# fetch takes the versions of the environment it runs in (PYTHON=.venv/bin/python), for Linux on x86-64 and Python 3.12
# (PYTHON_THERE=312 says which). What the scripts print lands in $OUT, or in /tmp.
# DEVICE=cpu tries the script itself where there is no GPU, with small numbers and the environment's own packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${PYTHON:-python3}"
wheels=gpu_wheels
# Not in the machine's image: what monai_fusion needs besides torch, torchvision, timm, numpy, scipy, scikit-learn, pandas,
# rich, typer, jinja2, matplotlib, tensorboard and the like. Without their own needs, of which one is another torch.
lacking=(monai pytorch-ignite nibabel nilearn isal xxhash pydantic pydantic-core annotated-types typing-inspection fire termcolor
         openpyxl et-xmlfile captum)

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

all=(units run evaluate measure steps doors)
case "${1:-all}" in
    all) parts=("${all[@]}") ;;
    units | run | evaluate | measure | steps | doors) parts=("$1") ;;
    *) echo "usage: on_a_gpu.sh [fetch|units|run|evaluate|measure|steps|doors]" >&2; exit 2 ;;
esac
device="${DEVICE:-cuda}"
out="${OUT:-/tmp}"
site=/tmp/gpu_site
export PYTHONPATH="$PWD"
if [ "$device" != cpu ]; then
    if ! ls "$wheels"/*.whl >/dev/null 2>&1; then
        echo "no wheels in $wheels/: run \`on_a_gpu.sh fetch\` where there is a network, and carry the folder along" >&2
        exit 2
    fi
    rm -rf "$site"  # made by this script
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$wheels"/*.whl
    export PYTHONPATH="$PWD:$site"
    run_options=() evaluate_options=() measure_options=()
else
    run_options=(--participants 8 --validated 4 --segments 2 --epochs 1 1 -- --mri_size "[24,24,24]" --slab_depth 16)
    evaluate_options=(--size demo) measure_options=(--size demo --quick)
fi

# Seconds; together under 8 minutes.
declare -A limits=([units]=85 [run]=120 [evaluate]=55 [measure]=70 [steps]=70 [doors]=75)
end=0
# Runs a command for what is left of its part's time.
limited() {
    left=$((end - SECONDS))
    timeout "$((left > 1 ? left : 1))" "$@"
}

units() {
    # Only these files: importing all tests takes longer than running these.
    mapfile -t files < <(grep -rlE --include='test_*.py' 'mark\.gpu' tests)
    limited "$python" -m pytest -q -m gpu -p no:cacheprovider "${files[@]}"
}

run() {
    limited "$python" -W ignore tests/benchmarks/gpu_run.py --device "$device" "${run_options[@]}"
}

evaluate() {
    limited "$python" -W ignore tests/benchmarks/bench_evaluation.py --device "$device" "${evaluate_options[@]}"
}

measure() {
    limited "$python" -W ignore tests/benchmarks/bench_training.py --device "$device" --rows pipeline baseline \
        "${measure_options[@]}"
}

steps() {
    if [ "$device" = cpu ]; then echo "steps needs a GPU"; return; fi
    limited "$python" -W ignore tests/benchmarks/gpu_steps.py
}

doors() {
    work=$(mktemp -d)
    program() { limited "$python" -W ignore -m monai_fusion "$@"; }
    program sample-cohort "$work/cohort" --participants 16 --size small --quiet
    program datalist build --eeg-dir "$work/cohort/eeg" --mri-dir "$work/cohort/mri" \
        --participants "$work/cohort/participants.csv" --out "$work/list.json" --quiet
    small=(--num_epochs "[2, 2]" --pretrained false --mri_size "[48, 48, 48]" --slab_depth 32)
    echo "== bfloat16 on $device: a small training, stopped, resumed, evaluated, used for a prediction, and explained"
    on=(--device "$device" --output_dir "$work/run")
    program train "$work/list.json" "${on[@]}" --precision "${PRECISION:-bfloat16}" "${small[@]}" \
        --time_limit_minutes 0.02 || [ $? = 124 ]  # its time is over
    program train "$work/list.json" "${on[@]}" --precision "${PRECISION:-bfloat16}" "${small[@]}" --resume true
    program evaluate "$work/run" --device "$device"
    program predict "$work/run" --datalist "$work/list.json" --section validation --device "$device" \
        --output_dir "$work/predicted"
    program explain "$work/run" --device "$device" --check_participants 1 \
        --methods modality mri_gradcam mri_reference_gradients eeg_reference_gradients --reference_gradient_steps 2
    if [ "$device" = cpu ]; then return; fi
    echo "== float16 on $device: a small training, evaluated"
    on=(--device "$device" --output_dir "$work/float16")
    program train "$work/list.json" "${on[@]}" --precision float16 "${small[@]}"
    program evaluate "$work/float16" --device "$device"
}

# A part that fails keeps none of the others from running: time on such a machine is short.
failed=0
for part in "${parts[@]}"; do
    set +e
    began=$SECONDS
    end=$((SECONDS + ${SECONDS_EACH:-${limits[$part]}}))
    (set -e; "$part") 2>&1 | tee "$out/$part.txt"
    if [ "${PIPESTATUS[0]}" != 0 ]; then failed=1; echo "== $part failed"; fi
    echo "== $part took $((SECONDS - began)) s"
done
exit "$failed"
