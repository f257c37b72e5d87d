"""Backsight's policy on PyTorch: the contract `policy.v1`, served over one device or several."""
