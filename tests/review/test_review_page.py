"""People in a browser: what they press is what is stored."""

import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from headless_browser import TIMEOUT
from review_run import make_run
from served_app import serve_app

from atom.report.run_tables import RunTables
from atom.review.assignment import Assignment
from atom.review.review_items import collect_review_items
from atom.review.review_server import make_app
from atom.review.vote_store import VoteStore
from storage import Store

HOSTILE = "a man jumps <img src=x onerror=\"document.title='hacked'\"></h1><script>document.title='hacked'</script>"


class Review:
    """A server of a run with so many pairs, and the people at it."""

    def __init__(self, folder, browser, texts=6, what="pairs", shared=0.2):
        self.browser, self.what, self.shared = browser, what, shared
        self.store, self.votes_file = Store(str(folder / "store")), folder / "votes.sqlite"
        make_run(self.store, texts if isinstance(texts, list) else [f"somebody does {n} things" for n in range(texts)])
        self.stack = ExitStack()
        self.start()

    def start(self):
        tables = RunTables(self.store, self.store.run("latest"))
        items = collect_review_items(tables, self.what)
        assignment = Assignment(VoteStore(self.votes_file), items, shared=self.shared)
        self.base = self.stack.enter_context(serve_app(make_app(assignment, tables.joints, "t0ken")))
        self.address = f"{self.base}/?token=t0ken"

    def stop(self):
        self.stack.close()

    def person(self, name, **settings):
        """The tab of somebody who followed the address and gave their name."""
        page = self.browser.page(self.address, **settings)
        page.wait("!!document.querySelector('#voter')")
        page.evaluate(f"document.querySelector('#voter').value = '{name}'")
        page.click("button")
        ready(page)
        return page

    def votes(self, voter):
        return [vote for vote in VoteStore(self.votes_file).votes() if vote.voter == voter]


class KillableReview(Review):
    """The same in a process of its own, as `atom review` starts it."""

    port = 0

    def start(self):
        options = ("--store", self.store.root, "--votes", self.votes_file, "--port", self.port)
        command = [sys.executable, "-m", "atom.commands.review", "latest", *map(str, options)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.address = self.process.stdout.readline().split()[-1]
        self.base = self.address.split("/?")[0]
        self.port = self.base.rsplit(":", 1)[1]

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    stop = kill


def ready(page):
    page.wait("document.querySelector('.motion-viewer[data-frame]') && document.body.ariaBusy === 'false'")


def text(page, selector="#text"):
    return page.evaluate(f"document.querySelector('{selector}').textContent")


def judged(page, act):
    """Does what judges an item, waits for the next, and gives the text of what was judged."""
    before = text(page)
    act()
    page.wait(f"document.querySelector('#text').textContent !== {before!r} && document.body.ariaBusy === 'false'")
    return before


def meant(pressed, vote):
    sides = ["first", "second"][:: -1 if vote.swapped else 1]
    return {"1": sides[0], "2": sides[1], "0": "tie", "s": "skip"}[pressed]


def stored(review, voter):
    prompts = {f"prompt{n}": f"somebody does {n} things" for n in range(99)}
    return [(prompts[vote.prompt_id], vote.choice) for vote in review.votes(voter)]


@pytest.fixture
def reviewing(tmp_path, browser):
    begun = []

    def begin(*arguments, kind=Review, **options):
        begun.append(kind(tmp_path, browser, *arguments, **options))
        return begun[-1]

    yield begin
    for review in begun:
        review.stop()


def test_a_session_by_keyboard(reviewing):
    review = reviewing(6)
    page = review.person("Ann")
    # Browsers send the cookies of a host to all of its ports: those of other local servers are none of ours.
    cookies = [cookie for cookie in page.evaluate("document.cookie").split("; ") if not cookie.startswith("AMP_")]
    assert page.evaluate("location.search") == "?voter=Ann" and cookies in ([], [""])
    pressed = list("12012s")
    seen = [judged(page, lambda key=key: page.press(key)) for key in pressed]
    assert len(set(seen)) == 6 and text(page).startswith("Nothing is left")
    votes = review.votes("Ann")
    assert stored(review, "Ann") == [(item, meant(key, vote)) for item, key, vote in zip(seen, pressed, votes)]
    assert text(page, "#mine-told") == "6 of 6" and text(page, "#all-told") == "5 of 6"
    assert all(0 < vote.seconds < TIMEOUT for vote in votes)
    assert page.events("Log.entryAdded") == page.events("Runtime.exceptionThrown") == []
    page.close()


def test_a_session_by_mouse(reviewing):
    review = reviewing(4)
    page = review.person("Bob")
    selectors = {"1": "[data-press=left]", "2": "[data-press=right]", "0": "[data-press=tie]", "s": "[data-press=skip]"}
    pressed = list("210s")
    seen = [judged(page, lambda key=key: page.click(selectors[key])) for key in pressed]
    votes = review.votes("Bob")
    assert stored(review, "Bob") == [(item, meant(key, vote)) for item, key, vote in zip(seen, pressed, votes)]
    assert judged(page, lambda: page.click("#undo")).startswith("Nothing is left") and text(page) == seen[-1]
    assert len(review.votes("Bob")) == 3
    page.close()


def test_undo_goes_back_to_the_item_and_its_note(reviewing):
    review = reviewing(3)
    page = review.person("Ann")
    page.press("u")
    page.wait("document.querySelector('#told').textContent === 'There is nothing to undo.'")
    page.press("n")
    for letter in "1 u2":
        page.press(letter)  # goes into the note
    page.press("Escape")
    first = judged(page, lambda: page.press("1"))
    assert (
        text(page, "#told") == "Stored: 1 is better." and page.evaluate("document.querySelector('#note').value") == ""
    )
    assert [vote.note for vote in review.votes("Ann")] == ["1 u2"]
    judged(page, lambda: page.press("u"))
    assert text(page) == first and page.evaluate("document.querySelector('#note').value") == "1 u2"
    assert text(page, "#told") == "Your last vote was undone." and review.votes("Ann") == []
    judged(page, lambda: page.press("0"))
    assert stored(review, "Ann") == [(first, "tie")]
    page.close()


def test_two_people_at_once_get_different_items_but_what_is_shared(reviewing):
    review = reviewing(8, shared=0.25)
    pages = {name: review.person(name) for name in ("Ann", "Bob")}
    seen = {name: [] for name in pages}
    while any(not text(page).startswith("Nothing is left") for page in pages.values()):
        for name, page in pages.items():
            if not text(page).startswith("Nothing is left"):
                seen[name].append(judged(page, lambda page=page: page.press("1")))
    assert len(set(seen["Ann"]) & set(seen["Bob"])) == 2 and len(seen["Ann"] + seen["Bob"]) == 10
    for name, page in pages.items():
        votes = review.votes(name)
        assert stored(review, name) == [(item, meant("1", vote)) for item, vote in zip(seen[name], votes)]
        page.close()


def test_after_kill_9_everybody_goes_on_where_they_were(reviewing):
    review = reviewing(5, kind=KillableReview)
    page = review.person("Ann")
    seen = [judged(page, lambda: page.press("2")) for _ in range(2)]
    here = text(page)
    review.kill()
    page.press("1")
    page.wait("document.querySelector('#problem').textContent.startsWith('The server does not answer')")
    assert text(page) == here
    review.start()
    page.press("1")  # the new server does not know this page
    page.wait("document.querySelector('#problem').textContent.includes('open the address')")
    assert len(review.votes("Ann")) == 2
    page.close()
    page = review.person("Ann")
    assert text(page) == here and text(page, "#mine-told") == "2 of 5"
    seen += [judged(page, lambda: page.press("1")) for _ in range(3)]
    votes = review.votes("Ann")
    assert stored(review, "Ann") == [(item, meant(key, vote)) for item, key, vote in zip(seen, "22111", votes)]
    page.close()


def test_a_vote_cut_off_by_kill_9_is_stored_once_or_not_at_all(reviewing):
    review = reviewing(30, kind=KillableReview)
    page = review.person("Ann")
    seen = [judged(page, lambda: page.press("1")) for _ in range(3)]
    seen.append(text(page))
    page.press("1")
    review.kill()  # while the vote is on its way
    review.start()
    page.close()
    page = review.person("Ann")
    votes = stored(review, "Ann")
    assert [item for item, _ in votes] in (seen, seen[:3])
    assert (text(page) == seen[3]) == (len(votes) == 3)
    page.close()


def test_clips_get_points_and_ticks(reviewing):
    review = reviewing(2, what="clips")
    page = review.person("Ann")
    assert page.evaluate("[...document.querySelectorAll('#events label')].map((label) => label.textContent)") == [
        "a jumps twice",
        "b bow 3 times",
    ]

    def by_key():
        page.press("b")
        page.press("4")

    def by_mouse():
        page.click("#events label")
        page.click("[data-score='2']")

    def again():
        for key in "aba5":
            page.press(key)

    for act in (by_key, by_mouse, again, lambda: page.press("s")):
        before = text(page, "#mine-told")
        act()
        page.wait(
            f"document.querySelector('#mine-told').textContent !== {before!r} && document.body.ariaBusy === 'false'"
        )
        assert page.evaluate("document.querySelectorAll('#events input:checked').length") == 0
    assert [(vote.score, vote.seen, vote.choice) for vote in review.votes("Ann")] == [
        (4, (False, True), None),
        (2, (True, False), None),
        (5, (False, True), None),
        (None, None, None),
    ]
    page.close()


def test_a_text_of_html_and_script_is_shown_as_text(reviewing):
    review = reviewing([HOSTILE])
    page = review.person("Ann")
    assert text(page) == HOSTILE
    time.sleep(0.2)
    assert page.evaluate("document.title") == "AToM · review" and not page.evaluate("document.images.length")
    assert page.evaluate("document.scripts.length") == 2  # the viewer's and the page's
    page.close()


def test_motions_play_at_once_in_a_loop_and_keys_steer_them(reviewing):
    review = reviewing(3)
    page = review.person("Ann")
    state = "document.querySelector('.motion-viewer').dataset"
    page.wait(f"{state}.playing === 'true' && {state}.frame === '11'")
    page.wait(f"{state}.frame === '2'")  # it began again
    page.press("m")
    page.wait(f"{state}.speed === '0.5'")
    page.press(" ")
    page.wait(f"{state}.playing === 'false'")
    judged(page, lambda: page.click("[data-press=left]"))
    page.wait(f"{state}.speed === '0.5' && {state}.playing === 'true'")  # slow motion stays
    page.press(" ")  # is for the motion, not for the button that was clicked
    page.wait(f"{state}.playing === 'false'")
    assert len(review.votes("Ann")) == 1
    page.press("m")
    page.press("m")
    page.wait(f"{state}.speed === '1'")
    page.close()


def test_a_key_that_is_held_or_goes_with_control_judges_nothing(reviewing):
    review = reviewing(4)
    page = review.person("Ann")
    page.press("1", modifiers=2)
    page.call("Input.dispatchKeyEvent", type="keyDown", key="1", text="1", autoRepeat=True)
    page.press("x")
    judged(page, lambda: page.press("1"))
    time.sleep(0.2)
    assert len(review.votes("Ann")) == 1
    page.close()


@pytest.mark.parametrize("what", ["pairs", "clips"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_motions_and_answers_are_in_sight(reviewing, what, scheme):
    review = reviewing(["a man jumps twice and " * 8], what=what)
    page = review.person("Ann", width=390, height=800, density=2, media={"prefers-color-scheme": scheme})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = page.evaluate(
        "[...document.querySelectorAll('canvas, .answers button')].map((element) => {"
        "const box = element.getBoundingClientRect(); return [box.x, box.y, box.right, box.bottom, box.height]; })"
    )
    motions = 2 if what == "pairs" else 1
    assert len(boxes) == motions + (3 if what == "pairs" else 5)
    for place, (x, y, right, bottom, height) in enumerate(boxes):
        assert x >= 0 and right <= 390 and y >= 0 and height >= 44
        assert bottom <= 800 or place < motions
    assert (page.screenshot()[4, 4].mean() > 128) == (scheme == "light")
    page.close()


def test_a_screen_reader_finds_its_way(reviewing):
    page = reviewing(2).person("Ann")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
    ]
    buttons = [name for role, name in named if role == "button"]
    assert all(buttons) and {"1 is better", "0 equal", "2 is better", "skip", "undo", "pause"} <= set(buttons)
    assert ("heading", text(page)) in named and ("textbox", "note") in named
    assert {"status", "progressbar"} <= {role for role, _ in named}
    assert ("image", "1: the body in motion") in named or ("img", "1: the body in motion") in named
    assert page.evaluate("document.activeElement.id") == "text"
    page.close()


def test_a_wrong_name_is_told(reviewing):
    review = reviewing(1)
    review.person("Ann").close()
    page = review.browser.page(f"{review.base}/judge?voter=%3Cb%3E")
    assert "1 to 40 letters" in text(page, "#problem") and page.evaluate("!!document.querySelector('#voter')")
    page.evaluate("document.querySelector('#voter').value = 'a<b'")
    assert page.evaluate("document.querySelector('#voter').checkValidity()") is False
    page.evaluate("document.querySelector('#voter').value = 'J\u00f6rg 2.-_'")
    assert page.evaluate("document.querySelector('#voter').checkValidity()") is True
    page.close()
