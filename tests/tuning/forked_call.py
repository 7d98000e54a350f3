"""Work in a child process that has imported torch already, and may be killed."""

import os
from collections.abc import Callable

import torch


def call_in_fork(work: Callable[[], object]) -> int:
    """Calls `work` in a forked process. Returns its exit status; minus the signal where one ended it."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
