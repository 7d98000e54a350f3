"""Wordings that only the parser knows: each is read as its action, and what merely looks like one as none.

The words are in base form and without articles, as the patterns see them. A number behind = is the count.
"""

import pytest

from atom.prompts.parsing import parse_events

PHRASES = {
    "bow": """
        bow down forward; bow from waist; bow at waist; bend over; lean over; bend forward at waist; lean forward;
        bend at waist; bend from hip; do bow; make three bow =3; perform bow; give bow
    """,
    "clap": """
        clap; applaud; clap both hands together; clap with both hands together; do clap; make three clap =3; perform
        clap
    """,
    "get_up": """
        stand back up straight; get upright; rise back up straight; get back on feet; rise to feet; come back on
        feet; stand up from chair; get up from seat; rise up from floor; spring up from chair; jump up off seat;
        leap up from stool; spring up from floor; spring up from ground; spring up from knee; get off chair; get off
        seat; get off floor; rise
    """,
    "hop_left": """
        hop up and down on left foot; bounce up and down off left foot; hop forward on left foot; do hop on left
        foot; perform hop on left foot; do left foot hop; perform left foot hop
    """,
    "hop_right": """
        jump right leg; jump with right leg; make three jump with right leg =3; make three right leg hop =3
    """,
    "jump_forward": """
        jump straight forward; leap ahead; bound straight forward; do jump forward; make three leap ahead =3;
        perform jump forward; do forward jump; make three long leap =3; perform forward jump
    """,
    "jump_up": """
        jump straight up; leap upward; hop straight up; jump straight up and down; leap up and down; hop straight up
        and down; jump on both foot; leap with both foot; jump in place; leap in air; jump into air; leap into air;
        jump on spot; leap on spot; jump; leap; do jump up; make three leap =3; perform jump up; do jump in place;
        make three leap in air =3; perform jump in place; do vertical jump; make three vertical leap =3; perform
        vertical jump
    """,
    "jumping_jack": """
        do jump jack; make three star jump =3; perform jump jack; jump jack; star jump
    """,
    "kick_left": """
        kick forward with left foot; kick ahead with left foot; kick left foot forward; kick left foot up; kick
        forward left foot; kick up left foot; do left foot kick; perform left foot kick; do kick with left foot;
        perform kick with left foot
    """,
    "kick_right": """
        kick using right leg; kick right leg; kick out right leg; make three right kick =3; make three kick with
        right leg =3
    """,
    "kneel_down": """
        kneel down; kneel down on left knee; kneel onto ground; kneel down on one floor; get down on left knee; go
        onto knee; drop down to one knee; take knee
    """,
    "lunge_left": """
        lunge forward with left foot; lunge ahead onto left foot; lunge left foot forward; do left foot lunge;
        perform left foot lunge; do forward lunge with left foot; perform forward lunge with left foot; do long step
        forward with left foot; perform long step forward with left foot
    """,
    "lunge_right": """
        lunge on right leg; lunge right leg; make three right lunge =3; make three lunge on right leg =3; make long
        step forward with right leg
    """,
    "pick_up": """
        pick up it off floor; pick up; pick up object off floor; pick it up off floor; pick something up; pick
        object up off floor; bend down and pick up it off floor; reach over to pick up; crouch down and pick up
        object off floor; bend down and pick it up off floor; reach over to pick something up; crouch down and pick
        object up off floor; pick it off floor; pick something from ground; pick object off floor; grab it up off
        floor; take something from ground; lift object up off floor
    """,
    "punch_left": """
        punch forward with left hand; box ahead with left fist; punch left; punch left hand forward; punch left fist
        forward; do left hand punch; perform left fist punch; do punch with left hand; perform punch with left fist
    """,
    "punch_right": """
        jab using right arm; jab right; jab right arm; make three right jab =3; make three jab with right arm =3
    """,
    "raise_arm_left": """
        raise up left hand up over head; raise up left fist up overhead head; raise up left hand up over head and
        lower it back down; raise up left fist up overhead head and lower it back down; put left hand up; put left
        fist up; put up left hand over head; reach up left fist over head; reach up with left hand; reach up with
        left fist
    """,
    "raise_arm_right": """
        lift right arm; lift right arm and drop; put right arm overhead; hold right arm above head; reach up with
        right arm
    """,
    "raise_arms": """
        raise up both arms up over head; lift hands; raise up both arms up overhead head; raise up both arms up over
        head and lower them back down; lift hands and drop; raise up both arms up overhead head and lower them back
        down; raise both left and left arms; lift right and right hands; raise both left and left arm; put both arms
        up; reach hands overhead; put both arms up over head; hold hands above; reach both arms up overhead head;
        reach up with both arms; reach up with both hands
    """,
    "run_forward": """
        run forward ahead; jog; sprint straight ahead
    """,
    "sidestep_left": """
        sidestep sideways to left; sidle sideways to left; step sideways to left; move sideways to left; step to
        left; side step to left; walk step to left; move step to left; do three side step to left =3; perform three
        side step to left =3; do side step to left; perform side step to left; do step sideways to left; perform
        step sideways to left; do sidestep to left; perform sidestep to left
    """,
    "sidestep_right": """
        shuffle right; walk sideways right; move right; step three pace right =3; three step right =3; make step
        right; make three step sideways right =3; make three sidestep right =3
    """,
    "sit_down": """
        sit down; seat; sit down in chair; sit on stool; sit down onto seat; take seat; have seat; lower self into
        chair; lower self onto seat
    """,
    "spin": """
        spin in full circle; twirl in circle; whirl in full circle; spin around; twirl; whirl around; turn 360
        degree; spin 360 degree; rotate 360 degree; turn all way around; spin all way around; rotate all way around;
        turn in place; spin in place; do full turn turn; make three complete spin =3; perform 360 circle turn; do
        spin; make three twirl =3; perform pirouette
    """,
    "squat": """
        squat down; crouch; squat down and then stand back up; crouch and rise; squat down and then get back up;
        crouch and come up; squat down and then come back; crouch and come back; do squat; make three crouch =3;
        perform squat; do knee bend; make three knee bend =3; perform knee bend
    """,
    "throw_left": """
        throw it forward with left hand; pitch object ahead from left fist; do throw motion with left hand; perform
        throw motion with left fist; do left hand throw; perform left fist throw
    """,
    "throw_right": """
        toss using right arm; make throw with right arm; make right throw
    """,
    "turn_around": """
        turn 180 degree; rotate 180 degree; pivot 180 degree; turn around; rotate back; pivot about; turn to face
        back; turn to face backward; turn to face behind; turn to face opposite way; turn to face other direction;
        turn to face opposite side; turn around to face other way; turn half way around; turn half; do half turn
        turn; make 180 degree; perform half turn turn; about face
    """,
    "turn_left": """
        turn to left; pivot to left; turn body 90 degree to left; pivot body 90 degree to left; do left turn;
        perform left turn; do 90 degree turn to left; perform 90 degree turn to left; do turn to left; perform turn
        to left; turn to left by 90 degree; pivot to left by 90 degree; turn to face left
    """,
    "turn_right": """
        rotate right; rotate ninety degree right; make right turn; make ninety degree turn to right; make turn to
        right; rotate right ninety degree
    """,
    "walk_backward": """
        walk backward; step backward; move backward; step back; pace back; step away backward; walk away back; back
        up; back away; walk few step backward; move some step backward; do few step backward; perform some step
        backward
    """,
    "walk_forward": """
        walk straight; walk; walk in straight line; walk straight forward; stroll ahead; stride straight onward;
        stroll; stride; march; walk few step forward; move some step forward; do few step forward; perform some step
        forward; step forward; step ahead
    """,
    "wave_left": """
        wave hello with left hand; wave bye with left fist; wave left hand hello air; wave left fist bye air; give
        wave with left hand; give wave with left fist; swing left hand side to side
    """,
    "wave_right": """
        wave using right; wave right arm; swing right arm side to side
    """,
}

LOOKALIKE_PHRASES = """
    walk back and forth; run forward and back; walk back down; run back; walk up stair; run down step; walk in
    place; run in place; walk on spot; run on spot; walk in circle; run in circle; walk around; run around; walk
    diagonally; run diagonally; walk to left; walk left; walk over; run onto; walk on hands; run on fours; run
    backward; jog back; raise other leg; lift one foot; jump rope; get down on hands and knee; go hands and knee;
    wave both arms; wave hands; wave with both arms; wave with hands; throw self; throw up; sit up
"""


def _phrases(block: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in block.split(";")]


@pytest.mark.parametrize("action", PHRASES)
def test_each_wording_is_its_action(action):
    for phrase in _phrases(PHRASES[action]):
        text, _, count = phrase.partition(" =")
        parsed = parse_events(text)
        found = [(event.action, event.count) for event in parsed.events]
        assert (found, parsed.unknown) == ([(action, int(count or 1))], []), phrase


def test_what_contains_the_words_of_an_action_and_means_something_else_is_none():
    for phrase in _phrases(LOOKALIKE_PHRASES):
        parsed = parse_events(phrase)
        assert not parsed.events and parsed.unknown, phrase
