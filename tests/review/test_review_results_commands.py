"""`atom review results` and `export` on a run in a real store, with votes in a real book."""

import json
import re

import duckdb
import numpy as np
import pytest
from review_votes import clip_vote, pair_vote
from small_run import RUN, SCRIPT, TEST, small_run
from typer.testing import CliRunner

from atom.commands.review import review_app
from atom.commands.review_results import _describe_export
from atom.errors import AtomError
from atom.preferences.importing import import_preferences
from atom.report.people_page import MAX_DISPUTES_SHOWN, render_people_page
from atom.review.vote_files import locate_votes_file
from atom.review.vote_store import VoteStore
from atom.review.votes import Vote

VOTERS = ("ann", "ben", SCRIPT)


def votes():
    """People prefer the base, where the judge prefers the tuned, and turn one training pair round."""
    cast = [pair_vote(voter, n, "base", task="frequency", seconds=2.0) for n in TEST for voter in VOTERS]
    cast += [clip_vote("ann", "base", n, 5) for n in range(2)]
    ids = ("t1-2", "t1-0")
    cast += [Vote(voter, "x", "t1", "frequency", ids, ("chosen", "rejected"), "second") for voter in VOTERS]
    return cast


def cast_into(path):
    book = VoteStore(path)
    for vote in votes():
        book.cast(vote)


@pytest.fixture
def store(tmp_path):
    store = small_run(tmp_path / "store")
    cast_into(locate_votes_file(store, RUN))
    return store


def call(*arguments):
    return CliRunner().invoke(review_app, [*map(str, arguments)], env={"COLUMNS": "160"})


def test_results_in_the_terminal(store):
    out = call("results", "--store", store.root).stdout
    assert "Tuned wins against base in 0% of the votes" in out and "people find base better" in out
    assert "chosen against rejected" in out and "with kinematic, pairs" in out and "base is better (100%)" in out
    assert SCRIPT in out, "text, not markup"


def test_results_as_json_and_beside_the_report(store):
    answer = call("results", RUN, "--store", store.root, "--json", "--write")
    found = json.loads(answer.stdout)
    assert found["votes"] == {"pairs": 24, "clips": 2, "skipped": 0, "voters": 3, "prompts": 8}
    assert json.loads(store.files.read(f"runs/{RUN}/human.json")) == found
    assert answer.stderr.count(f"runs/{RUN}/") == 2


def test_votes_may_lie_elsewhere(store, tmp_path):
    cast_into(tmp_path / "else.sqlite")
    locate_votes_file(store, RUN).unlink()
    with pytest.raises(AtomError, match="nobody has voted yet"):
        CliRunner().invoke(review_app, ["results", "--store", store.root], catch_exceptions=False)
    assert call("results", "--store", store.root, "--votes", tmp_path / "else.sqlite").exit_code == 0


def test_the_page_stands_alone_escapes_what_it_is_given_and_shows_disagreements_in_3d(store, browser, tmp_path):
    call("results", "--store", store.root, "--write")
    page = store.files.read(f"runs/{RUN}/people.html").decode()
    assert SCRIPT not in page and page.count("&lt;script&gt;") == 2, "a prompt and a voter"
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page), "nothing is fetched"
    assert "prefers-color-scheme" in page or "light-dark(" in page
    disputed = json.loads(store.files.read(f"runs/{RUN}/human.json"))["disagreements"]
    motions = {tuple(row["motion_ids"]) for row in disputed}
    assert page.count('class="motion-viewer"') == len(motions) < len(disputed), "judges that say the same share a view"
    (tmp_path / "people.html").write_text(page)
    opened = browser.page(tmp_path / "people.html", width=390, media={"prefers-color-scheme": "dark"})
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
    widths = "[...document.querySelectorAll('.bar')][0].querySelectorAll('i')"
    assert opened.evaluate(f"[...{widths}].map(bar => bar.style.width)") == ["0%", "100%"]
    canvases = "[...document.querySelectorAll('.motion-viewer')].map(view => view.querySelectorAll('canvas').length)"
    assert set(opened.evaluate(canvases)) == {1, 2}, "a motion that was scored, two that were compared"
    opened.evaluate("document.querySelector('.motion-viewer').scrollIntoView()")
    opened.wait("document.querySelector('.motion-viewer').dataset.frame !== undefined")
    assert not opened.events("Runtime.exceptionThrown")
    opened.close()


def test_the_page_shows_the_largest_disagreements_only(store):
    call("results", "--store", store.root, "--write")
    found = json.loads(store.files.read(f"runs/{RUN}/human.json"))
    row = found["disagreements"][0]
    found["disagreements"] = [row | {"motion_ids": [f"m{number}"]} for number in range(30)]
    page = render_people_page(RUN, found, lambda motion_id: np.random.default_rng(0).uniform(0, 1.7, (4, 22, 3)))
    assert page.count('class="motion-viewer"') == MAX_DISPUTES_SHOWN and "30 found, the 12 largest" in page


@pytest.mark.parametrize(("decided_as", "pairs", "by_people"), [("human", 8, 8), ("judge", 3, 0), ("corrected", 3, 1)])
def test_pairs_for_tuning(store, tmp_path, decided_as, pairs, by_people):
    answer = call("export", RUN, "-o", tmp_path / "out", "--store", store.root, "--as", decided_as)
    assert f"{pairs} pairs, {by_people} decided by people" in answer.stdout
    assert ("7 are of held-out prompts" in answer.stdout) == (decided_as == "human")
    rows = import_preferences(tmp_path / "out").rows
    assert len(rows) == pairs and sum(row["decided_by"] == "annotator" for row in rows) == by_people
    card = (tmp_path / "out" / "README.md").read_text()
    assert ("Nobody checked the pairs" in card) == (decided_as == "judge")


def test_votes_as_a_table_that_duckdb_opens(store, tmp_path):
    call("export", "--form", "votes", "-o", tmp_path / "out", "--store", store.root)
    found = duckdb.sql(f"select * from '{tmp_path}/out/votes.parquet'")
    table = [dict(zip(found.columns, row)) for row in found.fetchall()]
    assert len(table) == len(votes()) and all(row.pop("cast_at") for row in table)
    assert table[0] == {
        "voter": "ann",
        "item_id": "base-tuned-0",
        "prompt_id": "p0",
        "task": "frequency",
        "motion_ids": ["base0", "tuned0"],
        "arms": ["base", "tuned"],
        "choice": "first",
        "score": None,
        "seen": None,
        "swapped": False,
        "note": "",
        "seconds": 2.0,
    }
    again = call("export", "--form", "votes", "-o", tmp_path / "out", "--store", store.root)
    assert isinstance(again.exception, AtomError) and "is there already" in str(again.exception)


def test_nothing_decided_is_said(store, tmp_path):
    path = tmp_path / "skips.sqlite"
    VoteStore(path).cast(pair_vote("a", 0, "skip"))
    answer = call("export", "-o", tmp_path / "out", "--store", store.root, "--votes", path)
    assert isinstance(answer.exception, AtomError) and "let people vote on pairs" in str(answer.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("decided_as", "judge", "pairs"),
    [
        ("human", None, "those that people compared, decided by the majority"),
        ("judge", "kinematic", "the judge's"),
        ("corrected", "kinematic", "the judge's; flipped where most people prefer the other motion, left out where"),
    ],
)
def test_what_is_exported_names_its_run_its_judge_and_its_voters(decided_as, judge, pairs):
    config = {"name": "lab", "generation": {"checkpoint": "models/of ours/small"}, "judging": {"judge": "kinematic"}}
    about = _describe_export({"run_id": RUN, "config": config}, decided_as, votes())
    assert about.pop("pairs").startswith(pairs)
    assert about == {
        "name": "Motion preferences of lab",
        "run": RUN,
        "generator": "small",
        "judge": judge,
        "votes": len(votes()),
        "voters": 3,
        "degree": "how far people agree, for pairs that they decided",
    }
    silent = _describe_export({"run_id": RUN, "config": config}, decided_as, [])
    assert (silent["votes"], silent["voters"], silent["degree"]) == (None, None, None)
