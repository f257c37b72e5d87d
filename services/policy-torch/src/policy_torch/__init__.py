"""Backsight's policy on PyTorch: the contract `policy.v1`, served over one device or several."""

import os

# Threads that wait for each other sleep instead of spinning: where other processes want the cores too, spinning makes an
# operator a hundred times as slow. It is read when PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Batches differ in shape from one to the next; blocks of GPU memory that can grow are not torn into pieces by that.
if "PYTORCH_CUDA_ALLOC_CONF" not in os.environ:
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
