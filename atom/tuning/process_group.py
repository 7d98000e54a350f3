"""The processes that tune one adapter by data parallelism, each on its own device. Usually there is only one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Value = TypeVar("Value")


@dataclass(frozen=True)
class ProcessGroup:
    """The process with number `rank` of `world_size` processes.

    All processes do the same steps on their shards of a step's data and then sum their gradients, so that their weights
    stay equal. With one process all methods return their argument.
    """

    rank: int = 0
    world_size: int = 1

    @classmethod
    def from_launcher(cls, device: str) -> ProcessGroup:
        """The group that a launcher such as torchrun started this process in, joined by accelerate.

        A `device` of "cpu" communicates over gloo, GPUs over NCCL.
        """
        from accelerate import PartialState

        state = PartialState(cpu=device == "cpu")
        return cls(state.process_index, state.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and reports progress."""
        return self.rank == 0

    def shard(self, items: Sequence[Value]) -> Sequence[Value]:
        """This process's contiguous shard of the items. All shards have about the same size."""
        start, stop = (len(items) * rank // self.world_size for rank in (self.rank, self.rank + 1))
        return items[start:stop]

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """The sum of the tensors of all processes, which must have the same shape."""
        if self.world_size == 1:
            return tensor
        from accelerate.utils import reduce

        return reduce(tensor, "sum")

    def all_reduce_metrics(self, metrics: Mapping[str, float], device: torch.device) -> dict[str, float]:
        """Sums named numbers over all processes.

        Args:
            metrics: this process's numbers, with the same names in the same order in every process.
            device: where the numbers are summed; NCCL needs the process's GPU.

        Returns:
            The sums by name.
        """
        if self.world_size == 1:
            return dict(metrics)
        # float64, so that sums of shards are as exact as the metrics of one process.
        summed = self.all_reduce(torch.tensor(list(metrics.values()), dtype=torch.float64, device=device))
        return dict(zip(metrics, summed.tolist()))

    def all_reduce_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replaces the gradients of the parameters by their sum over all processes."""
        if self.world_size == 1:
            return
        parameters = list(parameters)
        # A process whose shard is empty has no gradients, but must take part with zeros or the others wait for ever.
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        # One flat tensor needs one all-reduce instead of one for each parameter.
        summed = self.all_reduce(torch.cat([parameter.grad.flatten() for parameter in parameters]))
        for parameter, gradient in zip(parameters, summed.split([parameter.numel() for parameter in parameters])):
            parameter.grad.copy_(gradient.view_as(parameter))

    def broadcast(self, value: Value) -> Value:
        """The value of the main process, in every process."""
        if self.world_size == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]


SINGLE_PROCESS = ProcessGroup()
