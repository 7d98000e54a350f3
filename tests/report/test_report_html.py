"""The report is one page that stands alone, and shows what comes from outside as text."""

import re

import numpy as np
from headless_browser import opened_browser

from atom.report.html import Pane, gains_plot, render_report

FIGURE = {"base": 3.0, "tuned": 3.4, "gain": 0.4, "gain_low": 0.2, "gain_high": 0.6, "n": 60, "verdict": "better"}
JOINTS = np.random.default_rng(0).uniform(0, 1.7, (1, 22, 3)).repeat(20, axis=0)
SCRIPT = '<script>alert("x")</script>'


def record(**changes):
    figures = {name: FIGURE for name in ("overall", "integrity", "temporal", "frequency", "exact_match")}
    stages = [{"name": "prompts", "shards": 1, "reused": 0, "rows": 3, "seconds": 0.1}]
    agreed = {"judges": ["kinematic", "learned"], "n": 60, "kappa": 0.8, "kappa_low": 0.7, "kappa_high": 0.9}
    return {
        "run_id": "r1", "config": {"name": SCRIPT}, "stages": stages, "seconds": 1.0,
        "evaluation": {"kinematic": figures, "learned": figures}, "agreement": [agreed | {"spearman": 0.7}],
    } | changes  # fmt: skip


def test_the_page_stands_alone_and_escapes_what_it_is_given():
    panes = [Pane("base", b"video", JOINTS, 2.0, SCRIPT), Pane("tuned", b"video", JOINTS, None, "all there")]
    curves = [{"step": step, "loss": 1.0 / step, "accuracy": 0.5} for step in (1, 2)]
    page = render_report(record(), curves, [(SCRIPT, "integrity", panes)])
    assert SCRIPT not in page and page.count("&lt;script&gt;") == 3
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page), "nothing is fetched"
    assert "+0.40, 95 % interval +0.20 to +0.60, 60 held-out prompts" in page
    assert "learned judge" in page and "0.80" in page


def test_a_figure_without_an_interval_is_shown_without_one():
    bare = FIGURE | {"gain_low": None, "gain_high": None, "verdict": "too few prompts"}
    figures = {"overall": bare, "integrity": bare}
    page = render_report(record(evaluation={"kinematic": figures}, agreement=[]), [], [])
    assert "too few prompts" in page and "None" not in page
    assert gains_plot(record(evaluation={"kinematic": figures})).startswith(b"\x89PNG")


def test_the_motions_of_a_prompt_turn_and_play_in_3d_when_they_are_opened(tmp_path):
    panes = [Pane(arm, b"video", JOINTS, 2.0, "") for arm in ("base", "tuned")]
    (tmp_path / "report.html").write_text(render_report(record(), [], [("walk", "integrity", panes)] * 2))
    with opened_browser(tmp_path / "profile") as browser:
        page = browser.page(tmp_path / "report.html")
        viewers = "[...document.querySelectorAll('.motion-viewer')]"
        assert page.evaluate(f"{viewers}.map(viewer => viewer.dataset.frame)") == [None, None]
        page.evaluate("document.querySelector('details').scrollIntoView()")
        page.click("details > summary")
        page.wait(f"{viewers}[0].dataset.frame !== undefined")
        assert page.evaluate("document.querySelectorAll('.motion-viewer')[0].querySelectorAll('canvas').length") == 2
        page.click(".motion-play")
        page.wait(f"Number({viewers}[0].dataset.frame) > 3")
        assert not page.events("Runtime.exceptionThrown")
