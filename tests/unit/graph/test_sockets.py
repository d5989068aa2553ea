"""Which outputs connect to which inputs."""

from __future__ import annotations

import pytest

from limner.graph.sockets import connects


@pytest.mark.parametrize(
    ("output", "accepted", "expected"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "MASK", False),
        ("IMAGE", "*", True),
        ("*", "IMAGE", True),
        ("INT", "INT,FLOAT", True),
        ("INT,STRING", "INT,FLOAT", True),
        ("INT,STRING", "INT", True),
        ("STRING", "INT,FLOAT", False),
        ("INT", " FLOAT , INT ", True),
        ("", "", True),
        ("", "INT", False),
    ],
)
def test_connects(output: str, accepted: str, expected: bool) -> None:
    assert connects(output, accepted) is expected
