from __future__ import annotations

import pytest
import torch

from limner.nodes.utils.preview_any import preview_any
from limner.sdk.testing import run_node


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        ("as it is", "as it is"),
        (True, "True"),
        (2.5, "2.5"),
        ([1, "ä"], '[1, "\\u00e4"]'),
        ({"a": None}, '{"a": null}'),
        (torch.zeros(2), "tensor([0., 0.])"),
    ],
)
def test_any_value_is_shown(value: object, text: str) -> None:
    assert run_node(preview_any, source=value).ui == {"text": [text]}
