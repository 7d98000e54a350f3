"""The review server answers those who have its address, and does not reveal which model made which motion."""

import http.client
import json
import re
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from review_run import RUN, make_run

from atom.rendering.viewer import viewer_assets
from atom.report.run_tables import RunTables
from atom.review.assignment import Assignment
from atom.review.review_items import collect_review_items
from atom.review.review_server import MAX_BODY_BYTES, MAX_NOTE_LENGTH, make_app
from atom.review.vote_store import VoteStore
from storage import Store

HERE = "http://127.0.0.1:4290"
TOKEN = "t0ken"
REVEALING_WORDS = (
    "base",
    "tuned",
    "chosen",
    "rejected",
    "better-",
    "worse-",
    "swapped",
    "prompt0",
    "motion_id",
    "motion-id",
    "sample",
)


@pytest.fixture
def opened(tmp_path):
    """`opened(what)` gives (a client that has been let in, the assignment)."""
    store = Store(str(tmp_path / "store"))
    record = make_run(store, ["a man jumps", "a woman bows", "somebody waves"])

    def open_(what="pairs", joints=None):
        tables = RunTables(store, record)
        assignment = Assignment(VoteStore(tmp_path / "votes.sqlite"), collect_review_items(tables, what))
        client = TestClient(make_app(assignment, joints or tables.joints, TOKEN), base_url=HERE)
        assert client.get(f"/?token={TOKEN}").status_code == 200
        client.headers["Origin"] = HERE
        return client, assignment

    return open_


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(opened):
    client, _ = opened()
    answer = client.get(f"/?token={TOKEN}")
    assert answer.headers["set-cookie"].startswith(f"atom-review-4290={TOKEN};")
    assert "HttpOnly" in answer.headers["set-cookie"] and "SameSite=strict" in answer.headers["set-cookie"]
    assert TOKEN not in answer.text and 'content="0;url=/"' in answer.text  # it leaves the address bar
    assert "Your name" in client.get("/").text


@pytest.mark.parametrize("path", ["/", "/judge?voter=ann", "/review.js", "/next", "/nothing", "/../../etc/hosts"])
@pytest.mark.parametrize("given", ["", "?token=", "?token=wrong", f"?token={TOKEN}x", "?token=%C3%A4%00"])
def test_nothing_is_answered_without_the_token(opened, path, given):
    client, assignment = opened()
    client.cookies.clear()
    if "?" in path:
        given = given.replace("?", "&")
    for method in ("GET", "POST"):
        answer = client.request(method, path + given, json={"voter": "ann"} if method == "POST" else None)
        assert answer.status_code == 403 and "address" in answer.text
    client.cookies.set("atom-review-4290", "wrong")
    assert client.get(path).status_code == 403
    assert list(assignment.store.events()) == []


def test_a_wrong_token_counts_more_than_a_right_cookie(opened):
    client, _ = opened()
    assert client.get("/?token=wrong").status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/openapi.json",
        "/votes.sqlite",
        "/runs",
        f"/runs/{RUN}/votes.sqlite",
        "/review.html.j2",
        "/..%2f..%2fvotes.sqlite",
        "/%2e%2e/votes.py",
        "/..%5cvotes.py",
        "/%2fetc%2fhosts",
        "/review.js/",
        "/review.js%00",
        "/judge/ann",
    ],
)
def test_there_are_no_other_paths(opened, path):
    assert opened()[0].get(path).status_code == 404


def test_requests_of_other_hosts_and_pages_are_refused(opened):
    client, assignment = opened()
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        assert client.get("/", headers={"Host": host}).status_code == 400
    for origin in (
        "http://evil.example",
        "null",
        "http://127.0.0.1:4291",
        "https://127.0.0.1:4290",
        "http://localhost:4290",
    ):
        for path in ("/next", "/cast", "/undo"):
            assert client.post(path, json={"voter": "ann"}, headers={"Origin": origin}).status_code == 403
    del client.headers["Origin"]
    assert client.post("/next", json={"voter": "ann"}).status_code == 403
    assert list(assignment.store.events()) == []


def test_only_the_reviews_own_methods(opened):
    client, _ = opened()
    for method, path in [("PUT", "/"), ("DELETE", "/cast"), ("POST", "/"), ("POST", "/judge"), ("PATCH", "/undo")]:
        assert client.request(method, path, content=b"").status_code in (404, 405, 411), (method, path)


def test_every_answer_has_careful_headers(opened):
    client, _ = opened()
    answers = [client.get(path) for path in ("/", "/judge?voter=ann", "/review.css", "/nothing", "/?token=wrong")]
    answers += [client.post("/next", json={"voter": "ann"}), client.get("/", headers={"Host": "evil.example"})]
    for answer in answers:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in answer.headers["content-security-policy"] and "*" not in str(policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"


def test_what_is_too_long_or_wrong_is_refused(opened):
    client, assignment = opened()
    item = client.post("/next", json={"voter": "ann"}).json()["item"]["id"]
    sound = {"voter": "ann", "item": item, "pressed": "left", "note": "n" * MAX_NOTE_LENGTH}
    for wrong in [
        {"note": "n" * (MAX_NOTE_LENGTH + 1)},
        {"voter": "a/b"},
        {"voter": ""},
        {"voter": "x" * 41},
        {"item": "nothing"},
        {"pressed": "both"},
        {"pressed": None},
        {"pressed": None, "score": 3},
        {"more": 1},
        {"item": 3},
        {"voter": "bob"},
    ]:
        assert client.post("/cast", json=sound | wrong).status_code == 422, wrong
    assert client.post("/cast", content=b"[" * 100, headers={"Content-Type": "application/json"}).status_code == 422
    assert client.post("/cast", content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    assert client.post("/cast", content=iter([b" " * 10])).status_code == 411  # without Content-Length
    assert assignment.store.votes() == []
    assert client.post("/cast", json=sound).status_code == 200
    assert [vote.note for vote in assignment.store.votes()] == ["n" * MAX_NOTE_LENGTH]


def test_a_name_is_checked_and_shown_as_text(opened):
    client, _ = opened()
    for name in ("", "<script>alert(1)</script>", "x" * 41, "a%0Ab"):
        answer = client.get(f"/judge?voter={name}")
        assert answer.status_code == 400 and "1 to 40 letters" in answer.text and "<script>a" not in answer.text
    assert 'data-voter="J\u00f6rg 2"' in client.get("/judge?voter=%20J%C3%B6rg%20%202").text


@pytest.mark.parametrize("what", ["pairs", "training", "clips"])
def test_nothing_reveals_who_made_which_motion(opened, what):
    client, assignment = opened(what)
    sent = [client.get("/").text, client.get("/judge?voter=ann").text, client.get("/review.js").text]
    turn = client.post("/next", json={"voter": "ann"})
    while turn.json()["item"]:
        sent.append(turn.text + str(turn.headers))
        item = turn.json()["item"]
        answer = {"pressed": "left"} if what != "clips" else {"score": 3, "seen": [True, False]}
        turn = client.post("/cast", json={"voter": "ann", "item": item["id"], **answer})
    sent.append(client.post("/undo", json={"voter": "ann"}).text)
    assert len(sent) == 4 + len(assignment.items)
    for text in sent:
        # The viewer's script is the same everywhere, and joints in base64 may hold any word.
        answer_text = re.sub(r"points&#34;:&#34;[\w+/=]*", "", text.replace(viewer_assets(), "")).lower()
        assert [word for word in REVEALING_WORDS if word in answer_text.replace("base-uri", "")] == []


def test_both_orders_are_shown_and_the_first_motion_is_the_one_that_the_vote_means(opened):
    shown = {}

    def joints(motion_id):  # motions that differ in length
        return np.ones((3 if motion_id.startswith("base") else 7, 22, 3)) * np.linspace(0, 1, 22)[:, None]

    client, assignment = opened(joints=joints)
    seen = set()
    for voter in ("ann", "bob", "cid", "dan", "eve", "fay"):
        item = client.post("/next", json={"voter": voter}).json()["item"]
        if not item:
            continue
        shown = item["view"]
        left, right = (len(part) for part in shown.split("<figcaption>")[:2])
        client.post("/cast", json={"voter": voter, "item": item["id"], "pressed": "left"})
        vote = assignment.store.votes()[-1]
        assert ("first" if left < right else "second") == vote.choice
        seen.add(vote.swapped)
    assert seen == {False, True}


def test_a_motion_that_cannot_be_drawn_can_be_skipped(opened):
    client, assignment = opened(joints=lambda motion_id: np.full((4, 22, 3), np.nan))
    item = client.post("/next", json={"voter": "ann"}).json()["item"]
    assert "skip it" in item["view"]
    assert client.post("/cast", json={"voter": "ann", "item": item["id"], "pressed": "skip"}).status_code == 200
    assert [vote.choice for vote in assignment.store.votes()] == ["skip"]


@pytest.mark.slow
def test_the_command_listens_here_only_and_stores_in_the_runs_folder(tmp_path):
    store = Store(str(tmp_path / "store"))
    make_run(store, ["a man jumps"])
    command = [sys.executable, "-m", "atom.commands.review", "latest", "--store", store.root, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            votes = f"{store.run_folder(RUN)}/votes.sqlite"
            assert f"1 pairs to judge; votes are in {votes}" in process.stdout.readline()
            address = urlsplit(process.stdout.readline().split()[-1])
            assert address.hostname == "127.0.0.1" and len(address.query) > 40
            connection = http.client.HTTPConnection(address.netloc, timeout=10)
            connection.putrequest("GET", f"/../../store/runs/{RUN}/run.json?{address.query}")
            connection.endheaders()
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 404
            connection.request(
                "POST",
                f"/next?{address.query}",
                json.dumps({"voter": "ann"}),
                {"Origin": f"http://{address.netloc}", "Content-Type": "application/json"},
            )
            assert json.loads(connection.getresponse().read())["item"]["text"] == "a man jumps"
            assert [event.kind for event in VoteStore(votes).events()] == ["shown"]
        finally:
            process.terminate()


def test_a_remote_store_needs_a_file_for_the_votes(atom, tmp_path):
    address = f"memory://{tmp_path.name}"
    make_run(Store(address), ["a man jumps"])
    status, _, output = atom("review", "latest", "--store", address)
    assert status == 2 and "--votes FILE" in output and output.count("\n") == 1


def test_what_the_command_cannot_do_is_one_line(atom, tmp_path):
    make_run(Store(str(tmp_path)), ["a man jumps"])
    for more, expected in [(("--task", "speed"), "unknown task"), (("nothing",), "no run 'nothing'")]:
        arguments = ("review", *(more if more[0] == "nothing" else ("latest", *more)), "--store", tmp_path)
        status, _, output = atom(*arguments)
        assert status == 2 and expected in output and output.count("\n") == 1


@pytest.mark.parametrize(("what", "shows_events"), [("pairs", False), ("clips", True)])
def test_the_events_to_look_for_are_shown_beside_one_motion_and_not_beside_two(opened, what, shows_events):
    client, assignment = opened(what)
    state = client.post("/next", json={"voter": "ann"}).json()
    item = assignment.items[state["item"]["id"]]
    assert item.events and state["item"]["events"] == (list(item.events) if shows_events else [])
    assert (state["item"]["text"], state["item"]["note"]) == (item.text, "")
    assert (state["mine"], state["judged"], state["items"]) == (0, 0, len(assignment.items))
