"""The summary of a set of pairs, on rows whose numbers are known."""

from atom.preferences.summary import summarise_pairs


def row(prompt, task, chosen=3, rejected=1, scores=(5.0, 2.0)):
    return {
        "prompt_id": prompt,
        "task": task,
        "chosen_tokens": [1] * chosen,
        "rejected_tokens": [1] * rejected,
        "chosen_score": scores[0],
        "rejected_score": scores[1],
    }


def test_means_are_over_the_pairs_that_have_the_value():
    rows = [
        row("a", "temporal"),
        row("a", "temporal", 2, 6, scores=(4.0, None)),
        row("b", "temporal", 9, 0),  # a motion without tokens has no length to compare
        row("c", "integrity", 0, 0, scores=(None, None)),
        row("d", None),
    ]
    summary = summarise_pairs(rows)
    assert (summary["pairs"], summary["prompts"]) == (5, 4)
    integrity, temporal, rest = summary["tasks"]
    numbers = {"chosen_score": 14 / 3, "rejected_score": 2.0, "longer_by": -1.0}
    assert temporal == {"task": "temporal", "prompts": 2, "pairs": 3} | numbers
    assert integrity == {"task": "integrity", "prompts": 1, "pairs": 1} | dict.fromkeys(numbers)
    assert rest == {
        "task": "not told",
        "prompts": 1,
        "pairs": 1,
        "chosen_score": 5.0,
        "rejected_score": 2.0,
        "longer_by": 2.0,
    }
    assert summarise_pairs([]) == {"pairs": 0, "prompts": 0, "tasks": []}
