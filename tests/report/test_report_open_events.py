"""A run with open actions, missing counts and events at the same time: pages, data and the terminal show it."""

import json
import re

import pytest
from open_runs import EVENTS, KINDS, LONG, open_run
from report_runs import SCRIPT

from atom.judging.coverage import JudgeCoverage
from atom.report.facts import Evidence, RunReport
from atom.report.html_report import render_html_report
from atom.report.markdown_report import render_markdown_report
from atom.report.report_builder import build_report
from atom.report.report_files import load_drawable_joints
from atom.report.run_tables import RunTables
from atom.report.sections import build_sections
from atom.report.wording import describe_coverage

MOTIONS = 2 * len(KINDS)
UNSEEN = 2 * sum(kind > 0 for kind in KINDS)  # motions of prompts with an open action
FAILED = KINDS.count(2)  # of the tuned model
NAMES = {1: "events_1", 2: "events_2", 5: "events_4_or_more"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_run(tmp_path_factory.mktemp("open") / "store")


@pytest.fixture(scope="module")
def tables(store):
    return RunTables(store, store.run("open"))


@pytest.fixture(scope="module")
def report(tables):
    return build_report(tables)


@pytest.fixture(scope="module")
def page(tables, report):
    return render_html_report(report, build_sections(report), load_drawable_joints(tables, report))


@pytest.fixture(scope="module")
def crowded(report):
    """The tuned motion of an example with five events."""
    pairs = [pair for examples in report.examples for pair in examples.examples]
    return next(pair.sides[1] for pair in pairs if len(pair.sides[1].evidence) == 5)


def test_evidence_has_the_words_and_groups_of_the_prompt_and_no_number_where_it_has_none(crowded):
    kneel, scoop, nod, sneeze, wave = crowded.evidence
    assert [row.group for row in crowded.evidence] == [None, 0, 0, 1, 1]
    assert [row.phrase for row in crowded.evidence] == [event.phrase for event in EVENTS[3]]
    assert scoop.phrase == LONG and scoop.name == "scoop up breadcrumb with both hand"
    assert (kneel.asked, kneel.uncounted, kneel.seen, kneel.state) == (None, True, 3, "found")
    assert kneel.description == "asked, seen, 0.0 to 0.5 s (frames 0 to 8)"
    assert nod.state == "found" and nod.description.startswith("asked twice, seen twice, ")
    assert sneeze.state == "found" and wave.state == "missing" and wave.description == "asked, not seen"
    assert [len(group) for group in crowded.evidence_by_group] == [1, 2, 2]


def test_what_the_judge_saw_besides_is_not_asked(report):
    base = next(pair.sides[0] for examples in report.examples for pair in examples.examples)
    extra = base.evidence[-1]
    assert extra.name == "scratch the back of own head" and extra.state == "not asked" and not extra.is_expected


def test_a_stated_number_of_an_open_action_is_compared():
    skips = Evidence(action="skip", asked=4, seen=3, start=0, end=9, countable=True)
    assert skips.state == "miscounted" and "asked 4 times, seen 3 times" in skips.description


def test_evidence_of_an_earlier_report_keeps_its_meaning():
    old = {"action": "jump_up", "asked": None, "seen": 2, "start": 0, "end": 9, "countable": True}
    assert Evidence(**old).state == "not asked"
    assert Evidence(**old | {"asked": 3}).state == "miscounted"


def test_the_page_shows_open_actions_as_text_in_their_own_words(page):
    assert SCRIPT not in page and "juggle &lt;script&gt;" in page
    assert f"<q>{LONG}</q>" in page and "<b>scoop up breadcrumb with both hand</b>" in page
    evidence = re.findall(r'<div class="evidence".*?</div>', page, flags=re.DOTALL)
    assert evidence and not any("None" in part or "null" in part for part in evidence)
    assert page.count("at the same time:") >= 2 and page.count('class="together"') == page.count("at the same time:")


def test_markdown_names_what_is_to_happen_at_the_same_time(report):
    text = render_markdown_report(report, build_sections(report))
    assert SCRIPT not in text
    assert re.search(
        r"at the same time \(scoop up breadcrumb with both hand: found, asked, seen, .*?; nod head: ", text
    )


def test_gains_are_grouped_by_the_number_of_events(report, page):
    figures = report.gains["auto"]
    for events, name in NAMES.items():
        prompts = sum(len(EVENTS[kind]) == events and kind != 2 for kind in KINDS)  # kind 2 has no tuned score
        assert figures[name].n == prompts
        assert (figures[name].verdict == "too few prompts") == (prompts < 6)
    assert "events_3" not in figures
    assert "events_2" not in report.gains["kinematic"], "it scored prompts of one event only"
    assert '<th scope="row">4 or more events</th>' in page and "too few prompts" in page
    assert "| 4 or more events |" in render_markdown_report(report, build_sections(report))


def test_what_was_not_judged_is_counted_and_shown(report, page):
    auto = JudgeCoverage("auto", MOTIONS, MOTIONS - FAILED, 0, FAILED, by_vision=UNSEEN)
    kinematic = JudgeCoverage("kinematic", MOTIONS, MOTIONS - UNSEEN, UNSEEN, 0)
    assert {judge.judge: judge for judge in report.coverage} == {"auto": auto, "kinematic": kinematic}
    sentences = describe_coverage(report.coverage)
    assert any(f"kinematic judge did not judge {UNSEEN} of {MOTIONS} motions" in text for text in sentences)
    assert any(
        f"auto judge sent {UNSEEN} of {MOTIONS} motions (67\N{NO-BREAK SPACE}%) to the" in text for text in sentences
    )
    assert any(f"auto judge gave no score to {FAILED} of {MOTIONS} motions" in text for text in sentences)
    methods = page[page.index('id="judging"') :]
    assert f"did not judge {UNSEEN} of {MOTIONS} motions" in methods
    assert set(sentences) <= set(report.summary)


def test_the_data_come_back_the_same_and_older_data_lack_the_new_fields(report):
    assert RunReport.model_validate_json(report.model_dump_json()) == report
    data = json.loads(report.model_dump_json())
    del data["coverage"]
    assert RunReport.model_validate(data).coverage == []


def test_the_terminal_shows_all_of_it(atom, store):
    def run(*arguments):
        status, out, err = atom(*arguments, "--store", store.root)
        assert status == 0, err
        return " ".join(out.split())

    shown = run("runs", "show", "open")
    assert "4 or more events" in shown and "too few prompts 4" in shown
    for out in (shown, run("report", "judges", "open"), run("show", "open", "--what", "scores")):
        assert f"did not judge {UNSEEN} of {MOTIONS} motions" in out
        assert f"auto judge sent {UNSEEN} of {MOTIONS} motions" in out
    kinematic = json.loads(run("show", "open", "--what", "scores", "--judge", "kinematic", "--json"))
    reasons = [row["error"] for row in kinematic if row["score"] is None]
    assert len(reasons) == UNSEEN and all(reason.startswith("not judged") for reason in reasons)
    assert "not judged" in run("show", "open", "--what", "scores", "--judge", "kinematic")
    coverage = json.loads(run("report", "judges", "open", "--json"))["coverage"]
    assert {row["judge"]: row["not_judged"] for row in coverage} == {"auto": 0, "kinematic": UNSEEN}


def test_a_page_of_a_run_without_any_score_still_tells_why(tables):
    record = json.loads(json.dumps(tables.record)) | {"evaluation": {}}
    stages = [stage for stage in record["stages"] if "auto" not in stage["name"] and stage["name"] != "evaluation"]
    report = build_report(RunTables(tables.store, record | {"stages": stages}))
    assert report.gains == {} and any("did not judge" in sentence for sentence in report.summary)


def test_nothing_of_the_page_overflows(browser, page, tmp_path):
    (tmp_path / "report.html").write_text(page)
    for width, media in ((1000, {}), (360, {"prefers-color-scheme": "dark"})):
        tab = browser.page(tmp_path / "report.html", width=width, media=media)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate("document.querySelectorAll('.evidence .together li').length") > 0
        wide = "[...document.querySelectorAll('.evidence li')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert tab.evaluate(wide) == 0
        tab.close()
