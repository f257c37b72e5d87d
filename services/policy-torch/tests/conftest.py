"""Before PyTorch is loaded: one thread, so that tests pass as fast on a crowded machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
