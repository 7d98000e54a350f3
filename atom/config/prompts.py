"""Config of the prompts: how many, and who writes them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from atom.config.base import ConfigSection
from atom.events import Task


class WriterConfig(ConfigSection):
    """A language model that writes the prompts."""

    model: str = Field("gpt-4o-mini", description="the service's name of the model")
    per_request: int = Field(8, ge=1, le=40, description="prompts in one request")
    attempts: int = Field(3, ge=1, description="tries of one composition; each retry says what was wrong before")
    temperature: float | None = Field(None, ge=0, le=2, description="null: the model's default")
    max_tokens: int = Field(2000, ge=50, description="tokens that an answer may have")
    min_accepted_fraction: float = Field(
        0.8,
        ge=0,
        le=1,
        description="the run stops when fewer than this fraction of the prompts of a task and split pass the checks",
    )
    refresh: int = Field(0, ge=0, description="another number sends every request again, whatever the journal holds")


class PromptConfig(ConfigSection):
    """How many event-level prompts each task and split gets, and who writes them."""

    writer: Literal["grammar", "captions", "llm"] = Field(
        "grammar",
        description="grammar: sentences of known actions; captions: the texts of prompts.captions as they are; llm: "
        "sentences that a language model writes, of all events of prompts.seeds if that is given",
    )
    llm: WriterConfig = WriterConfig()
    captions: str | None = Field(
        None,
        description="with writer=captions, the texts that are the prompts: HumanML3D's dataset folder, whose splits "
        "are kept, a file with one text a line, a .jsonl with `text`, or a folder of such files",
    )
    seeds: str | None = Field(
        None,
        description="texts whose events are used, as often as they occur there: a file with one text a line, or a "
        "folder of such files, for example HumanML3D's texts/; null: all actions of the lexicon",
    )

    reader: Literal["offline", "llm"] = Field(
        "offline",
        description="who reads the events of captions: the built-in reader, or a language model, with the built-in "
        "reader where its answer fails a check",
    )
    reader_model: str | None = Field(None, description="the language model that reads; null: prompts.llm.model")

    tasks: tuple[Task, ...] = Field(
        ("integrity", "temporal", "frequency"), min_length=1, description="the paper also tunes on one task alone"
    )
    train_per_task: int = Field(200, ge=1, description="training prompts a task, over all rounds")
    test_per_task: int = Field(120, ge=1, description="held-out prompts a task, on which base and tuned are compared")
    max_events: int = Field(4, ge=1, le=4, description="events of a prompt that is composed; captions stay as they are")
    max_count: int = Field(5, ge=1, le=5, description="repetitions of an event in a prompt that is composed")

    @model_validator(mode="after")
    def _check_captions(self) -> PromptConfig:
        if self.writer == "captions" and not self.captions:
            raise ValueError("prompts.writer=captions needs prompts.captions, a file or folder of texts")
        if self.captions and self.writer != "captions":
            raise ValueError(f"prompts.captions is not used by prompts.writer={self.writer}: set it to captions")
        return self
