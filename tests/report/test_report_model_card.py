"""The model card says what the evaluation found: the metadata of Hugging Face, and a table for each judge."""

from types import SimpleNamespace

import pytest

from atom.report import model_card
from atom.report.facts import Change

CHANGE = Change(base=3.0, tuned=3.5, gain=0.5, gain_low=0.25, gain_high=0.75, n=40, verdict="better")


def report(gains=None, metrics=()):
    return SimpleNamespace(gains=gains or {}, metrics=list(metrics), judge="kinematic")


def metric(name, mean, arm="tuned", data="corpus"):
    return {"metric": name, "mean": mean, "arm": arm, "data": data}


def test_the_results_are_the_tuned_figures_of_each_judge_on_the_held_out_prompts():
    gains = {
        "kinematic": {"overall": CHANGE, "exact_match": CHANGE, "foot_skate": CHANGE},
        "learned": {"overall": CHANGE},
    }
    assert list(model_card._results(report(gains))) == [
        {
            "task": {"type": "text-to-motion", "name": "text to motion"},
            "dataset": {"name": "held-out prompts of the run", "type": "atom-test-prompts", "split": "test"},
            "metrics": [
                {"type": "kinematic_mean_score", "name": "mean score, kinematic judge", "value": 3.5},
                {"type": "kinematic_exact_match", "name": "exact match, kinematic judge", "value": 3.5},
                {"type": "learned_mean_score", "name": "mean score, learned judge", "value": 3.5},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("data", "dataset"),
    [
        (
            "corpus",
            {
                "name": "held-out prompts of the run, against the built-in corpus",
                "type": "atom-test-prompts",
                "split": "test",
            },
        ),
        ("HumanML3D", {"name": "HumanML3D", "type": "humanml3d"}),
    ],
)
def test_metrics_of_the_tuned_arm_name_what_they_are_measured_against(data, dataset):
    rows = [metric("fid", 0.25, data=data), metric("fid", 0.75, "base", data), metric("matching", 2.5, data=data)]
    (result,) = model_card._results(report(metrics=rows))
    assert result["dataset"] == dataset
    assert result["metrics"] == [
        {"type": "fid", "name": "FID", "value": 0.25},
        {"type": "matching", "name": "MM-Dist", "value": 2.5},
    ]


def test_without_an_evaluation_there_are_no_results():
    adapter = SimpleNamespace(base_model="small")
    assert "model-index" not in model_card._metadata(report(), adapter, "title")
    metadata = model_card._metadata(report({"kinematic": {"overall": CHANGE}}), adapter, "title")
    assert metadata["model-index"][0]["name"] == "title" and metadata["base_model"] == "small"
    assert (metadata["library_name"], metadata["language"], metadata["tags"][0]) == ("peft", ["en"], "lora")


@pytest.mark.parametrize("evaluated", [True, False])
def test_a_card_says_whether_the_adapter_was_evaluated(monkeypatch, evaluated):
    monkeypatch.setattr(model_card, "_training_settings", lambda report, adapter: [])
    monkeypatch.setattr(model_card, "dump_config_yaml", lambda report: "seed: 0")
    facts = report({"kinematic": {"overall": CHANGE}} if evaluated else None)
    facts.name, facts.summary = "lab", ["A sentence."]
    card = model_card.render_model_card(facts, SimpleNamespace(base_model="small"))
    assert ("The run did not evaluate the adapter." in card) != evaluated
    assert ("By the kinematic judge:" in card) == evaluated and "A sentence." in card


def test_the_guards_have_their_units_beside_the_judge_of_the_run_alone():
    figures = {"overall": CHANGE, "jerk": CHANGE}
    own, words = list(model_card._evaluation_tables(report({"kinematic": figures})))[1], "jerk, m/s³"
    assert words in own and "| 3.000 | 3.500 | +0.500 |" in own
    other = list(model_card._evaluation_tables(report({"learned": figures})))
    assert other[0] == "By the learned judge:" and "jerk" not in other[1]
