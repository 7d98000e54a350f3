"""The columns of every table, in order. People's queries and older stores rest on them: a change needs a new version.

`name:type`, with ? where a null is allowed; a list stands in brackets, the fields of a struct in braces.
"""

import pyarrow as pa
import pytest

from storage import TABLES

SCHEMAS = {
    "prompts 3": """
        prompt_id:string text:string task:string events:[{action:string phrase:string count?:int16
        group?:int16}] split:string source:string seed:int64 rejected?:string answer?:string
    """,
    "motions 1": """
        motion_id:string prompt_id:string sample:int16 seed:int64 tokens:[int16] frames:int32 joints:[float]
        stop_reason:string
    """,
    "clips 1": """
        motion_id:string prompt_id:string video?:{path:string sha256:string bytes:int64} sheet?:{path:string
        sha256:string bytes:int64} frame_indices:[int32] size:int32 fps:float
    """,
    "pictures 1": """
        motion_id:string prompt_id:string shown:[{label:string media_type:string frames:[int32] data:binary}]
    """,
    "scores 3": """
        motion_id:string prompt_id:string task:string judge:string vote:int16 score?:float exact?:bool
        events:[{action:string count:int16 start:int32 end:int32 confidence:float}] verdicts:[{action:string
        count?:int16 found:bool seen_count:int16 start?:int32 end?:int32}] rationale:string model?:string
        answers:[string] tokens:int32 cost?:double latency:float error?:string
    """,
    "comparisons 1": """
        prompt_id:string task:string first_motion_id:string second_motion_id:string better?:string
        rationale:string model?:string answers:[string] tokens:int32 cost?:double error?:string
    """,
    "preferences 4": """
        prompt_id:string prompt:string task?:string split:string events:[{action:string phrase:string
        count?:int16 group?:int16}] chosen_tokens:[int16] rejected_tokens:[int16] chosen_score?:float
        rejected_score?:float margin?:float degree?:string decided_by:string chosen_motion_id:string
        rejected_motion_id:string
    """,
    "curves 2": """
        step:int32 epoch:float loss:float preference_loss:float chosen_logp:float rejected_logp:float
        margin:float accuracy:float chosen_per_token:float gradient_norm:float learning_rate:float seconds:float
        validation?:float validation_gain?:float kept:bool
    """,
    "reward_curves 2": """
        step:int32 loss:float reward:float kl:float tokens:float gradient_norm:float learning_rate:float
        seconds:float validation?:float validation_gain?:float kept:bool
    """,
    "reward_model_curves 1": """
        epoch:int32 loss:float training_accuracy:float accuracy:float rank_correlation?:float
        learning_rate:float seconds:float
    """,
    "evaluation 2": """
        prompt_id:string motion_id:string task:string arm:string sample:int16 seed:int64 judge:string
        score?:float exact?:bool frames:int32 true_frames?:float foot_skate?:float jerk?:float
        descriptor?:[float]
    """,
    "metrics 1": """
        arm:string metric:string mean:double half_width:double replications:int32 texts:int32 evaluator:string
        data:string
    """,
}


def _describe(field: pa.Field) -> str:
    return f"{field.name}{'?' if field.nullable else ''}:{_describe_type(field.type)}"


def _describe_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"[{_describe_type(kind.value_type)}]"
    if pa.types.is_struct(kind):
        return "{" + " ".join(map(_describe, kind)) + "}"
    return str(kind)


def test_every_table_is_listed():
    assert set(SCHEMAS) == {f"{table.name} {table.version}" for table in TABLES.values()}


@pytest.mark.parametrize("table", SCHEMAS)
def test_the_columns_of_a_table(table):
    schema = TABLES[table.split()[0]].schema
    assert " ".join(map(_describe, schema)) == " ".join(SCHEMAS[table].split())
