"""How each action is said: a few phrasings that captions use, and more that only the parser understands."""

from __future__ import annotations

from dataclasses import dataclass

from atom.events import ACTIONS

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}

# How often, as an adverb. Where there are two, the first is the usual one.
TIMES = {1: ("once", "one time"), 2: ("twice", "two times")} | {n: (f"{NUMBERS[n]} times",) for n in (3, 4, 5)}


@dataclass(frozen=True)
class Phrasing:
    """One way to say an action in the third person: `once` for a single time, `often` with a slot {times} ("twice") or
    {n} ("two") for more. Both may have a slot {side}."""

    once: str
    often: str


def _say(once: str, often: str = "") -> Phrasing:
    return Phrasing(once, often or once + " {times}")


# By family. Plain words and few of them: the built-in language model has to learn each from some thousand captions.
PHRASINGS: dict[str, tuple[Phrasing, ...]] = {
    "walk_forward": (
        _say("walks forward"),
        _say("walks ahead"),
        _say("walks straight ahead"),
        _say("takes a few steps forward"),
    ),
    "walk_backward": (
        _say("walks backward"),
        _say("walks backwards"),
        _say("steps back"),
        _say("takes a few steps back"),
    ),
    "sidestep": (
        _say("takes a step to the {side}", "takes {n} steps to the {side}"),
        _say("takes a side step to the {side}", "takes {n} side steps to the {side}"),
        _say("steps to the {side}"),
        _say("steps sideways to the {side}"),
    ),
    "run_forward": (
        _say("runs forward"),
        _say("runs ahead"),
        _say("runs straight ahead"),
        _say("jogs forward"),
    ),
    "turn": (
        _say("turns {side}"),
        _say("turns to the {side}"),
        _say("makes a {side} turn"),
    ),
    "turn_around": (
        _say("turns around"),
        _say("makes a half turn"),
        _say("turns to face the other way"),
    ),
    "spin": (
        _say("spins around"),
        _say("spins in a circle"),
        _say("makes a full turn", "makes {n} full turns"),
    ),
    "jump_up": (
        _say("jumps"),
        _say("jumps up"),
        _say("jumps in place"),
        _say("jumps into the air"),
    ),
    "jump_forward": (
        _say("jumps forward"),
        _say("jumps ahead"),
        _say("leaps forward"),
        _say("takes a leap forward", "takes {n} leaps forward"),
    ),
    "hop": (
        _say("hops on the {side} foot"),
        _say("hops on the {side} leg"),
        _say("jumps on the {side} foot"),
    ),
    "squat": (
        _say("squats"),
        _say("squats down"),
        _say("does a squat", "does {n} squats"),
    ),
    "sit_down": (
        _say("sits down"),
        _say("takes a seat"),
        _say("sits on a chair"),
    ),
    "kneel_down": (
        _say("kneels"),
        _say("kneels down"),
        _say("gets down on one knee"),
    ),
    "get_up": (
        _say("gets up"),
        _say("gets back up"),
        _say("stands up"),
        _say("stands back up"),
    ),
    "bow": (
        _say("bows"),
        _say("takes a bow", "takes {n} bows"),
        _say("bends forward"),
    ),
    "wave": (
        _say("waves with the {side} hand"),
        _say("waves with the {side} arm"),
        _say("waves the {side} hand"),
    ),
    "raise_arm": (
        _say("raises the {side} arm"),
        _say("raises the {side} hand"),
        _say("lifts the {side} arm"),
        _say("lifts the {side} hand"),
    ),
    "raise_arms": (
        _say("raises both arms"),
        _say("raises both hands"),
        _say("lifts both arms"),
        _say("lifts both hands"),
    ),
    "clap": (
        _say("claps"),
        _say("claps the hands"),
        _say("claps with both hands"),
    ),
    "punch": (
        _say("punches with the {side} hand"),
        _say("punches with the {side} arm"),
        _say("punches with the {side} fist"),
        _say("does a {side} punch", "does {n} {side} punches"),
    ),
    "kick": (
        _say("kicks with the {side} leg"),
        _say("kicks with the {side} foot"),
        _say("does a {side} kick", "does {n} {side} kicks"),
    ),
    "throw": (
        _say("throws something with the {side} hand"),
        _say("throws a ball with the {side} hand"),
        _say("throws with the {side} arm"),
    ),
    "lunge": (
        _say("lunges with the {side} leg"),
        _say("lunges with the {side} foot"),
        _say("does a {side} lunge", "does {n} {side} lunges"),
    ),
    "jumping_jack": (
        _say("does a jumping jack", "does {n} jumping jacks"),
        _say("makes a jumping jack", "makes {n} jumping jacks"),
        _say("performs a jumping jack", "performs {n} jumping jacks"),
    ),
    "pick_up": (
        _say("picks something up"),
        _say("picks something up from the floor"),
        _say("bends down to pick something up"),
    ),
}

_HOLD = "hand|arm|fist"
_FOOT = "foot|leg"
_DO = "do|make|perform|take"
_THING = "it|something|object|ball|item|thing|box|cup|bag|stone|rock"

# Further wordings, for the parser alone. A pattern is a row of words in base form without articles and possessives;
# `a|b` is either word, `a?` may be missing, {side} is left or right, {n} a number. A sided family said without {side}
# takes the side from a "left hand" or "right foot" elsewhere in the clause.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "walk_forward": (
        "walk straight|on?",
        "walk in straight? line",
        "walk|stroll|stride|march|move|go straight? forward|ahead|onward|straight",
        "stroll|stride|march",
        "walk|step|move|go {n}? few|several|some? step|pace forward|ahead",
        f"{_DO} {{n}}? few|several|some? step forward|ahead",
        "step forward|ahead",
    ),
    "walk_backward": (
        "walk|step|move|go|pace backward|back",
        "step|walk away backward|back",
        "back up|away",
        "walk|step|move|go {n}? few|several|some? step|pace backward|back",
        f"{_DO} {{n}}? few|several|some? step backward|back",
    ),
    "sidestep": (
        "sidestep|shuffle|sidle sideways? to? {side}",
        "step|walk|move|go|shuffle sideways to? {side}",
        "step|move to? {side}",
        "side step to? {side}",
        "walk|step|move|go {n}? step|pace to? {side}",
        f"{_DO}? {{n}} side? step to? {{side}}",
        f"{_DO} side? step to? {{side}}",
        f"{_DO} {{n}}? step sideways to? {{side}}",
        f"{_DO} {{n}}? sidestep to? {{side}}",
        "sidestep|sidle",
        "side step",
        "step|walk|move|shuffle sideways",
        "step to side",
    ),
    "run_forward": ("run|jog|sprint|dash forward|ahead|straight? ahead|forward?",),
    "turn": (
        "turn|rotate|pivot|face to? {side}",
        "turn|rotate|pivot body? 90|ninety degree to? {side}",
        f"{_DO} {{side}} turn",
        f"{_DO} 90|ninety degree turn to {{side}}",
        f"{_DO} turn to {{side}}",
        "turn|rotate|pivot to? {side} by? 90|ninety degree",
        "turn to face {side}",
        "turn|rotate|pivot",
    ),
    "turn_around": (
        "turn|rotate|pivot|spin 180 degree",
        "turn|rotate|pivot around|back|about",
        "turn to face back|backward|behind",
        "turn to face opposite|other way|direction|side",
        "turn around to face other way",
        "turn half way|circle? around?",
        f"{_DO} half|180 turn|degree turn?",
        "about face",
    ),
    "spin": (
        "spin|twirl|whirl|rotate|turn in full? circle",
        "spin|twirl|whirl|pirouette around?",
        "turn|spin|rotate 360 degree",
        "turn|spin|rotate all way around",
        "turn|spin in place",
        f"{_DO} {{n}}? full|complete|360 turn|spin|circle|rotation|degree turn|spin?",
        f"{_DO} {{n}}? spin|twirl|pirouette",
    ),
    "jump_up": (
        "jump|leap|hop straight? up|upward",
        "jump|leap|hop straight? up and down",
        "jump|leap on|with both foot",
        "jump|leap in place|air",
        "jump|leap into air",
        "jump|leap on spot",
        "jump|leap",
        f"{_DO} {{n}}? jump|leap up|upward?",
        f"{_DO} {{n}}? jump|leap in place|air",
        f"{_DO} {{n}}? vertical jump|leap",
    ),
    "jump_forward": (
        "jump|leap|bound straight? forward|ahead",
        f"{_DO} {{n}}? jump|leap forward|ahead",
        f"{_DO} {{n}}? forward|long jump|leap",
        f"{_DO} {{n}}? leap",
    ),
    "hop": (
        f"hop|jump|bounce up? and? down? on|with|off? {{side}} {_FOOT}",
        f"hop|jump forward? on|with {{side}} {_FOOT}",
        f"{_DO} {{n}}? hop|jump on|with {{side}} {_FOOT}",
        f"{_DO} {{n}}? {{side}} {_FOOT} hop",
        "hop",
        f"hop|jump on one {_FOOT}",
        f"{_DO} {{n}}? hop",
    ),
    "squat": (
        "squat|crouch down?",
        "squat|crouch down? and then? stand|rise back? up?",
        "squat|crouch down? and then? get|come back? up",
        "squat|crouch down? and then? come back",
        f"{_DO} {{n}}? squat|crouch",
        f"{_DO} {{n}}? knee bend",
    ),
    "sit_down": (
        "sit|seat down?",
        "sit down? in|on|onto chair|stool|seat|bench|something",
        "take seat",
        "have seat",
        "lower self into|onto chair|seat",
    ),
    "kneel_down": (
        "kneel down?",
        "kneel down? on|onto left|right|one? knee|ground|floor",
        "get|go|drop|sink down? on|onto|to left|right|one? knee",
        "take knee",
    ),
    "get_up": (
        "stand|get|rise|come back? up|upright straight?",
        "get|rise|come back? on|to feet",
        "stand|get|rise up from chair|seat|floor|ground|stool|knee",
        "get off chair|seat|floor|ground|stool",
        "rise",
    ),
    "bow": (
        "bow down? forward?",
        "bow from|at waist",
        "bend|lean over",
        "bend|lean forward at|from? waist|hip?",
        "bend at|from waist|hip",
        f"{_DO} {{n}}? bow",
        "give bow",
    ),
    "wave": (
        f"wave hello|goodbye|bye? with|using {{side}} {_HOLD}?",
        f"wave {{side}} {_HOLD} hello|goodbye|bye|around|above|in? air|head?",
        f"give {{n}}? wave with {{side}} {_HOLD}",
        "wave hello|goodbye|bye?",
        "wave hand|arm",
        "swing {side} hand|arm side to side",
    ),
    "raise_arm": (
        f"raise|lift up? {{side}} {_HOLD} up? over|above|overhead|into? head|air?",
        f"raise|lift up? {{side}} {_HOLD} up? over|above|overhead|into? head|air? and lower|drop it? back? down?",
        f"put {{side}} {_HOLD} up|overhead",
        f"put|hold|reach up|out? {{side}} {_HOLD} over|above head",
        f"reach up with {{side}} {_HOLD}",
        "raise|lift up? arm|hand up?",
    ),
    "raise_arms": (
        "raise|lift up? both? arms|hands up? over|above|overhead|into? head|air?",
        "raise|lift up? both? arms|hands up? over|above|overhead|into? head|air? and lower|drop them? back? down?",
        "raise|lift both? left|right and left|right arms|hands|arm|hand",
        "put|reach both? arms|hands up|overhead",
        "put|hold|reach both? arms|hands over|above head",
        "reach up with both arms|hands",
    ),
    "clap": (
        "clap|applaud",
        "clap both? hands together?",
        "clap with both? hands together?",
        f"{_DO}|give {{n}}? clap",
    ),
    "punch": (
        f"punch|jab|box forward|out|ahead? with|using {{side}} {_HOLD}",
        "punch|jab {side}",
        f"punch|jab {{side}} {_HOLD} forward|out?",
        f"{_DO}|throw|give {{n}}? {{side}} {_HOLD}? punch|jab",
        f"{_DO}|throw|give {{n}}? punch|jab with {{side}} {_HOLD}",
        f"{_DO}|throw|give {{n}} punch|jab",
        f"{_DO}|throw|give punch|jab",
        "punch|jab forward|out|ahead?",
    ),
    "kick": (
        f"kick forward|out|ahead|up|something|ball? with|using {{side}} {_FOOT}",
        f"kick {{side}} {_FOOT} forward|out|up?",
        f"kick forward|out|up {{side}} {_FOOT}",
        f"{_DO}|give {{n}}? {{side}} {_FOOT}? kick",
        f"{_DO}|give {{n}}? kick with {{side}} {_FOOT}",
        f"{_DO}|give {{n}}? kick",
        "kick forward|out|ahead|up?",
    ),
    "throw": (
        f"throw|toss|pitch|hurl {_THING}? forward|away|ahead|overhand|overarm? with|using|from {{side}} {_HOLD}",
        f"throw|toss|pitch|hurl {_THING}? forward|away|ahead|overhand|overarm?",
        f"{_DO} throw motion|movement? with {{side}} {_HOLD}",
        f"{_DO} {{side}} {_HOLD}? throw",
        f"{_DO} throw motion|movement?",
    ),
    "lunge": (
        f"lunge forward|out|ahead? with|on|onto {{side}} {_FOOT}",
        f"lunge {{side}} {_FOOT} forward|out?",
        f"{_DO} {{n}}? {{side}} {_FOOT}? lunge",
        f"{_DO} {{n}}? forward? lunge with|on {{side}} {_FOOT}",
        f"{_DO} {{n}}? forward? lunge",
        f"{_DO} long step forward with {{side}} {_FOOT}",
        "lunge forward|ahead?",
    ),
    "jumping_jack": (
        f"{_DO} {{n}}? jump|star jack|jump",
        "jump jack",
        "star jump",
    ),
    "pick_up": (
        f"pick up {_THING}? off|from? floor|ground?",
        f"pick {_THING} up off|from? floor|ground?",
        f"bend|reach|crouch|lean down|over and|to pick up {_THING}? off|from? floor|ground?",
        f"bend|reach|crouch|lean down|over and|to pick {_THING} up off|from? floor|ground?",
        f"pick {_THING} off|from floor|ground",
        f"grab|take|lift {_THING} up? off|from floor|ground",
    ),
}

# Sound like an action and are none: longest match lets them win over the action they contain.
LOOKALIKES: tuple[str, ...] = (
    "walk|run|jog|pace|step|jump back|forward and forth|back",
    "walk|run|jog|go|move back down|up|to|home",
    "walk|run|jog up|down stair|step|hill|slope|ladder",
    "walk|run|jog|march in place",
    "walk|run|jog on spot",
    "walk|run|jog in circle",
    "walk|run|jog around",
    "walk|run|jog diagonally",
    "walk to? {side}",
    "walk|run|jog|step|jump|hop|leap over|onto|across|off",
    "walk|run|jog on hands|fours|knee",
    "run|jog|jump|hop|leap|kick backward|back|sideways",
    "raise|lift|kick other|one leg|foot|arm|hand",
    "jump rope",
    "get|go|be|drop down? on|onto|to? hands and knee",
    "wave both? arms|hands",
    "wave with both? arms|hands",
    "throw self|up",
    "sit up",
)


def phrasings(action: str) -> tuple[Phrasing, ...]:
    """The phrasings of an action with its side put in; the slots {times} and {n} stay."""
    side = ACTIONS[action].side or ""
    return tuple(
        Phrasing(phrasing.once.replace("{side}", side), phrasing.often.replace("{side}", side))
        for phrasing in PHRASINGS[ACTIONS[action].family]
    )
