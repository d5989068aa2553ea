"""Muon for matrices and convolution kernels, Adam for everything else.

All state lives in tensors that are made at once, so that several processes can share it and
each update a part of the parameters.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
MOMENTUM = 0.95
BETAS = (0.9, 0.98)
EPSILON = 1e-8
EDGE_FACTOR = 0.2
"""Learning rate of first and last layers, whose noise goes straight into the output."""


def orthogonalise(gradient: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz approximation of `U V^T` for a matrix `U S V^T`, in bfloat16."""
    a, b, c = COEFFICIENTS
    tall = gradient.shape[0] > gradient.shape[1]
    x = (gradient.mT if tall else gradient).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def as_matrix(kernel: Tensor) -> Tensor:
    """A kernel (out, in, h, w) in channels-last order as (out, h w in); matrices as they are."""
    return kernel.permute(0, 2, 3, 1).flatten(1) if kernel.ndim == 4 else kernel


@dataclass
class Slot:
    """A parameter with its optimiser state."""

    parameter: Tensor
    muon: bool
    factor: float = 1.0
    first: Tensor = field(init=False)
    second: Tensor | None = field(init=False)

    def __post_init__(self) -> None:
        self.first = torch.zeros_like(self.parameter, requires_grad=False).detach()
        self.second = None if self.muon else torch.zeros_like(self.first)

    def update(self, gradient: Tensor, rate: float, step: int) -> None:
        """Apply one step; `step` counts from 1. The gradient's memory may be reused.

        Muon's update is scaled to the root mean square that Adam's usually has, so that
        both take the same learning rate.
        """
        rate *= self.factor
        if self.second is None:
            self.first.lerp_(gradient, 1 - MOMENTUM)
            update = orthogonalise(as_matrix(gradient.lerp_(self.first, MOMENTUM)))
            scale = 0.2 * max(update.shape) ** 0.5
            as_matrix(self.parameter).add_(update.float(), alpha=-rate * scale)
            return
        self.first.lerp_(gradient, 1 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        deviation = (self.second / (1 - BETAS[1] ** step)).sqrt_().add_(EPSILON)
        self.parameter.addcdiv_(self.first, deviation, value=-rate / (1 - BETAS[0] ** step))


class Optimiser:
    """Muon and Adam over the parameters of some modules, driven as one optimiser."""

    def __init__(self, modules: Iterable[nn.Module], lr: float, edges: Iterable[str] = ()) -> None:
        """`edges` names fragments of parameters that Adam keeps (first and last layers)."""
        edges = tuple(edges)
        self.lr = lr
        self.steps = 0
        self.slots = []
        for module in modules:
            for name, parameter in module.named_parameters():
                edge = any(part in name for part in edges)
                muon = parameter.ndim >= 2 and not edge and "embedding." not in name
                self.slots.append(Slot(parameter.data, muon, EDGE_FACTOR if edge else 1.0))

    @torch.no_grad()
    def step(self, gradients: list[Tensor], rate: float, mine: Iterable[int] | None = None) -> None:
        """Update the slots numbered in `mine` (or all) at `rate` times the base learning rate."""
        self.steps += 1
        for index in range(len(self.slots)) if mine is None else mine:
            self.slots[index].update(gradients[index], self.lr * rate, self.steps)

    def shares(self, ranks: int) -> list[list[int]]:
        """Slot numbers dealt to `ranks` processes so that the work is about even."""
        dealt: list[list[int]] = [[] for _ in range(ranks)]
        loads = [0.0] * ranks
        costs = [
            slot.parameter.numel() * (4 + 0.03 * min(as_matrix(slot.parameter).shape))
            if slot.muon
            else 4.0 * slot.parameter.numel()
            for slot in self.slots
        ]
        for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
            rank = loads.index(min(loads))
            dealt[rank].append(index)
            loads[rank] += costs[index]
        return dealt

    def share_memory(self) -> None:
        """Move the state to shared memory (the parameters must be there already)."""
        for slot in self.slots:
            slot.first.share_memory_()
            if slot.second is not None:
                slot.second.share_memory_()

    def state_dict(self) -> dict[str, Any]:
        """Step count and state tensors."""
        return {
            "steps": self.steps,
            "first": [slot.first for slot in self.slots],
            "second": [slot.second for slot in self.slots],
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.steps = state["steps"]
        for slot, first, second in zip(self.slots, state["first"], state["second"], strict=True):
            slot.first.copy_(first)
            if slot.second is not None:
                slot.second.copy_(second)
