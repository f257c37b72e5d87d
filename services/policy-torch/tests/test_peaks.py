"""The rates that utilisation is told against, by the names that drivers give devices."""

from __future__ import annotations

import pytest
from workload import stated_peak


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H200", 989),
        ("NVIDIA GH200 480GB", 989),
        ("NVIDIA B200", 2250),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L40S", 362),
        ("NVIDIA L40", 181),
        ("NVIDIA L4", 121),
        ("NVIDIA GeForce RTX 4090", 165),
    ],
)
def test_a_device_has_its_makers_dense_bfloat16_rate(name: str, teraflops: float) -> None:
    found = stated_peak(name)
    assert found is not None
    assert found[0] == teraflops * 1e12


def test_a_device_that_is_not_known_has_none() -> None:
    assert stated_peak("NVIDIA GeForce RTX 5090") is None
