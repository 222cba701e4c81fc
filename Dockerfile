# monai-fusion in a container. docs/containers.md says how to build and run it.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# PyPI's PyTorch brings CUDA. Without a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_INDEX=https://pypi.org/simple

# /data: recordings and datalists, /runs: results, /weights: what is downloaded. Everybody may write there, so that the
# container can run as the user who starts it (--user) and results belong to them.
RUN useradd --create-home --uid 1000 monai \
    && install --directory --mode 1777 /data /runs /weights /home/monai

WORKDIR /tmp/source
COPY setup.cfg setup.py pyproject.toml README.md LICENSE requirements-lock.txt ./
COPY bundles bundles
COPY transforms transforms
COPY monai_fusion monai_fusion
RUN pip install --no-cache-dir --root-user-action ignore --constraint requirements-lock.txt \
        --extra-index-url "${TORCH_INDEX}" . \
    && rm -r /tmp/source

# A user without a name (--user 1234) has no home folder and no entry that libraries could look up.
ENV HOME=/home/monai \
    USER=monai \
    TORCH_HOME=/weights/torch \
    HF_HOME=/weights/huggingface \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000
WORKDIR /runs
VOLUME ["/data", "/runs", "/weights"]
ENTRYPOINT ["monai-fusion"]
CMD ["--help"]
