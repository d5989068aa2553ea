"""What a network predicts, in ComfyUI's terms."""

from __future__ import annotations

from enum import Enum

from limner.diffusion.model import Model
from limner.diffusion.parameterization import Velocity


class ModelType(Enum):
    """What a network predicts."""

    EPS = 1
    V_PREDICTION = 2
    V_PREDICTION_EDM = 3
    STABLE_CASCADE = 4
    EDM = 5
    FLOW = 6
    V_PREDICTION_CONTINUOUS = 7
    FLUX = 8
    IMG_TO_IMG = 9
    FLOW_COSMOS = 10


def type_of(model: Model) -> ModelType:
    """Of one of Limner's models."""
    prediction = model.parameterization.prediction
    if prediction.flow:
        return ModelType.FLOW
    return ModelType.V_PREDICTION if isinstance(prediction, Velocity) else ModelType.EPS
