# The policy on PyTorch, for machines with NVIDIA GPUs or without:
#   docker build -f deploy/docker/policy-torch.Dockerfile --build-arg TORCH=gpu -t backsight/policy-torch:0.1.0 .
# One GPU:      docker run --gpus 1 -v models:/models -e BACKSIGHT_MODEL=/models/m -e BACKSIGHT_POLICY_ADDRESS=0.0.0.0:7101 ...
# Several GPUs: the same with --gpus all --ipc=host and, after the image's name,
#   -m torch.distributed.run --standalone --nproc-per-node=8 -m policy_torch
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# gpu or cpu.
ARG TORCH=gpu
WORKDIR /app
COPY services/policy-torch/requirements ./services/policy-torch/requirements
COPY services/policy-torch/setup_environment.py ./services/policy-torch/
COPY protos ./protos
# Code that changes leaves the installed packages in the build cache. Stubs are made before what makes them is taken away.
RUN python3 services/policy-torch/setup_environment.py --torch "${TORCH}" \
  && services/policy-torch/.venv/bin/python -m pip uninstall --quiet --yes -r services/policy-torch/requirements/dev.lock
COPY services/policy-torch/src ./services/policy-torch/src

FROM ${PYTHON_IMAGE}
WORKDIR /app/services/policy-torch
ENV PYTHONUNBUFFERED=1
COPY --from=build /app/services/policy-torch ./
USER 10001:10001
ENTRYPOINT ["/app/services/policy-torch/.venv/bin/python"]
CMD ["-m", "policy_torch"]
