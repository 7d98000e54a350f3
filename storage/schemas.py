"""The schemas of all tables in the store: columns, types, units and versions.

pandas, DuckDB and Hugging Face `datasets` open all columns as they are (a test checks it). Two choices:

- Joints are metres as float32, flattened from (frames, 22, 3), rounded to 1/8192 m (0.12 mm) and stored with Parquet's
  byte-stream-split encoding, so a full motion of 196 frames takes about 23 KB. float16 opens everywhere too and is as
  small, but a few metres from the origin it errs by millimetres, and at 20 fps that noise alone looks like foot skate.
- A field that a row may lack is nullable. Every row has all other columns, and no column that the schema lacks.

Descriptions are part of the files' metadata.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import StoreError


@dataclass(frozen=True)
class TableSchema:
    """A named, versioned Parquet schema. Raise `version` whenever a column changes: it is part of every key."""

    name: str
    version: int
    schema: pa.Schema

    def from_rows(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Convert rows to an Arrow table. A numpy array in a list column is flattened in C order.

        Raises StoreError, which names the row and column, when a value is unknown, missing or of the wrong type.
        """
        for index, row in enumerate(rows):
            _check_fields(row, self.schema, f"row {index} of table {self.name!r}")
        # Column by column, so that an error names the column.
        columns = [self._column([row.get(field.name) for row in rows], field) for field in self.schema]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def conform(self, table: pa.Table) -> pa.Table:
        """Cast a table to this schema's types and column order; raises StoreError when the cast would lose data."""
        if set(table.column_names) != set(self.schema.names):
            raise StoreError(
                f"table {self.name!r} needs exactly the columns {self.schema.names}, got {table.column_names}"
            )
        try:
            table = table.select(self.schema.names).cast(self.schema)
        except (pa.ArrowException, ValueError) as error:
            raise StoreError(f"the columns don't fit table {self.name!r}: {_one_line(error)}") from error
        for index, field in enumerate(self.schema):
            if table[field.name].null_count and not field.nullable:
                raise StoreError(f"column {field.name!r} of table {self.name!r} holds nulls, but is not nullable")
            if step := _rounding_step(field):
                rounded = [_round_to_step(chunk, step) for chunk in table[field.name].chunks]
                table = table.set_column(index, field, pa.chunked_array(rounded, field.type))
        return table

    def to_parquet(self, table: pa.Table) -> pa.Buffer:
        """Encode a table as a Parquet file, zstd compressed; equal rows give equal bytes."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **self.encoding)
        return sink.getvalue()

    @cached_property
    def encoding(self) -> dict[str, Any]:
        """Compression and column encodings, as options of pyarrow's Parquet writers."""
        return {
            "compression": "zstd",
            # A column has one encoding, and a dictionary of floats that hardly repeat only costs space.
            "use_dictionary": [leaf for leaf in self._leaf_columns if leaf not in self._byte_stream_split_columns],
            "use_byte_stream_split": self._byte_stream_split_columns,
        }

    def _column(self, values: list[Any], field: pa.Field) -> pa.Array:
        values = [value.ravel() if isinstance(value, np.ndarray) else value for value in values]
        try:
            column = pa.array(values, field.type)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise StoreError(
                f"column {field.name!r} of table {self.name!r} must be {field.type}: {_one_line(error)}"
            ) from error
        return _round_to_step(column, step) if (step := _rounding_step(field)) else column

    @cached_property
    def _leaf_columns(self) -> list[str]:
        """Parquet's names of the flat columns, such as `events.list.element.action`."""
        buffer = io.BytesIO()
        pq.write_table(self.schema.empty_table(), buffer)
        parquet = pq.ParquetFile(buffer).schema
        return [parquet.column(index).path for index in range(len(parquet))]

    @cached_property
    def _byte_stream_split_columns(self) -> list[str]:
        rounded = {field.name for field in self.schema if _rounding_step(field)}
        return [leaf for leaf in self._leaf_columns if leaf.split(".")[0] in rounded]


def _check_fields(row: Any, fields: Any, where: str) -> None:
    if not isinstance(row, Mapping):
        raise StoreError(f"{where} must be a dict, not {type(row).__name__}")
    fields = {field.name: field for field in fields}
    for name in row:
        if name not in fields:
            raise StoreError(f"{where} has the unknown column {name!r}; the columns are {', '.join(fields)}")
    for name, field in fields.items():
        if row.get(name) is not None:
            _check_value(row[name], field.type, f"{name!r} in {where}")
        elif not field.nullable:
            raise StoreError(f"{where} lacks {name!r}, which every row must have")


def _check_value(value: Any, kind: pa.DataType, where: str) -> None:
    """Refuse what Arrow converts with a silent loss: unknown fields of a struct, the fraction of an integer."""
    if pa.types.is_struct(kind):
        _check_fields(value, kind, where)
    elif pa.types.is_list(kind) and not isinstance(value, np.ndarray):
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise StoreError(f"{where} is {type(value).__name__}, the column holds lists")
        for index, item in enumerate(value):
            _check_value(item, kind.value_type, f"[{index}] of {where}")
    elif pa.types.is_list(kind):  # all elements of an array have one type, so the first one is enough
        _check_value(value.ravel()[0] if value.size else 0, kind.value_type, where)
    elif pa.types.is_integer(kind) and isinstance(value, float | np.floating):
        raise StoreError(f"{where} is {value}, a float; the column holds {kind}")


def _rounding_step(field: pa.Field) -> float | None:
    text = (field.metadata or {}).get(b"step")
    return float(text) if text else None


def _round_to_step(column: pa.ListArray, step: float) -> pa.ListArray:
    # Rounded to a power of two, most low mantissa bits are zero, which zstd compresses after the byte-stream split.
    values = column.values.to_numpy(zero_copy_only=False)
    rounded = values / np.float32(step)
    np.rint(rounded, out=rounded)
    rounded *= np.float32(step)
    return pa.ListArray.from_arrays(column.offsets, pa.array(rounded, column.type.value_type), type=column.type)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _field(
    name: str, kind: pa.DataType, description: str, *, nullable: bool = False, step: float | None = None
) -> pa.Field:
    metadata = {"description": description}
    if step is not None:
        metadata["step"] = repr(step)
    return pa.field(name, kind, nullable=nullable, metadata=metadata)


def _table(name: str, version: int, *fields: pa.Field) -> TableSchema:
    return TableSchema(name, version, pa.schema(fields, metadata={"table": name, "version": str(version)}))


def _struct(*fields: tuple[str, pa.DataType], nullable: Sequence[str] = ()) -> pa.StructType:
    return pa.struct([pa.field(name, kind, nullable=name in nullable) for name, kind in fields])


TOKEN_LIST = pa.list_(pa.int16())
EVENT_LIST = pa.list_(
    _struct(
        ("action", pa.string()),
        ("phrase", pa.string()),
        ("count", pa.int16()),
        ("group", pa.int16()),
        nullable=("count", "group"),
    )
)
DETECTED_EVENT_LIST = pa.list_(
    _struct(
        ("action", pa.string()),
        ("count", pa.int16()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("confidence", pa.float32()),
    )
)
FILE_TYPE = _struct(("path", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64()))

PROMPT_ID = _field("prompt_id", pa.string(), "the prompt")
MOTION_ID = _field("motion_id", pa.string(), "the motion")
PROMPT = _field("prompt", pa.string(), "the sentence the motions were made for")
TASK = _field("task", pa.string(), "integrity, temporal or frequency")
PROMPT_EVENTS = _field(
    "events",
    EVENT_LIST,
    "in order: canonical action, its words in the text, how often (null: not said), number of what happens at once",
)
SPLIT = _field("split", pa.string(), "train, val or test, by composition")
SAMPLE = _field("sample", pa.int16(), "number of the sample among those of its prompt, from 0")
SEED = _field("seed", pa.int64(), "what it was drawn with")
FRAMES = _field("frames", pa.int32(), "length in frames at 20 a second")
JUDGE = _field("judge", pa.string(), "who scored")
SCORE = _field("score", pa.float32(), "1 to 5 by the task's rubric; null when the judge failed", nullable=True)
MODEL = _field("model", pa.string(), "the language model that was asked; null without one", nullable=True)
USED_TOKENS = _field("tokens", pa.int32(), "tokens of the answers; rows that share an answer all count it")
COST = _field("cost", pa.float64(), "their US dollars; null where the model's price is not known", nullable=True)
EXACT = _field(
    "exact",
    pa.bool_(),
    "all events, right counts, right order; null where the judge failed or sees no events",
    nullable=True,
)

PROMPTS = _table(
    "prompts",
    3,
    PROMPT_ID,
    _field("text", pa.string(), "the sentence given to the generator"),
    TASK,
    PROMPT_EVENTS,
    SPLIT,
    _field("source", pa.string(), "who wrote it: grammar, or the name of a language model"),
    SEED,
    _field("rejected", pa.string(), "why it is not used; null for the prompts that are", nullable=True),
    _field("answer", pa.string(), "what the language model said, where it is not used", nullable=True),
)

MOTIONS = _table(
    "motions",
    1,
    MOTION_ID,
    PROMPT_ID,
    SAMPLE,
    SEED,
    _field("tokens", TOKEN_LIST, "codebook entries, 0 to 511, 4 frames each"),
    FRAMES,
    _field(
        "joints",
        pa.list_(pa.float32()),
        "metres, Y up, flattened from (frames, 22, 3): numpy.reshape(row, (-1, 22, 3)); rounded to 1/8192 m",
        step=2.0**-13,
    ),
    _field("stop_reason", pa.string(), "end, length or empty"),
)

CLIPS = _table(
    "clips",
    1,
    MOTION_ID,
    PROMPT_ID,
    _field("video", FILE_TYPE, "mp4 beside this part: path in the artifact's folder, sha256, size", nullable=True),
    _field("sheet", FILE_TYPE, "contact sheet beside this part: path, sha256, size", nullable=True),
    _field("frame_indices", pa.list_(pa.int32()), "frames that the sheet shows"),
    _field("size", pa.int32(), "pixels of a frame's side"),
    _field("fps", pa.float32(), "frames a second of the video"),
)

PICTURES = _table(
    "pictures",
    1,
    MOTION_ID,
    PROMPT_ID,
    _field(
        "shown",
        pa.list_(
            _struct(
                ("label", pa.string()),
                ("media_type", pa.string()),
                ("frames", pa.list_(pa.int32())),
                ("data", pa.binary()),
            )
        ),
        "what a vision-language model sees: the line before each picture, its kind, the frames it shows, its bytes",
    ),
)

SCORES = _table(
    "scores",
    3,
    MOTION_ID,
    PROMPT_ID,
    TASK,
    JUDGE,
    _field("vote", pa.int16(), "number of the vote when a judge is asked more than once, from 0"),
    SCORE,
    EXACT,
    _field(
        "events",
        DETECTED_EVENT_LIST,
        "what was seen, in order: action, count, first frame, frame after the last, 0 to 1",
    ),
    _field(
        "verdicts",
        pa.list_(
            _struct(
                ("action", pa.string()),
                ("count", pa.int16()),
                ("found", pa.bool_()),
                ("seen_count", pa.int16()),
                ("start", pa.int32()),
                ("end", pa.int32()),
                nullable=("count", "start", "end"),
            )
        ),
        "for each asked event: how often asked, whether and how often seen, first frame, frame after the last",
    ),
    _field("rationale", pa.string(), "why, in words"),
    MODEL,
    _field("answers", pa.list_(pa.string()), "what the model sent, each whole completion as JSON; the last one counts"),
    USED_TOKENS,
    COST,
    _field("latency", pa.float32(), "seconds that the answers of a model took; 0 for judges of joints"),
    _field("error", pa.string(), "why there is no score", nullable=True),
)

COMPARISONS = _table(
    "comparisons",
    1,
    PROMPT_ID,
    TASK,
    _field("first_motion_id", pa.string(), "the motion that was shown first"),
    _field("second_motion_id", pa.string(), "the motion that was shown second"),
    _field("better", pa.string(), "first, second or neither; null when there is no answer", nullable=True),
    _field("rationale", pa.string(), "why, in words"),
    MODEL,
    _field("answers", pa.list_(pa.string()), "what the model sent, each whole completion as JSON; the last one counts"),
    USED_TOKENS,
    COST,
    _field("error", pa.string(), "why there is no answer", nullable=True),
)

PREFERENCES = _table(
    "preferences",
    4,
    PROMPT_ID,
    PROMPT,
    _field(
        "task",
        pa.string(),
        "integrity, temporal or frequency; null where those who labelled did not say",
        nullable=True,
    ),
    SPLIT,
    PROMPT_EVENTS,
    _field(
        "chosen_tokens", TOKEN_LIST, "codebook entries of the better motion; empty if its generator has no codebook"
    ),
    _field(
        "rejected_tokens", TOKEN_LIST, "codebook entries of the worse motion; empty if its generator has no codebook"
    ),
    _field("chosen_score", pa.float32(), "1 to 5; null where only the order is known", nullable=True),
    _field("rejected_score", pa.float32(), "1 to 5; null where only the order is known", nullable=True),
    _field(
        "margin", pa.float32(), "chosen_score - rejected_score; below 0 where a comparison overruled it", nullable=True
    ),
    _field("degree", pa.string(), "how clear the preference is, in AToM's words; null if unknown", nullable=True),
    _field(
        "decided_by", pa.string(), "score, comparison (both motions were shown together, in both orders) or annotator"
    ),
    _field("chosen_motion_id", pa.string(), "the better motion"),
    _field("rejected_motion_id", pa.string(), "the worse motion"),
)

VALIDATION_COLUMNS = (
    _field(
        "validation", pa.float32(), "mean score of the held-out motions; null where none was measured", nullable=True
    ),
    _field("validation_gain", pa.float32(), "the same less that before the first step", nullable=True),
    _field("kept", pa.bool_(), "whether the adapter is that of this step; none is where it is as before the first"),
)

CURVES = _table(
    "curves",
    2,
    _field("step", pa.int32(), "optimiser steps done"),
    _field("epoch", pa.float32(), "passes over the pairs done"),
    _field("loss", pa.float32(), "what is minimised"),
    _field("preference_loss", pa.float32(), "the part of the preference loss"),
    _field("chosen_logp", pa.float32(), "mean log-probability of the chosen motions under the policy"),
    _field("rejected_logp", pa.float32(), "mean log-probability of the rejected motions under the policy"),
    _field("margin", pa.float32(), "mean of the policy's log-ratio minus the reference's"),
    _field("accuracy", pa.float32(), "share of pairs whose margin is positive"),
    _field("chosen_per_token", pa.float32(), "chosen_logp by tokens; a tuning that diverges loses it"),
    _field("gradient_norm", pa.float32(), "before clipping"),
    _field("learning_rate", pa.float32(), "in this step"),
    _field("seconds", pa.float32(), "since the tuning began"),
    *VALIDATION_COLUMNS,
)

REWARD_CURVES = _table(
    "reward_curves",
    2,
    _field("step", pa.int32(), "optimiser steps done"),
    _field("loss", pa.float32(), "what is minimised"),
    _field("reward", pa.float32(), "mean reward of the step's motions, 0 to 1"),
    _field("kl", pa.float32(), "mean log-probability of the motions under the policy minus that under the reference"),
    _field("tokens", pa.float32(), "mean length of the motions"),
    _field("gradient_norm", pa.float32(), "before clipping"),
    _field("learning_rate", pa.float32(), "in this step"),
    _field("seconds", pa.float32(), "since the tuning began"),
    *VALIDATION_COLUMNS,
)

REWARD_MODEL_CURVES = _table(
    "reward_model_curves",
    1,
    _field("epoch", pa.int32(), "passes over the training prompts done"),
    _field("loss", pa.float32(), "mean over the epoch's steps"),
    _field("training_accuracy", pa.float32(), "share of pairs in the right order, just before they were trained on"),
    _field("accuracy", pa.float32(), "share of the pairs of held-out prompts in the right order"),
    _field(
        "rank_correlation",
        pa.float32(),
        "Spearman's, of rewards and scores among the motions of a held-out prompt, the mean over prompts; null where "
        "no scores are known",
        nullable=True,
    ),
    _field("learning_rate", pa.float32(), "in the last step"),
    _field("seconds", pa.float32(), "since the training began"),
)

EVALUATION = _table(
    "evaluation",
    2,
    PROMPT_ID,
    MOTION_ID,
    TASK,
    _field("arm", pa.string(), "who made the motion: base, tuned, or a baseline"),
    SAMPLE,
    SEED,
    JUDGE,
    SCORE,
    EXACT,
    FRAMES,
    _field("true_frames", pa.float32(), "mean length in the corpus of what was asked; null if unknown", nullable=True),
    _field("foot_skate", pa.float32(), "m/s of a foot in contact with the floor; null without contact", nullable=True),
    _field("jerk", pa.float32(), "mean size of the joints' third derivative, m/s^3; null if too short", nullable=True),
    _field("descriptor", pa.list_(pa.float32()), "what diversity compares, (360,); null if unknown", nullable=True),
)

METRICS = _table(
    "metrics",
    1,
    _field("arm", pa.string(), "who made the motions: real, base, tuned, or a baseline"),
    _field("metric", pa.string(), "r_precision_1 to _3, matching, fid, diversity or multimodality"),
    _field("mean", pa.float64(), "over the replications"),
    _field("half_width", pa.float64(), "of the 95 % interval: 1.96 standard deviations over sqrt(replications)"),
    _field("replications", pa.int32(), "times that the metric was taken"),
    _field("texts", pa.int32(), "texts that motions were made for"),
    _field("evaluator", pa.string(), "the network that put texts and motions into one space"),
    _field("data", pa.string(), "where texts and real motions come from: corpus or HumanML3D"),
)

TABLES: dict[str, TableSchema] = {
    table.name: table
    for table in (
        PROMPTS,
        MOTIONS,
        CLIPS,
        PICTURES,
        SCORES,
        COMPARISONS,
        PREFERENCES,
        CURVES,
        REWARD_CURVES,
        REWARD_MODEL_CURVES,
        EVALUATION,
        METRICS,
    )
}
