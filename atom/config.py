"""What a run does, as data. Every field that changes a result is part of the artifact keys; `resources` never is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from atom.errors import AtomError
from atom.events import Task


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Degree = Literal["Much better", "Better", "Slightly better", "Negligibly better/unsure"]  # in AToM's words
Combination = Literal[  # of adapters, in peft's words
    "cat",
    "svd",
    "linear",
    "ties",
    "ties_svd",
    "dare_linear",
    "dare_linear_svd",
    "dare_ties",
    "dare_ties_svd",
    "magnitude_prune",
    "magnitude_prune_svd",
]
Settings = TypeVar("Settings", bound=Section)
View = Literal["follow", "side", "fixed", "orbit"]
RewardNetwork = Literal["whole", "encoder"]
VIEW_WORDS = (
    "the camera glides along in front (follow) or beside the movement (side), stands (fixed) or circles (orbit)"
)


class ServiceConfig(Section):
    """The OpenAI-compatible service that language models are asked through. Never part of a key: models are named where
    they are used, and the same model at another address gives the same answers."""

    base_url: str = Field("https://api.openai.com/v1", description="address of the API, without a key in it")
    key_variable: str = Field(
        "OPENAI_API_KEY", pattern=r"^[A-Z_][A-Z0-9_]*$", description="environment variable that holds the key"
    )
    key_block: str | None = Field(
        None, pattern=r"^[a-z0-9-]+$", description="Prefect Secret block that holds the key; goes before the variable"
    )
    mode: Literal["live", "batch"] = Field("live", description="batch: the Batch API, within a day for half the price")
    requests_per_minute: int = Field(500, ge=1, description="of one process, as all limits here")
    tokens_per_minute: int | None = Field(None, ge=1, description="null: no limit")
    concurrency: int = Field(32, ge=1, description="most requests in flight; fewer for a while after a 429")
    attempts: int = Field(6, ge=1, description="tries of one request before it counts as lost")
    timeout: float = Field(120.0, gt=0, description="seconds that one try may take")
    budget_dollars: float | None = Field(None, gt=0, description="most that runs of this name may spend, all together")
    budget_tokens: int | None = Field(None, gt=0, description="the same in tokens")
    prices: str | None = Field(None, description="YAML file of prices that go before those of atom/chat/prices.yaml")
    journal: str | None = Field(None, description="file that keeps every answer; null: journal/ in a local store")
    token_limit: Literal["max_completion_tokens", "max_tokens"] = Field(
        "max_completion_tokens", description="what the service calls the most tokens of an answer"
    )
    poll_seconds: float = Field(30.0, gt=0, description="between two looks at a batch")


class WriterConfig(Section):
    """A language model that writes the prompts."""

    model: str = "gpt-4o-mini"
    per_request: int = Field(8, ge=1, le=40, description="prompts asked for at once")
    attempts: int = Field(3, ge=1, description="tries of one composition; what was wrong is told with the next")
    temperature: float | None = Field(None, ge=0, le=2, description="null: the model's own")
    max_tokens: int = Field(2000, ge=50)
    least_share: float = Field(
        0.8, ge=0, le=1, description="share of the wanted prompts of each task and split without which the run stops"
    )
    refresh: int = Field(0, ge=0, description="another number asks anew, whatever the journal holds")


class PromptConfig(Section):
    """How many event-level prompts are written for each task and split, and by whom."""

    writer: Literal["grammar", "llm"] = "grammar"
    llm: WriterConfig = WriterConfig()
    seeds: str | None = Field(
        None,
        description="texts whose events are used, in their proportions: a file with one a line, or a folder of such "
        "files, HumanML3D's texts/ too; null: all of the lexicon",
    )

    tasks: tuple[Task, ...] = Field(
        ("integrity", "temporal", "frequency"), min_length=1, description="the paper also tunes on one of them alone"
    )
    train_per_task: int = Field(200, ge=1, description="prompts a task to collect preferences on, over all rounds")
    test_per_task: int = Field(120, ge=1, description="held-out prompts a task to compare base and tuned on")
    max_events: int = Field(4, ge=1, le=4)
    max_count: int = Field(5, ge=1, le=5)


class GenerationConfig(Section):
    """How motions are sampled from the generator."""

    checkpoint: str = Field(
        "builtin", description="'builtin', or a folder written by `atom checkpoint convert` or `atom pretrain`"
    )
    template: str | None = Field(
        None,
        description="how a prompt is worded for the generator, in tuning too: 'motiongpt' (Generate motion: ...), "
        "'caption' (as it is), or a text with {}; null: as the checkpoint says",
    )
    candidates: int = Field(8, ge=2, description="motions sampled for each training prompt")
    evaluation_samples: int = Field(2, ge=1, description="motions sampled for each test prompt, of base and of tuned")
    temperature: float = Field(1.0, gt=0)
    top_k: int = Field(50, ge=0, description="0 keeps the whole vocabulary")
    top_p: float = Field(1.0, gt=0, le=1, description="only the likeliest tokens that have this probability together")
    max_new_tokens: int = Field(60, ge=4, le=256)
    vocabulary: Literal["motion", "all"] = Field(
        "motion", description="all: words may be drawn too, as MotionGPT does; an answer without a motion is set aside"
    )

    @property
    def sampling(self) -> dict[str, Any]:
        """What `Generator.sample` is called with."""
        return self.model_dump(include={"temperature", "top_k", "top_p", "max_new_tokens", "vocabulary"})


class RenderingConfig(Section):
    """What is drawn of the candidates. The kinematic judge needs no picture, so a preview is the default."""

    motions: Literal["preview", "all"] = "preview"
    preview_prompts: int = Field(6, ge=0, description="training prompts whose candidates are drawn under 'preview'")
    size: int = Field(320, ge=64, le=1024, description="pixels of a frame's side")
    every: int = Field(8, ge=1, description="the contact sheet shows every n-th frame")
    view: View = Field("follow", description=VIEW_WORDS)


class SightConfig(Section):
    """What a vision-language model sees of a motion."""

    form: Literal["frames", "sheet", "sheet and path"] = Field(
        "sheet", description="frames: single labelled pictures, as in the paper; sheet: all in one picture"
    )
    every: int = Field(8, ge=1, description="every n-th frame is shown")
    every_frequency: int = Field(
        4,
        ge=1,
        description="the same for prompts that ask how often, closer together where more moves",
    )
    size: int | None = Field(
        None, ge=64, le=1024, description="pixels of a frame's side; null: the largest that costs no more, see tiles"
    )
    tiles: int = Field(
        4,
        ge=1,
        le=8,
        description="tiles of 512 pixels that a sheet may take, by which services charge; 1 for low detail",
    )
    view: View = Field("follow", description=VIEW_WORDS)
    cells: int = Field(16, ge=1, description="most frames in one sheet; services shrink large pictures")
    encoding: Literal["jpeg", "png"] = "jpeg"


class VisionConfig(Section):
    """The judge that is a vision-language model: what it sees and what it is asked."""

    model: str = "gpt-4o"
    second_model: str | None = Field(None, description="scores all too; a pair on whose order it disagrees is left out")
    sight: SightConfig = SightConfig()
    question: Literal["events", "rating"] = Field(
        "events", description="events: where and how often is each action seen; rating: 1 to 5, as in the paper"
    )
    votes: int = Field(1, ge=1, le=9, description="times that each motion is judged; their mean counts")
    near_ties: int = Field(
        0, ge=0, description="pairs a prompt with a gap below preferences.min_gap that are compared in both orders"
    )
    detail: Literal["low", "high", "auto"] = "auto"
    temperature: float | None = Field(None, ge=0, le=2, description="null: the model's own")
    max_tokens: int = Field(1000, ge=50)
    least_scored: float = Field(0.8, ge=0, le=1, description="share of motions with a score without which a run stops")
    attempt: int = Field(0, ge=0, description="another number scores again what got no answer; answers are kept")
    refresh: int = Field(0, ge=0, description="another number asks anew, whatever the journal holds")


class JudgingConfig(Section):
    """Who scores and how strictly."""

    judge: Literal["kinematic", "vision"] = "kinematic"
    sensitivity: float = Field(1.0, gt=0.2, lt=5, description="above 1 the kinematic judge accepts smaller movements")
    vision: VisionConfig = VisionConfig()


class PreferenceConfig(Section):
    """How scored motions become pairs."""

    min_gap: float = Field(0.5, gt=0, description="least score difference of a pair")
    pairs_per_prompt: int = Field(6, ge=1)
    pairs_per_task: int = Field(0, ge=0, description="most pairs of a task in a round; 0: all")
    length_tolerance: float | None = Field(
        0.5, ge=0, description="tokens by which chosen may be longer than rejected on average in a task; null: no limit"
    )


COUPLED = ("kto", "kto_unpaired")  # losses of a whole step, which can't be taken in parts
DRIFT_WORDS = "nats a token by which the model may move before a tuning that diverges is stopped"


class TuningConfig(Section):
    """LoRA and the preference loss."""

    tasks: tuple[Task, ...] | None = Field(
        None, min_length=1, description="tune on these alone, for one adapter a task; null: on all that there is"
    )
    loss: Literal["ipo", "dpo", "hinge", "kto", "kto_unpaired", "orpo", "simpo", "sft"] = Field(
        "ipo",
        description="orpo and simpo need no reference; kto_unpaired takes each motion for itself, good or bad; 'sft' "
        "only fine-tunes on the chosen motions, as a baseline",
    )
    log_probability: Literal["average", "sum"] = Field(
        "sum", description="of an answer's tokens; orpo and simpo are made for the average"
    )
    vocabulary: Literal["all", "motion"] = Field(
        "all", description="tokens that an answer could have had; motion: as they are sampled, and a third faster"
    )
    beta: float = Field(0.1, gt=0, description="of orpo: the weight of the odds ratio")
    target_margin: float = Field(0.5, ge=0, description="simpo's gamma / beta")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="share of pairs believed to be the wrong way round")
    degree_smoothing: dict[Degree, Annotated[float, Field(ge=0, lt=0.5)]] = Field(
        {}, description="the same by how clear a preference is; goes before label_smoothing"
    )
    chosen_weight: float = Field(1.0, ge=0, description="weight of the likelihood of the chosen motion")
    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    rank_stabilised: bool = Field(False, description="scale by alpha / sqrt(rank), for high ranks (rsLoRA)")
    dora: bool = Field(False, description="tune sizes and directions of the weights apart (DoRA)")
    targets: str = Field(
        "all-linear", pattern=r"^[\w-]+(,[\w-]+)*$", description="names of the layers that LoRA changes, such as q,v"
    )
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(20, ge=0, description="at most half of all steps")
    batch_size: int = Field(16, ge=1, description="pairs a step")
    at_once: int = Field(0, ge=0, description="pairs of a step in memory at a time, for the same result; 0: all")
    recompute: bool = Field(False, description="compute layers again in the backward pass: less memory, more time")
    epochs: int = Field(1, ge=1)
    max_steps: int = Field(0, ge=0, description="stop after so many; 0: as many as the epochs hold")
    gradient_clip: float = Field(1.0, gt=0)
    most_drift: float = Field(1.0, gt=0, description=DRIFT_WORDS)
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="bfloat16: matrix products in half the bits, weights and losses in float32"
    )

    @model_validator(mode="after")
    def _fits(self) -> TuningConfig:
        if self.loss in ("orpo", "simpo") and self.log_probability != "average":
            raise ValueError(f"{self.loss} is made for averaged log-probabilities: set log_probability to average")
        if self.loss in COUPLED and self.at_once:
            raise ValueError(f"{self.loss} compares the motions of a step with each other: leave at_once at 0")
        if self.vocabulary == "motion" and "lm_head" in self.targets.split(","):
            raise ValueError("with vocabulary motion the output layer is not tuned: leave lm_head out of targets")
        if self.degree_smoothing and self.loss not in ("ipo", "dpo", "hinge", "simpo"):
            raise ValueError(f"{self.loss} takes no label smoothing: leave degree_smoothing empty")
        return self


class OnPolicyConfig(Section):
    """The last stretch of tuning: the policy makes motions, they are rewarded, the better ones become likelier."""

    steps: int = Field(90, ge=0, description="0 leaves it out: the adapter is the one tuned on preferences")
    prompts: int = Field(16, ge=1, description="prompts a step")
    samples: int = Field(8, ge=2, description="motions of each")
    advantage: Literal["rloo", "grpo"] = Field(
        "rloo",
        description="of a reward: over the mean of the prompt's other motions (rloo), or in standard deviations over "
        "the mean of all (grpo)",
    )
    reward: Literal["judge", "model"] = Field(
        "judge",
        description="who rewards; model: a network that learns from the pairs of all rounds what the judge likes, for "
        "a judge that is too slow or dear to be asked in every step",
    )
    exact_weight: float = Field(
        0.5, ge=0, le=1, description="share of exact match in the judge's reward; the rest is the score"
    )
    kl: float = Field(0.02, ge=0, description="pull towards the base")
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(10, ge=0, description="at most half of all steps")
    gradient_clip: float = Field(1.0, gt=0)
    most_drift: float = Field(1.0, gt=0, description=DRIFT_WORDS)


class ValidationConfig(Section):
    """Motions for prompts that are neither trained nor tested on, judged while tuning goes on: a tuning ends with the
    best adapter by them, and before its last step if it no longer helps. The kinematic judge is asked."""

    prompts_per_task: int = Field(40, ge=0, description="0: none; a tuning ends with its last adapter")
    every: int = Field(
        50, ge=1, description="least steps between two measurements; there are at most ten, the last at the end"
    )
    patience: int = Field(2, ge=1, description="measurements in a row that are worse, after which a tuning ends")


class RewardModelConfig(Section):
    """The network that learns from preferences what the judge likes, for on_policy.reward=model."""

    network: RewardNetwork = Field(
        "whole",
        description="what reads, a copy of the generator's T5; whole: its encoder the text, its decoder the motion; "
        "encoder: its encoder alone, both in one line",
    )
    margin: float = Field(1.0, ge=0, description="how far apart rewards shall be, for each point of the score gap")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of the prompts that accuracy is measured on")
    epochs: int = Field(3, ge=1, description="most passes; the weights are those of the best held-out accuracy")
    prompts: int = Field(8, ge=1, description="prompts a step, with all their pairs")
    learning_rate: float = Field(3e-4, gt=0)
    warmup_steps: int = Field(10, ge=0, description="at most half of all steps")
    gradient_clip: float = Field(1.0, gt=0)


class MetricsConfig(Section):
    """The metrics of text-to-motion by Guo's protocol: FID, R-Precision, MM-Dist, Diversity, MultiModality."""

    evaluator: str = Field(
        "built-in",
        description="the network that compares texts and motions: 'built-in' (small, trained on the built-in corpus), "
        "or Guo's finest.tar, which needs a dataset with tagged captions",
    )
    variant: Literal["guo", "motiongpt"] = Field(
        "guo", description="motiongpt: the padding counts too, as in MotionGPT's and AToM's published numbers"
    )
    words: str | None = Field(None, description="folder of Guo's word vectors (our_vab_*), for finest.tar")
    mean: str | None = Field(None, description=".npy, the mean that finest.tar was trained with; null: the dataset's")
    std: str | None = Field(None, description=".npy, the standard deviation; null: the dataset's")
    dataset: str | None = Field(
        None, description="folder of HumanML3D whose captions and motions are used; null: the run's test prompts"
    )
    split: Literal["test", "val", "train"] = "test"
    captions: int = Field(0, ge=0, description="most captions of the dataset; 0: all")
    samples: int = Field(1, ge=1, description="motions made for each caption of the dataset; MultiModality needs two")
    replications: int = Field(20, ge=2)
    diversity_pairs: int = Field(300, ge=1)
    multimodality_pairs: int = Field(10, ge=1)


class EvaluationConfig(Section):
    """How the comparison is summarised."""

    temperature: float | None = Field(
        None, ge=0, description="of the test motions; 0: the likeliest token always; null: as generation.temperature"
    )
    metrics: MetricsConfig | None = Field(MetricsConfig(), description="null leaves them out")
    judges: tuple[Literal["kinematic", "learned", "vision"], ...] = Field(
        ("kinematic", "learned"), min_length=1, description="the first shows its evidence in the report"
    )
    baselines: tuple[Literal["cooler", "sft", "dpo"], ...] = Field(
        ("cooler", "sft"),
        description="what tuning has to beat beside the best of N: the base at a lower temperature, fine-tuning on the "
        "chosen motions only, DPO",
    )
    cooler: float = Field(0.7, gt=0, lt=1, description="factor of the temperature of the baseline 'cooler'")
    bootstrap: int = Field(2000, ge=100)
    gallery: int = Field(4, ge=0, description="examples that the report shows by each of its rules")


class ImportedConfig(Section):
    """What was made elsewhere and enters the pipeline in the place of what would have been made. `atom motions check`
    and `atom preferences check` tell what is in a file."""

    candidates: str | None = Field(
        None, description="motions of training prompts, made by any generator: they are drawn, scored and paired"
    )
    base: str | None = Field(None, description="motions of test prompts of that generator as it is")
    tuned: str | None = Field(None, description="the same of that generator tuned on the pairs")
    preferences: str | None = Field(
        None,
        description="pairs to tune on: AToM's preference_labels.jsonl, an export, or a table of prompt, chosen, "
        "rejected",
    )
    runs: tuple[str, ...] = Field(
        (), description="names of runs in the store, such as nightly: tune on the pairs of all of them together"
    )
    unsure: bool = Field(False, description="tune also on pairs whose annotator was unsure, which AToM leaves out")
    tune: bool = Field(
        False, description="tune generation.checkpoint on the pairs of the candidates, which need tokens"
    )

    @property
    def motions(self) -> bool:
        return bool(self.candidates or self.base or self.tuned)


class GateConfig(Section):
    """What stops a run between two stages, and what is only told. Never part of a key."""

    empty_motions: float = Field(0.2, ge=0, le=1, description="share of answers without a motion")
    broken_motions: float = Field(0.1, ge=0, le=1, description="share of motions that are no human body")
    repeated_motions: float = Field(0.9, ge=0, le=1, description="share of motions equal to another of their prompt")
    alert_quarantined: float = Field(0.05, ge=0, le=1, description="share of rows set aside that is told as an alert")
    alert_dollars: float | None = Field(None, gt=0, description="cost of one stage that is told as an alert")


class ResourceConfig(Section):
    """Where and how fast the work is done. Never part of a key."""

    device: str = Field("cpu", description="cpu, cuda, cuda:1, mps")
    runner: Literal["threads", "dask", "ray"] = Field(
        "threads", description="where shards are computed: in this process, or on a cluster"
    )
    address: str | None = Field(
        None, description="of the Dask scheduler or the Ray cluster; null: one of its own on this machine"
    )
    workers: int = Field(2, ge=1, description="shards computed at the same time on this machine")
    threads: int = Field(1, ge=1, description="torch threads of each; more than there are free cores is far slower")
    batch_size: int = Field(64, ge=1, description="motions generated at once")
    processes: int = Field(
        1, ge=1, description="processes that tune on preferences together, each on a GPU of its own where there are any"
    )
    tensorboard: str | None = Field(
        None, description="folder for TensorBoard's logs of tunings; needs atom-motion[tensorboard]"
    )
    retries: int = Field(2, ge=0)


class RunConfig(Section):
    """One pass through the pipeline."""

    name: str = Field("default", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9 ._-]*$")
    seed: int = Field(0, ge=0, description="prompts and sampling")
    training_seed: int = Field(0, ge=0, description="order of the pairs and start of the adapter")
    rounds: int = Field(2, ge=1, description="rounds of generation, scoring and tuning, each with its share of prompts")
    round_prompts: Literal["share", "all"] = Field(
        "share", description="what a round takes of the training prompts: its share, or all of them each time"
    )
    round_gain: float | None = Field(
        None, description="least gain of a round in validation, in score, without which no more follow; null: all do"
    )
    prompts_per_shard: int = Field(40, ge=1)
    prompts: PromptConfig = PromptConfig()
    generation: GenerationConfig = GenerationConfig()
    rendering: RenderingConfig = RenderingConfig()
    judging: JudgingConfig = JudgingConfig()
    preferences: PreferenceConfig = PreferenceConfig()
    tuning: TuningConfig = TuningConfig()
    on_policy: OnPolicyConfig = OnPolicyConfig()
    reward_model: RewardModelConfig = RewardModelConfig()
    validation: ValidationConfig = ValidationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    imported: ImportedConfig = ImportedConfig()
    gates: GateConfig = GateConfig()
    service: ServiceConfig = ServiceConfig()
    resources: ResourceConfig = ResourceConfig()

    @property
    def tunes(self) -> bool:
        """Whether this run tunes a generator, or ends with pairs and with what was made elsewhere."""
        return not self.imported.motions or self.imported.tune

    @property
    def uses_vision(self) -> bool:
        return self.judging.judge == "vision" or "vision" in self.evaluation.judges

    @model_validator(mode="after")
    def _can_be_done(self) -> RunConfig:
        if self.judging.judge == "vision" and self.on_policy.steps and self.on_policy.reward == "judge":
            raise ValueError(
                "a vision-language judge is too slow to be asked in every step: add --set on_policy.reward=model, "
                "which learns from its scores what it likes, or on_policy.steps=0, or judge with "
                "judging.judge=kinematic"
            )
        if self.round_gain is not None and not self.validation.prompts_per_task:
            raise ValueError("round_gain is measured in validation: set validation.prompts_per_task above 0")
        _check_evaluation(self.evaluation, self.generation)
        _check_imported(self)
        _check_tasks(self)
        return self


def _check_evaluation(evaluation: EvaluationConfig, generation: GenerationConfig) -> None:
    if evaluation.temperature == 0 and (generation.evaluation_samples > 1 or "cooler" in evaluation.baselines):
        raise ValueError(
            "at evaluation.temperature=0 all samples of a prompt are equal: set generation.evaluation_samples=1 and "
            "leave 'cooler' out of evaluation.baselines"
        )
    metrics = evaluation.metrics
    if metrics is None or metrics.evaluator == "built-in":
        return
    if not metrics.dataset or not metrics.words:
        raise ValueError(
            "Guo's evaluator reads captions with parts of speech, by its own word vectors: give "
            "evaluation.metrics.dataset (HumanML3D) and evaluation.metrics.words"
        )


def _check_imported(config: RunConfig) -> None:
    imported = config.imported
    if bool(imported.base) != bool(imported.tuned):
        raise ValueError("imported.base and imported.tuned are compared with each other: give both or none")
    if imported.tune and not imported.candidates:
        raise ValueError("imported.tune tunes on pairs of imported.candidates, which are not given")
    if imported.tune and imported.base:
        raise ValueError(
            "imported.tune makes a tuned model of its own, so there is no place for imported.base and imported.tuned: "
            "use two runs"
        )
    metrics = config.evaluation.metrics
    if imported.base and metrics and (metrics.dataset or metrics.evaluator != "built-in"):
        raise ValueError(
            "motions of elsewhere are measured on their own prompts, by the built-in evaluator: leave out "
            "evaluation.metrics.dataset and .evaluator, or set evaluation.metrics=null"
        )
    if imported.runs and (imported.motions or imported.preferences):
        raise ValueError("imported.runs names pairs of this store, so other imports have no place: give one")
    if imported.preferences and imported.motions:
        raise ValueError("imported.preferences are tuned on as they are; imported.candidates make pairs: give one")
    if (imported.preferences or imported.runs or imported.tune) and config.rounds > 1:
        raise ValueError("what was made elsewhere is one round of pairs: set rounds=1")


def _check_tasks(config: RunConfig) -> None:
    imported = config.imported
    of_elsewhere = imported.motions or imported.preferences or imported.runs
    if of_elsewhere and not config.on_policy.steps:
        return
    if absent := set(config.tuning.tasks or ()) - set(config.prompts.tasks):
        raise ValueError(
            f"tuning.tasks asks for {' and '.join(sorted(absent))}, but prompts.tasks has only "
            f"{', '.join(config.prompts.tasks)}"
        )


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> RunConfig:
    """The run's config: defaults, then the YAML file, then `section.field=value` overrides (values are YAML too).

    Raises AtomError that names the first field at fault and what may stand there.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = yaml.safe_load(Path(path).read_text()) or {}
        except OSError as error:
            raise AtomError(f"can't read the config {path}: {error.strerror}; check --config") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise AtomError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise AtomError(f"{path} holds a {type(values).__name__}, not sections such as 'prompts:' or 'tuning:'")
    for override in overrides:
        set_override(values, override)
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise AtomError(_explain(error, RunConfig)) from None


def settings_of(kind: type[Settings], overrides: Sequence[str]) -> Settings:
    """A section's defaults with `field=value` and `section.field=value` changes. AtomError names the field at fault."""
    values: dict[str, Any] = {}
    for override in overrides:
        set_override(values, override)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise AtomError(_explain(error, kind)) from None


def set_override(values: dict[str, Any], override: str) -> None:
    """Puts `section.field=value` (the value as YAML) into nested dicts. AtomError that says how to write it."""
    name, equals, value = override.partition("=")
    if not equals:
        raise AtomError(f"--set {override!r} has no value; write --set section.field=value")
    *sections, field = name.strip().split(".")
    target = values
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise AtomError(f"--set {override!r}: {section!r} is a value, not a section")
    try:
        target[field] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise AtomError(f"--set {override!r}: the value is not YAML; quote it") from None


def _explain(error: ValidationError, root: type[BaseModel]) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if not place:
        return str(first["ctx"]["error"]) if "error" in first.get("ctx", {}) else first["msg"]
    if place.startswith("service.key"):  # somebody may have put the key itself there
        return f"config key {place!r}: {first['msg']}; give a name here, the key goes into the environment"
    if first["type"] == "extra_forbidden":
        section = root
        for part in first["loc"][:-1]:
            section = section.model_fields[str(part)].annotation  # type: ignore[assignment]
        return f"unknown config key {place!r}; known here: {', '.join(section.model_fields)}"
    return f"config key {place!r}: {first['msg']} (got {first['input']!r})"
