"""Captions of our own with the right reading, a kind of sentence each."""

import pytest

from atom.captions import read_caption


def _events(text: str) -> list[tuple[str, str | None, int | None]]:
    return [(event.action, event.side, event.count) for event in read_caption(text).events]


def _phrases(text: str) -> list[str]:
    return [event.phrase for event in read_caption(text).events]


READINGS = [
    # passive
    (
        "The man is bumped from behind, stumbles and regains his balance.",
        [("be bumped from behind", None, None), ("stumble", None, None), ("recover balance", None, None)],
    ),
    ("Somebody gets shoved to the left", [("be pushed to left", "left", None)]),
    ("A woman receives a push from the right", [("be pushed from right", "right", None)]),
    (
        "The right arm is lifted and then lowered",
        [("lift right arm", "right", None), ("lower right arm", "right", None)],
    ),
    # telegraphic
    ("human jogging backward", [("jog backward", None, None)]),
    ("walk forward and turn left", [("walk forward", None, None), ("turn left", "left", None)]),
    ("Subject in small circle", [("move in circle", None, None)]),
    # misspelt
    ("A person perfoms a punch with the left hand", [("punch with left hand", "left", None)]),
    ("someone is stumblng againts a wall", [("stumble", None, None)]),
    ("A peson wlks to the right and trurns around", [("walk right", "right", None), ("turn around", None, None)]),
    # counts before nouns, after verbs, of steps
    ("An athlete does four deep knee bends", [("bend", None, 4)]),
    ("the woman takes seven steps backwards", [("step backward", None, 7)]),
    ("A boy hops twice on the right foot", [("hop on right foot", "right", 2)]),
    ("He jumps up and down 12 times", [("jump up and down", None, 12)]),
    ("She performs a single lunge", [("lunge", None, 1)]),
    ("The figure walks a circle in nine steps", [("walk in circle", None, 9)]),
    ("A man throws three punches", [("punch", None, 3)]),
    ("the person turns 90 degrees to the right", [("turn right", "right", None)]),
    ("a person walks two laps clockwise", [("walk", None, 2)]),
    (
        "A person raises and lowers the left knee three times",
        [("raise left knee", "left", 3), ("lower left knee", "left", 3)],
    ),
    ("A girl bows as if greeting an audience twice", [("bow", None, 2)]),
    # sides by limb and by direction; the foot turned upon and the foot that starts are none
    ("He waves his right hand", [("wave right hand", "right", None)]),
    ("A man waving with the right arm", [("wave right hand", "right", None)]),
    ("A person picks up a cup with the left hand", [("pick up cup with left hand", "left", None)]),
    ("The dancer turns on the left foot", [("turn", None, None)]),
    ("The dancer turns to the right on the left foot", [("turn right", "right", None)]),
    ("Someone walks ahead beginning with the left foot", [("walk forward", None, None)]),
    (
        "A person raises the left hand and shakes it",
        [("raise left arm", "left", None), ("shake left hand", "left", None)],
    ),
    ("The runner dodges to the left", [("dodge left", "left", None)]),
    (
        "A person raises his left arm and his right knee",
        [("raise left arm", "left", None), ("raise right knee", "right", None)],
    ),
    ("A person wipes something to the left with the right hand", [("wipe left with right hand", "right", None)]),
    # states are background
    ("A man gets up from kneeling", [("stand up", None, None)]),
    ("A kneeling woman stands up", [("stand up", None, None)]),
    ("A person stands still and gets hit from the left", [("be hit from left", "left", None)]),
    ("From a squatting position she leaps forward", [("leap forward", None, None)]),
    ("He sits for a few seconds, then stands up", [("sit", None, None), ("stand up", None, None)]),
    ("A person stands on one leg", [("stand on one leg", None, None)]),
    # the gait as a noun
    ("A person moves backwards in a walk", [("walk backward", None, None)]),
    ("A person turns around and walks back", [("turn around", None, None), ("walk back", None, None)]),
    ("A person is walking backwards", [("walk backward", None, None)]),
    # over and over, again
    ("A child claps over and over", [("clap", None, None)]),
    ("A person squats and then squats again", [("squat", None, None), ("squat", None, None)]),
    # ellipsis
    (
        "A man punches with his left arm, then with his right arm",
        [("punch with left hand", "left", None), ("punch with right hand", "right", None)],
    ),
    ("She takes two steps forward and then one step back", [("step forward", None, 2), ("step backward", None, 1)]),
    (
        "He kicks with the right leg, then the left",
        [("kick with right leg", "right", None), ("kick with left leg", "left", None)],
    ),
    (
        "A woman takes a step to the left and one to the right",
        [("step left", "left", None), ("step right", "right", None)],
    ),
    (
        "a person hops three times on the left leg, then twice on the right one",
        [("hop on left foot", "left", 3), ("hop on right foot", "right", 2)],
    ),
    # negation, not yet begun
    ("The man does not fall but walks on", [("walk", None, None)]),
    ("A person crouches without moving the feet", [("crouch", None, None)]),
    ("A woman is about to sit down", []),
    # hedges and beginnings
    ("The person seems to be throwing a stone", [("throw stone", None, None)]),
    ("He starts to jog", [("jog", None, None)]),
    ("A person keeps on hopping", [("hop", None, None)]),
    ("Someone is probably mopping the floor", [("mop floor", None, None)]),
    # to + verb: a further act, or a reason
    ("He squats down to lift a box", [("squat down", None, None), ("lift box", None, None)]),
    ("She steps aside to avoid a car", [("step sideways", None, None)]),
    ("The man uses his left leg to kick a ball", [("kick ball with left leg", "left", None)]),
    # empty verbs take the act from their complement
    ("A person makes a movement like hammering", [("hammer", None, None)]),
    ("Somebody does a sweeping motion with the right hand", [("sweep with right hand", "right", None)]),
    ("A man evades by jumping to the right", [("jump right", "right", None)]),
    ("He comes to a halt", [("stop", None, None)]),
    # dances and play
    ("two people dance a tango", [("dance tango", None, None)]),
    ("A person plays the piano", [("play piano", None, None)]),
    # repeats
    ("A man bends down and repeats the motion", [("bend down", None, None), ("repeat motion", None, None)]),
    # limbs as subject
    ("Her left leg swings forward", [("swing left leg forward", "left", None)]),
    ("The arms stay up", [("stay arms up", None, None)]),
    # damaged and joined words
    ("person stands upleft and walks counter counterclockwise in a circle", [("walk in circle", None, None)]),
    ("A man walks clock wise in a circle", [("walk in circle", None, None)]),
    # paths
    ("Someone walks a quarter circle to the left", [("walk in quarter circle", "left", None)]),
    ("She runs around a corner", [("run around corner", None, None)]),
    # the same stretch twice is one event
    ("A man goes to the left, taking five steps", [("step left", "left", 5)]),
    # a result, a near miss, a limb state beside an act
    (
        "He is shoved from the left so that he stumbles to the right",
        [("be pushed from left", "left", None), ("stumble right", "right", None)],
    ),
    ("A man trips and almost falls over", [("stumble", None, None)]),
    ("A woman has her hands on her hips and bows", [("bow", None, None)]),
    ("He squats with his arms stretched forward", [("squat", None, None)]),
    # numbers behind a comma and without a noun
    ("A boy hops on one leg, 4 times", [("hop on one foot", None, 4)]),
    (
        "She does two side bends to the left, and three to the right",
        [("bend left", "left", 2), ("bend right", "right", 3)],
    ),
    # from left to right has no side
    ("He turns his head from left to right", [("turn head", None, None)]),
    # all fours
    ("He drops to his hands and knees and crawls", [("get on all fours", None, None), ("crawl", None, None)]),
    # a number behind a particle, before the verb, or apart from it
    ("A boy leaps up six times", [("leap up", None, 6)]),
    ("The woman crouches down 3 times", [("crouch down", None, 3)]),
    ("Four times the girl nods", [("nod", None, 4)]),
    ("He stomps, twice", [("stomp", None, 2)]),
    ("She curtsies and twice nods", [("curtsy", None, None), ("nod", None, 2)]),
    ("A boy jumps as high as he can two times", [("jump", None, 2)]),
    # after a numbered noun, a word in -s is the next verb; a list without numbers goes on
    ("She does three crunches and stretches", [("do crunch", None, 3), ("stretch", None, None)]),
    ("A boxer throws two left hooks and ducks", [("hook with left hand", "left", 2), ("duck", None, None)]),
    ("He does some squats and walks away", [("squat", None, None), ("walk away", None, None)]),
    ("A fighter performs hooks and kicks", [("hook", None, None), ("kick", None, None)]),
    # a lunge is an act of the leg that it steps on
    ("He lunges to the left with the right foot", [("lunge left with right leg", "right", None)]),
    ("She lunges forward onto her left foot", [("lunge forward on left leg", "left", None)]),
    # parts of a number of limbs
    ("He shakes both of his fists", [("shake both fists", None, None)]),
    ("She stretches one of her arms", [("stretch arm", None, None)]),
    # a thing can't do an act, so it is what the act moves
    ("A stone is hurled with the right hand", [("hurl stone with right hand", "right", None)]),
    ("The bag is lifted and then dropped", [("lift bag", None, None), ("drop bag", None, None)]),
    ("The robot is pushed to the left", [("be pushed to left", "left", None)]),
    # empty verbs around the noun of an act
    ("Three cartwheels are performed by the girl", [("do cartwheel", None, 3)]),
    ("He lets out two kicks with the left leg", [("kick with left leg", "left", 2)]),
    ("She carries out a somersault", [("do somersault", None, None)]),
    ("The runner breaks into a sprint", [("sprint", None, None)]),
    ("A man drops into a lunge", [("lunge", None, None)]),
    ("A frog hunter moves forward with three hops", [("hop forward", None, 3)]),
    ("He does two flips, then does three more", [("flip", None, 2), ("flip", None, 3)]),
    # what a limb does by itself
    ("His left arm goes up", [("raise left arm", "left", None)]),
    ("The right knee comes down", [("lower right knee", "right", None)]),
    # from low to standing; a pause among other acts
    ("A girl sits and then stands", [("sit", None, None), ("stand up", None, None)]),
    ("He crouches, then back to his feet", [("crouch", None, None), ("stand up", None, None)]),
    ("He bows, waits, and walks off", [("bow", None, None), ("wait", None, None), ("walk off", None, None)]),
    # "straight" before another direction is manner
    ("A girl leaps straight up", [("leap up", None, None)]),
    # the same verb the other way
    (
        "She sidesteps to the left twice, to the right once",
        [("sidestep left", "left", 2), ("sidestep right", "right", 1)],
    ),
    (
        "He kicks, first with the left leg, then with the right leg",
        [("kick with left leg", "left", None), ("kick with right leg", "right", None)],
    ),
    (
        "A man does two kicks with the left leg and one with the right",
        [("kick with left leg", "left", 2), ("kick with right leg", "right", 1)],
    ),
    ("A child squats down and comes back up three times", [("squat down", None, 3), ("stand up", None, 3)]),
    # open vocabulary
    ("A person genuflects and then moonwalks", [("genuflect", None, None), ("moonwalk", None, None)]),
    ("The man flobbles and zorps to the left", [("flobble", None, None), ("zorp left", "left", None)]),
]


@pytest.mark.parametrize(("text", "expected"), READINGS, ids=[text for text, _ in READINGS])
def test_reading(text, expected):
    assert _events(text) == expected


@pytest.mark.parametrize(
    ("text", "actions", "together"),
    [
        ("While walking, a man waves", ["walk", "wave"], ((0, 1),)),
        ("A man waves while he walks", ["wave", "walk"], ((0, 1),)),
        ("She sings as she dances", ["sing", "dance"], ((0, 1),)),
        ("He was hit during a jump", ["be hit", "jump"], ((0, 1),)),
        ("A man walks forward, swinging his arms", ["walk forward", "swing arms"], ((0, 1),)),
        ("A man walks forward, turning around and walking back", ["walk forward", "turn around", "walk back"], None),
        ("She holds her left arm up and stirs with the right", ["hold left arm up", "stir with right hand"], ((0, 1),)),
        ("She lifts a box and holds it", ["lift box", "hold object"], ()),
        ("A person being pushed from the left stumbles", ["be pushed from left", "stumble"], ()),
        ("A person steps to the side, returning to the start", ["step sideways", "return"], ()),
    ],
)
def test_at_once(text, actions, together):
    caption = read_caption(text)
    assert [event.action for event in caption.events] == actions
    if together is not None:
        assert caption.together == together


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("Before sitting down, the man looks around", ["look around", "sit down"]),
        ("The man looks around before sitting down", ["look around", "sit down"]),
        ("Prior to jumping she crouches", ["crouch", "jump"]),
        ("After turning left he runs", ["turn left", "run"]),
        ("He runs after turning left", ["turn left", "run"]),
        ("Once he has crouched, he leaps", ["crouch", "leap"]),
        ("Having crouched, he leaps", ["crouch", "leap"]),
        ("She leaps after having crouched", ["crouch", "leap"]),
        ("She waves. Then she bows.", ["wave", "bow"]),
        ("He stumbles because he is pushed", ["be pushed", "stumble"]),
        ("A woman stumbles when pushed from behind", ["be pushed from behind", "stumble"]),
    ],
)
def test_order_of_happening(text, actions):
    caption = read_caption(text)
    assert [event.action for event in caption.events] == actions
    assert caption.together == ()


def test_phrases_are_pieces_of_the_text():
    text = "A person slowly walks 3 steps to the left with wide steps, then quickly kicks a ball using his right foot."
    caption = read_caption(text)
    assert _phrases(text) == ["walks 3 steps to the left", "kicks a ball using his right foot"]
    assert all(text[event.start : event.end] == event.phrase for event in caption.events)


def test_manner_place_and_reason_are_left_out_of_the_phrase():
    assert _phrases("He runs energetically in a hurried manner because of the rain") == ["runs"]
    assert _phrases("A person walks like a drunk who lost his keys") == ["walks"]


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("A person jumps", "integrity"),
        ("A person jumps once", "integrity"),
        ("A person jumps three times", "frequency"),
        ("A person jumps and sits down", "temporal"),
        ("A person jumps while waving", "integrity"),
        ("A person jumps while waving, then sits down", "temporal"),
    ],
)
def test_task(text, task):
    assert read_caption(text).task == task


@pytest.mark.parametrize(
    ("text", "countable"),
    [
        ("A person walks", [False]),
        ("A person walks five steps", [True]),
        ("A person kicks", [True]),
        ("A person holds a ball", [False]),
        ("A person stops", [False]),
        ("A person sits down and dances", [True, False]),
    ],
)
def test_countable(text, countable):
    assert [event.countable for event in read_caption(text).events] == countable


def test_form_of_the_labelled_captions():
    assert read_caption("A man bows twice").to_json() == {
        "text": "A man bows twice",
        "task": "frequency",
        "readable": True,
        "events": [{"phrase": "bows twice", "action": "bow", "side": None, "count": 2, "countable": True}],
        "together": [],
    }


def test_given_word_classes_decide_on_unknown_words():
    text = "a person grobble forward and waves"
    tags = [
        ("a", "DET"),
        ("person", "NOUN"),
        ("grobble", "VERB"),
        ("forward", "ADV"),
        ("and", "CCONJ"),
        ("wave", "VERB"),
    ]
    assert [event.action for event in read_caption(text, tags).events] == ["grobble forward", "wave"]


def test_given_word_classes_may_fit_badly():
    tags = [("nothing", "NOUN"), ("of", "ADP"), ("this", "DET"), ("fits", "VERB")]
    assert _events("A man jumps") == [(e.action, e.side, e.count) for e in read_caption("A man jumps", tags).events]


def test_a_noun_in_ing_is_no_participle():
    (event,) = read_caption("a man performs a handspring").events
    assert event.action == "perform handspring" and event.phrase == "performs a handspring"
    assert read_caption("a woman is entering and stirring").events[-1].action == "stir"
