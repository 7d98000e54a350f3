"""Questions to the vision-language model of a config."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

if TYPE_CHECKING:
    import numpy as np

    from atom.config import RunConfig
    from atom.judging.judged_prompt import JudgedPrompt
    from atom.judging.vision.vision_judge import JudgeInput
    from atom.llm_client.client import LLMClient

T = TypeVar("T")


def make_judge_input(joints: np.ndarray, settings: RunConfig, prompt: JudgedPrompt) -> JudgeInput:
    """Draw a motion as the vision-language model sees it.

    Args:
        joints: metres, (T, 22, 3).
        settings: a run's config.
        prompt: what the motion should show.

    Returns:
        The pictures, with text, events and task.
    """
    from atom.judging.vision.motion_pictures import draw_pictures
    from atom.judging.vision.vision_judge import JudgeInput

    pictures = draw_pictures(joints, settings.judging.vision.frames, prompt.task)
    return JudgeInput(pictures, len(joints), prompt.text, prompt.events, prompt.task)


def ask_service(
    settings: RunConfig,
    root: str,
    work: Callable[[LLMClient], Awaitable[T]],
    every_second: Callable[[], None] = lambda: None,
) -> T:
    """Run requests on the service of a config, with its answers in the journal of a store.

    Args:
        settings: a run's config.
        root: folder of the store.
        work: sends the requests with the client that it gets.
        every_second: called every second while the requests run, to show progress.

    Returns:
        The result of `work`.

    Raises:
        AtomError: the service can't be used with this config, or does not answer.
    """
    from atom.llm_client.runtime import check_service, journal_path, read_api_key, run_with_client
    from storage import Store

    key = read_api_key(settings.service)
    models = [settings.judging.vision.model, settings.judging.vision.second_model]
    for remark in check_service(settings.service, [model for model in models if model], key):
        Console(stderr=True).print(remark, markup=False)
    journal = journal_path(settings.service, Store(root))
    return run_with_client(settings.service, key, journal, settings.name, work, every_second)
