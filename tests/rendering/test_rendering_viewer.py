"""The 3D viewer: the content of its page, and its behaviour in a browser."""

import base64
import json
import time
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
from jinja2 import Environment
from test_rendering_frames import blue, middle_column, orange, standing, walking
from typer.testing import CliRunner

from atom.commands.motions import motions_app
from atom.errors import AtomError
from atom.rendering.camera import FLOOR_RADIUS
from atom.rendering.figure import COLOUR, END_A, END_B, RADII, SQUEEZE, build_figure_parts, measure_body_height
from atom.rendering.floor_path import trace_floor_path
from atom.rendering.rasteriser import draw_frame
from atom.rendering.viewer import ViewedMotion, render_viewer, render_viewer_page, viewer_assets

NASTY = "</script><img src=x onerror=\"document.title='hacked'\">"


class Elements(HTMLParser):
    """The elements of a page as (tag, attributes), and its text outside of script and style."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text, self.inside = [], "", ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def motions(self):
        return [json.loads(figure["data-motion"]) for figure in self.all("figure")]


def decode_points(motion):
    """The points (T, 23, 3) that the page encodes: the joints, and the point on the floor below the body."""
    steps = np.frombuffer(base64.b64decode(motion["points"]), "<i2")
    return motion["origin"] + motion["step"] * steps.reshape(-1, motion["width"] // 3, 3)


@pytest.mark.parametrize(
    ("joints", "tolerance"),
    [
        (standing(5), 0.00051),
        (walking(196), 0.00051),
        (walking(30) + np.array([900.0, 0.0, -880.0]), 0.00051),
        (walking(900, 0.2), 0.003),  # 180 m on foot: a step of 16 bits is 2.7 mm
    ],
)
def test_joints_are_encoded_to_within_their_step(joints, tolerance):
    (motion,) = Elements(render_viewer([ViewedMotion("a", joints)])).motions()
    points = decode_points(motion)
    assert points.shape == (len(joints), 23, 3)
    assert np.abs(points[:, :22] - joints).max() <= tolerance
    assert np.abs(points[:, 22, 1]).max() <= tolerance
    assert np.abs(points[:, 22] - joints.mean(axis=1) * [1, 0, 1]).max() < 0.1
    assert motion["height"] == pytest.approx(measure_body_height(joints), abs=1e-4)
    assert [stroke[4] for stroke in motion["path"]] == trace_floor_path(joints)[1].tolist()


def test_a_clip_takes_36_kilobytes():
    still, moving = (len(render_viewer([ViewedMotion("a", joints)])) for joints in (standing(196), walking(196)))
    assert 34_000 < still < 38_000 and moving < still + 40 * 196 * 0.06 / 0.08 * 2


def test_every_text_is_escaped():
    page = render_viewer_page([ViewedMotion(NASTY, standing(4), NASTY)], NASTY)
    found = Elements(page)
    assert not found.all("img") and len(found.all("script")) == 1 and page.count("</script>") == 1
    assert found.text.count(NASTY) == 4  # title, heading, label, detail
    assert found.all("canvas")[0]["aria-label"].startswith(NASTY)


def test_a_page_has_no_external_references():
    page = render_viewer_page([ViewedMotion("a", walking(9)), ViewedMotion("b", walking(20))])
    assert "http" not in page and "url(" not in page and "@import" not in page
    attributes = [pair for _, values in Elements(page).elements for pair in values.items()]
    assert [value for name, value in attributes if name in ("src", "href", "srcset", "action")] == ["data:,"]


def test_fragments_share_script_and_style_and_no_id():
    fragments = [render_viewer([ViewedMotion(name, walking(9))]) for name in "ab"]
    for fragment in fragments:
        found = Elements(fragment)
        assert not found.all("script") and not found.all("style")
        assert not any("id" in attributes or "name" in attributes for _, attributes in found.elements)
    page = (
        Environment(autoescape=True)
        .from_string("{{ assets }}{{ a }}{{ b }}")
        .render(assets=viewer_assets(), a=fragments[0], b=fragments[1])
    )
    found = Elements(page)
    assert len(found.all("script")) == len(found.all("style")) == 1 and len(found.all("canvas")) == 2


def test_the_longest_motion_sets_the_slider():
    found = Elements(render_viewer([ViewedMotion("a", walking(9)), ViewedMotion("b", walking(20))]))
    assert [slider["max"] for slider in found.all("input")] == ["19"]


def test_invalid_joints_are_refused():
    with pytest.raises(AtomError, match="at least one"):
        render_viewer([])
    with pytest.raises(AtomError, match="must have shape"):
        render_viewer_page([ViewedMotion("a", np.zeros((4, 21, 3)))])
    with pytest.raises(AtomError, match="not finite"):
        render_viewer_page([ViewedMotion("a", np.full((4, 22, 3), np.nan))])


# --- the command -----------------------------------------------------------------------------------------------------


def view(*arguments):
    return CliRunner().invoke(motions_app, ["view", *map(str, arguments)], env={"COLUMNS": "200"})


def test_view_writes_one_page_of_all_files(tmp_path):
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "walk.npy", walking(9))
    np.savez(tmp_path / "stand.npz", joints=standing(20))
    np.save(tmp_path / "b" / "walk.npy", walking(12))
    page = tmp_path / "page.html"
    page.write_text("what was there before")
    result = view(tmp_path / "walk.npy", tmp_path / "stand.npz", "-o", page)
    assert result.exit_code == 0 and "2 motions side by side" in result.stdout, result.output
    found = Elements(page.read_text())
    assert "walk, stand" in found.text and "20 frames, 1.0 s" in found.text
    assert [len(decode_points(motion)) for motion in found.motions()] == [9, 20]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "page.html", "stand.npz", "walk.npy"]

    # Files of the same name are labelled with their folders.
    assert view(tmp_path / "walk.npy", tmp_path / "b" / "walk.npy", "-o", page, "--title", "Two walks").exit_code == 0
    found = Elements(page.read_text())
    assert "Two walks" in found.text and str(tmp_path / "b" / "walk.npy") in found.text


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("nothing.npy", "page.html", "no such file"),
        ("short.npy", "page.html", "at least 4"),
        ("walk.npy", "page.pdf", r"ends in \.html"),
        ("walk.npy", "nowhere/page.html", "make it first"),
        ("walk.npy", "folder.html", "choose another place"),
    ],
)
def test_errors_of_view_say_what_to_do(tmp_path, source, target, words):
    np.save(tmp_path / "walk.npy", walking(9))
    np.save(tmp_path / "short.npy", walking(2))
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "page.html").write_text("what was there before")
    with pytest.raises(AtomError, match=words):
        raise view(tmp_path / source, "-o", tmp_path / target).exception
    assert (tmp_path / "page.html").read_text() == "what was there before"


# --- in a browser ----------------------------------------------------------------------------------------------------

VIEWER = "document.querySelector('.motion-viewer')"
STILL = {"prefers-reduced-motion": "reduce"}


@pytest.fixture
def open_viewer(browser, tmp_path):
    """A function that opens a page of motions. At the end, no page may have had an error or sent a request."""
    pages = []

    def open_page(*motions, page=None, **settings):
        file = tmp_path / f"{len(pages)}.html"
        file.write_text(page or render_viewer_page(motions))
        pages.append(browser.page(file, **settings))
        pages[-1].wait(f"{VIEWER}.dataset.frame !== undefined")
        return pages[-1]

    yield open_page
    for page in pages:
        requests = [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]
        assert requests and all(url.startswith(("file:", "data:")) for url in requests), requests
        assert len([url for url in requests if url.startswith("file:")]) == 1, requests
        for fault in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            assert not page.events(fault)
        page.close()


def state(page):
    return page.evaluate(f"({{...{VIEWER}.dataset}})")


def frame(page):
    return int(state(page)["frame"])


def camera_view(page):
    return [float(value) for value in state(page)["view"].split()]


def final_picture(page):
    """A screenshot once the body is drawn at full resolution, which happens a moment after the last change."""
    pictures = [None]
    while not (len(pictures) > 2 and np.array_equal(pictures[-1], pictures[-2])):
        time.sleep(0.25)
        pictures.append(page.screenshot())
        assert len(pictures) < 40, "the picture never stops changing"
    return pictures[-1].astype(int)


def scrub(page, to):
    page.evaluate(
        f"(() => {{ const slider = document.querySelector('.motion-viewer input'); slider.value = {to};"
        "slider.dispatchEvent(new Event('input')); })()"
    )
    page.wait(f"{VIEWER}.dataset.frame === '{to}'")


def test_the_script_builds_the_same_body_as_the_rasteriser(browser, tmp_path):
    page = browser.page(tmp_path)
    script = (files("atom.rendering") / "templates" / "viewer_figure.js").read_text()
    generator = np.random.default_rng(0)
    poses = standing(5, 0.7) + generator.normal(scale=0.05, size=(5, 22, 3))
    height = measure_body_height(poses)
    for pose, parts in zip(poses, build_figure_parts(poses, height)):
        call = f"figureParts({json.dumps(pose.ravel().tolist())}, {height})"
        drawn = page.evaluate(f"(() => {{ {script}\nreturn {call}; }})()")
        rows = [
            [*part["a"], *part["b"], part["radiusA"], part["radiusB"], *part["axis"], part["squeeze"], *part["colour"]]
            for part in drawn
        ]
        np.testing.assert_allclose(rows, parts[:, np.r_[END_A, END_B, RADII, 8:11, SQUEEZE, COLOUR]], atol=1e-9)
    page.close()


def test_the_body_is_the_one_that_the_rasteriser_draws(open_viewer):
    joints = standing(1) + np.random.default_rng(3).normal(scale=0.06, size=(1, 22, 3))
    page = open_viewer(ViewedMotion("a", joints), media=STILL)
    found = Elements(render_viewer([ViewedMotion("a", joints)]))
    (motion,), camera = found.motions(), json.loads(found.elements[0][1]["data-camera"])
    x, y, width, height = page.evaluate(
        "(() => { const box = document.querySelector('canvas').getBoundingClientRect();"
        "return [box.x, box.y, box.width, box.height].map(Math.round); })()"
    )
    bearing, elevation = motion["bearing"], camera["elevation"]
    ahead = -np.array([np.sin(bearing) * np.cos(elevation), np.sin(elevation), np.cos(bearing) * np.cos(elevation)])
    right = np.array([np.cos(bearing), 0, -np.sin(bearing)])
    points = decode_points(motion)[0]
    place = points[22] + np.array([0, motion["middle"], 0]) - ahead * camera["distance"]
    expected = np.empty((height, width, 3), np.uint8)
    draw_frame(
        expected,
        build_figure_parts(points[None, :22], motion["height"])[0],
        place,
        np.stack([right, np.cross(right, ahead), ahead]),
        camera["focal"] * min(width, height),
        points[22, [0, 2]],
        points[22, [0, 2]],
        FLOOR_RADIUS * motion["height"],
        motion["height"],
        np.empty((0, 4)),
        np.empty(0),
    )
    drawn, expected = final_picture(page)[y : y + height, x : x + width], expected.astype(int)
    difference = np.abs(drawn - expected)
    assert difference[orange(expected) | blue(expected)].max() <= 2
    assert difference.mean() < 1  # with the floor and its shadow


def test_it_starts_where_the_pictures_do_and_a_drag_turns(open_viewer):
    page = open_viewer(ViewedMotion("a", standing(9)), media=STILL)
    before = final_picture(page)
    assert orange(before).sum() > 1000 and blue(before).sum() > 1000
    assert middle_column(orange(before)) > middle_column(blue(before))
    start = camera_view(page)
    page.drag("canvas", 314, 0)  # half a turn
    assert camera_view(page)[0] == pytest.approx(start[0] - np.pi, abs=0.02) and camera_view(page)[1:] == start[1:]
    after = final_picture(page)
    assert middle_column(orange(after)) < middle_column(blue(after))
    page.drag("canvas", 0, 100)
    assert camera_view(page)[1] > start[1] + 0.3
    page.click("canvas", clicks=2)
    page.wait(f"{VIEWER}.dataset.view === '{' '.join(f'{value:.3f}' for value in start)}'")
    assert np.array_equal(final_picture(page), before)


def test_wheel_zooms_once_the_view_was_clicked_or_the_page_has_nothing_to_scroll(open_viewer):
    fragment = render_viewer([ViewedMotion("a", standing(9))])
    long_page = f"{viewer_assets()}{fragment}<p style='height: 3000px'>"
    page = open_viewer(page=long_page, media=STILL)
    x, y = page.center_of("canvas")
    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=120)
    page.wait("scrollY > 0")
    assert camera_view(page)[2] == 1
    page.evaluate("scrollTo(0, 0)")
    page.click("canvas")
    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300)
    page.wait(f"{VIEWER}.dataset.view.split(' ')[2] > 1.3")
    assert page.evaluate("scrollY") == 0

    page = open_viewer(ViewedMotion("a", standing(9)), media=STILL, height=1200)
    x, y = page.center_of("canvas")
    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=120)
    page.wait(f"{VIEWER}.dataset.view.split(' ')[2] < 1")


def test_one_finger_turns_and_two_zoom(open_viewer):
    page = open_viewer(ViewedMotion("a", standing(9)), media=STILL, width=390)
    page.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    x, y = page.center_of("canvas")

    def touch(kind, *points):
        page.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in points])

    touch("touchStart", (x, y))
    for step in range(20, 120, 20):
        touch("touchMove", (x + step, y))
    touch("touchEnd")
    page.wait(f"{VIEWER}.dataset.view.split(' ')[0] < -0.4")
    assert camera_view(page)[2] == 1
    before = camera_view(page)
    touch("touchStart", (x - 20, y))
    touch("touchStart", (x - 20, y), (x + 20, y))
    for step in range(25, 60, 5):
        touch("touchMove", (x - step, y), (x + step, y))
    touch("touchEnd")
    page.wait(f"{VIEWER}.dataset.view.split(' ')[2] > 1.5")
    assert camera_view(page)[:2] == before[:2]


def test_scrubbing_shows_the_frame_and_stops(open_viewer):
    page = open_viewer(ViewedMotion("a", walking(60)))
    scrub(page, 10)
    before = final_picture(page)
    scrub(page, 45)
    assert state(page)["playing"] == "false" and frame(page) == 45
    assert page.evaluate("document.querySelector('output').value") == "frame 45 of 59, 2.25 s"
    assert page.evaluate("document.querySelector('input').getAttribute('aria-valuetext')") == "frame 45 of 59, 2.25 s"
    assert np.abs(final_picture(page) - before).max() > 50


def test_play_goes_on_and_pause_stops(open_viewer):
    page = open_viewer(ViewedMotion("a", walking(600)), media=STILL)
    time.sleep(0.3)
    assert state(page)["playing"] == "false" and frame(page) == 0  # as the reader's system asks
    page.click(".motion-play")
    page.wait(f"Number({VIEWER}.dataset.frame) > 5")
    assert page.evaluate("document.querySelector('.motion-play').getAttribute('aria-label')") == "pause"
    page.click(".motion-play")
    page.wait(f"{VIEWER}.dataset.playing === 'false'")
    stopped = frame(page)
    time.sleep(0.4)
    assert frame(page) == stopped > 5


def test_it_plays_by_itself_and_starts_again_after_the_end(open_viewer):
    page = open_viewer(ViewedMotion("a", walking(8)))
    assert state(page)["playing"] == "true"
    page.wait(f"{VIEWER}.dataset.frame === '7'")
    page.wait(f"{VIEWER}.dataset.frame < '5'")


def frames_in(page, milliseconds):
    """Frames gone by in a time that the page itself measures."""
    return page.evaluate(
        f"""(async () => {{
            const viewer = {VIEWER}, rest = (until) => new Promise((done) => setTimeout(done, until));
            await rest(100);
            const began = performance.now(), from = Number(viewer.dataset.frame);
            await rest({milliseconds});
            return (Number(viewer.dataset.frame) - from) / (performance.now() - began) * {milliseconds};
        }})()"""
    )


def test_slow_motion_is_slower(open_viewer):
    page = open_viewer(ViewedMotion("a", walking(1200, 0.01)))
    gone = {}
    for speed in ("1", "0.25"):
        page.click(f"[data-times='{speed}']")
        page.wait(f"{VIEWER}.dataset.speed === '{speed}'")
        gone[speed] = frames_in(page, 1500)
    assert gone["1"] > 2 * gone["0.25"] > 0, gone
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map((button) => button.dataset.times).join()"
    assert page.evaluate(pressed) == "0.25"


def test_keys_step_jump_play_and_turn(open_viewer):
    page = open_viewer(ViewedMotion("a", walking(30)), media=STILL)
    page.evaluate("document.querySelector('.motion-stage').focus()")
    for key, expected in (("End", 29), ("ArrowRight", 29), ("ArrowLeft", 28), ("Home", 0), ("ArrowRight", 1)):
        page.press(key)
        page.wait(f"{VIEWER}.dataset.frame === '{expected}'")
    start = camera_view(page)
    page.press("ArrowRight", modifiers=8)  # shift
    page.wait(f"{VIEWER}.dataset.view.split(' ')[0] > 0")
    assert frame(page) == 1 and camera_view(page)[1:] == start[1:]
    page.press(" ")
    page.wait(f"{VIEWER}.dataset.playing === 'true'")
    page.evaluate("document.querySelector(\"[data-times='0.5']\").focus()")
    page.press(" ")  # on a button it is the button's
    page.wait(f"{VIEWER}.dataset.speed === '0.5'")
    assert state(page)["playing"] == "true"
    page.evaluate("document.querySelector('.motion-play').focus()")
    page.press(" ")
    page.wait(f"{VIEWER}.dataset.playing === 'false'")
    for selector in (".motion-stage", ".motion-play", "input"):
        page.evaluate(f"document.querySelector('{selector}').focus()")
        outline = f"getComputedStyle(document.querySelector('{selector}')).outlineStyle"
        assert page.evaluate(outline) == "solid", selector


def test_a_shorter_motion_holds_its_last_frame(open_viewer):
    page = open_viewer(ViewedMotion("short", walking(10)), ViewedMotion("long", walking(30)), media=STILL, width=700)
    left, right = (page.evaluate(f"document.querySelectorAll('canvas')[{i}].getBoundingClientRect().x") for i in (0, 1))
    assert right > left + 200
    middle = int(right) - 5
    scrub(page, 9)
    before = final_picture(page)
    scrub(page, 25)
    after = final_picture(page)
    canvas = slice(80, 300)
    assert np.array_equal(before[canvas, :middle], after[canvas, :middle])
    assert np.abs(before[canvas, middle:] - after[canvas, middle:]).max() > 50


def test_viewers_of_one_page_are_apart_and_rest_out_of_sight(open_viewer):
    fragments = [render_viewer([ViewedMotion(name, walking(400))]) for name in "ab"]
    page = open_viewer(page=f"{viewer_assets()}{fragments[0]}<div style='height: 4000px'></div>{fragments[1]}")
    frames = "[...document.querySelectorAll('.motion-viewer')].map((viewer) => Number(viewer.dataset.frame ?? -1))"
    page.wait(f"{frames}[0] > 3")
    assert page.evaluate(frames)[1] == -1  # not even drawn yet
    page.evaluate("scrollTo(0, 1e6)")
    page.wait(f"{frames}[1] > 3")
    stopped = page.evaluate(frames)[0]
    time.sleep(0.3)
    assert page.evaluate(frames)[0] == stopped


def test_nothing_runs_while_nothing_changes(open_viewer):
    page = open_viewer(ViewedMotion("a", walking(400)), media=STILL)
    drawings_in_a_while = """(async () => {
        const real = requestAnimationFrame;
        let requests = 0;
        window.requestAnimationFrame = (draw) => (requests++, real(draw));
        await new Promise((done) => setTimeout(done, 400));
        window.requestAnimationFrame = real;
        return requests;
    })()"""
    final_picture(page)
    assert page.evaluate(drawings_in_a_while) == 0
    page.click(".motion-play")
    assert max(page.evaluate(drawings_in_a_while) for _ in range(5)) > 2


def test_panes_wrap_on_a_phone_and_follow_the_colour_scheme(open_viewer):
    motions = [ViewedMotion(name, standing(9)) for name in ("base", "tuned")]
    page = open_viewer(*motions, width=360, height=800, density=2, media=STILL)
    boxes = page.evaluate("[...document.querySelectorAll('canvas')].map((one) => [one.clientWidth, one.width])")
    assert all(shown > 300 and drawn == 2 * shown for shown, drawn in boxes), boxes
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert final_picture(page)[200:300].mean() > 200
    dark = open_viewer(*motions, width=360, height=800, media=STILL | {"prefers-color-scheme": "dark"})
    assert final_picture(dark)[100:150].mean() < 60


def test_a_page_without_a_dark_scheme_stays_light(open_viewer):
    fragment = render_viewer([ViewedMotion("a", standing(9))])
    page = open_viewer(page=f"{viewer_assets()}{fragment}", media=STILL | {"prefers-color-scheme": "dark"})
    assert final_picture(page).mean() > 200


def test_a_label_like_a_script_is_shown_as_text(open_viewer):
    page = open_viewer(ViewedMotion(NASTY, standing(9), NASTY), media=STILL)
    assert page.evaluate("document.querySelector('figcaption b').textContent") == NASTY
    assert page.evaluate("document.querySelector('figcaption span').textContent") == NASTY
    assert page.evaluate("document.images.length") == 0 and page.evaluate("document.title") == "Motions"
