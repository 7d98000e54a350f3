"""The processes that tune one adapter together, each on a device of its own; most often there is just one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Value = TypeVar("Value")


@dataclass(frozen=True)
class Team:
    """One of `size` processes, counted from 0. All do the same steps, each with its share of the step's data, and then
    add up their gradients, so that their weights stay equal."""

    number: int = 0
    size: int = 1

    @classmethod
    def launched(cls, device: str) -> Team:
        """The team that a launcher such as torchrun started this process in; accelerate joins it, over gloo on CPUs
        and NCCL on GPUs."""
        from accelerate import PartialState

        state = PartialState(cpu=device == "cpu")
        return cls(state.process_index, state.num_processes)

    @property
    def first(self) -> bool:
        """Whether it is this process that writes files and tells the progress."""
        return self.number == 0

    def share(self, items: Sequence[Value]) -> Sequence[Value]:
        """This process's part of some items; the parts of all are about equal and keep neighbours together."""
        start, stop = (len(items) * number // self.size for number in (self.number, self.number + 1))
        return items[start:stop]

    def total(self, part: Tensor) -> Tensor:
        """The sum of the tensors that all processes give, which have one shape."""
        if self.size == 1:
            return part
        from accelerate.utils import reduce

        return reduce(part, "sum")

    def totals(self, parts: Mapping[str, float], device: torch.device) -> dict[str, float]:
        """The same of named numbers."""
        if self.size == 1:
            return dict(parts)
        summed = self.total(torch.tensor(list(parts.values()), dtype=torch.float64, device=device))
        return dict(zip(parts, summed.tolist()))

    def add_up_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Gives all processes the sum of their gradients. A process without one counts as one with zeros."""
        if self.size == 1:
            return
        parameters = list(parameters)
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        summed = self.total(torch.cat([parameter.grad.flatten() for parameter in parameters]))
        for parameter, part in zip(parameters, summed.split([parameter.numel() for parameter in parameters])):
            parameter.grad.copy_(part.view_as(parameter))

    def as_the_first_says(self, value: Value) -> Value:
        """What the first process gave, whatever the others did."""
        if self.size == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]


ALONE = Team()
