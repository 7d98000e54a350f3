"""Phrasings of each action: a few that captions use, and more that only the parser understands."""

from __future__ import annotations

from dataclasses import dataclass

from atom.events import ACTIONS

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}

# Counts as adverbs. Where there are two, the first is the usual one.
TIMES = {1: ("once", "one time"), 2: ("twice", "two times")} | {n: (f"{NUMBERS[n]} times",) for n in (3, 4, 5)}


@dataclass(frozen=True)
class Phrasing:
    """One way to express an action in the third person; both forms may have a slot {side}.

    Attributes:
        once: the form for a count of one.
        often: the form for larger counts, with a slot {times} ("twice") or {n} ("two").
    """

    once: str
    often: str


def _phrasing(once: str, often: str = "") -> Phrasing:
    return Phrasing(once, often or once + " {times}")


# By family. The words are plain and few, because the built-in language model learns each from some thousand captions.
PHRASINGS: dict[str, tuple[Phrasing, ...]] = {
    "walk_forward": (
        _phrasing("walks forward"),
        _phrasing("walks ahead"),
        _phrasing("walks straight ahead"),
        _phrasing("takes a few steps forward"),
    ),
    "walk_backward": (
        _phrasing("walks backward"),
        _phrasing("walks backwards"),
        _phrasing("steps back"),
        _phrasing("takes a few steps back"),
    ),
    "sidestep": (
        _phrasing("takes a step to the {side}", "takes {n} steps to the {side}"),
        _phrasing("takes a side step to the {side}", "takes {n} side steps to the {side}"),
        _phrasing("steps to the {side}"),
        _phrasing("steps sideways to the {side}"),
    ),
    "run_forward": (
        _phrasing("runs forward"),
        _phrasing("runs ahead"),
        _phrasing("runs straight ahead"),
        _phrasing("jogs forward"),
    ),
    "turn": (
        _phrasing("turns {side}"),
        _phrasing("turns to the {side}"),
        _phrasing("makes a {side} turn"),
    ),
    "turn_around": (
        _phrasing("turns around"),
        _phrasing("makes a half turn"),
        _phrasing("turns to face the other way"),
    ),
    "spin": (
        _phrasing("spins around"),
        _phrasing("spins in a circle"),
        _phrasing("makes a full turn", "makes {n} full turns"),
    ),
    "jump_up": (
        _phrasing("jumps"),
        _phrasing("jumps up"),
        _phrasing("jumps in place"),
        _phrasing("jumps into the air"),
    ),
    "jump_forward": (
        _phrasing("jumps forward"),
        _phrasing("jumps ahead"),
        _phrasing("leaps forward"),
        _phrasing("takes a leap forward", "takes {n} leaps forward"),
    ),
    "hop": (
        _phrasing("hops on the {side} foot"),
        _phrasing("hops on the {side} leg"),
        _phrasing("jumps on the {side} foot"),
    ),
    "squat": (
        _phrasing("squats"),
        _phrasing("squats down"),
        _phrasing("does a squat", "does {n} squats"),
    ),
    "sit_down": (
        _phrasing("sits down"),
        _phrasing("takes a seat"),
        _phrasing("sits on a chair"),
    ),
    "kneel_down": (
        _phrasing("kneels"),
        _phrasing("kneels down"),
        _phrasing("gets down on one knee"),
    ),
    "get_up": (
        _phrasing("gets up"),
        _phrasing("gets back up"),
        _phrasing("stands up"),
        _phrasing("stands back up"),
    ),
    "bow": (
        _phrasing("bows"),
        _phrasing("takes a bow", "takes {n} bows"),
        _phrasing("bends forward"),
    ),
    "wave": (
        _phrasing("waves with the {side} hand"),
        _phrasing("waves with the {side} arm"),
        _phrasing("waves the {side} hand"),
    ),
    "raise_arm": (
        _phrasing("raises the {side} arm"),
        _phrasing("raises the {side} hand"),
        _phrasing("lifts the {side} arm"),
        _phrasing("lifts the {side} hand"),
    ),
    "raise_arms": (
        _phrasing("raises both arms"),
        _phrasing("raises both hands"),
        _phrasing("lifts both arms"),
        _phrasing("lifts both hands"),
    ),
    "clap": (
        _phrasing("claps"),
        _phrasing("claps the hands"),
        _phrasing("claps with both hands"),
    ),
    "punch": (
        _phrasing("punches with the {side} hand"),
        _phrasing("punches with the {side} arm"),
        _phrasing("punches with the {side} fist"),
        _phrasing("does a {side} punch", "does {n} {side} punches"),
    ),
    "kick": (
        _phrasing("kicks with the {side} leg"),
        _phrasing("kicks with the {side} foot"),
        _phrasing("does a {side} kick", "does {n} {side} kicks"),
    ),
    "throw": (
        _phrasing("throws something with the {side} hand"),
        _phrasing("throws a ball with the {side} hand"),
        _phrasing("throws with the {side} arm"),
    ),
    "lunge": (
        _phrasing("lunges with the {side} leg"),
        _phrasing("lunges with the {side} foot"),
        _phrasing("does a {side} lunge", "does {n} {side} lunges"),
    ),
    "jumping_jack": (
        _phrasing("does a jumping jack", "does {n} jumping jacks"),
        _phrasing("makes a jumping jack", "makes {n} jumping jacks"),
        _phrasing("performs a jumping jack", "performs {n} jumping jacks"),
    ),
    "pick_up": (
        _phrasing("picks something up"),
        _phrasing("picks something up from the floor"),
        _phrasing("bends down to pick something up"),
    ),
}

_HAND = "hand|arm|fist"
_FOOT = "foot|leg"
_DO = "do|make|perform|take"
_THING = "it|something|object|ball|item|thing|box|cup|bag|stone|rock"

# Further wordings, which only the parser uses. A pattern is a sequence of words in base form, without articles and
# possessives: `a|b` is either word, `a?` is optional, {side} is left or right, {n} is a number. Where a pattern of a
# sided family has no {side}, the side comes from a "left hand" or "right foot" elsewhere in the clause.
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
        "walk|step|move|go|pace backward",
        "step|pace back",
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
        "spring|jump|leap up from|off chair|seat|stool|bench",
        "spring up from floor|ground|knee",
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
        f"wave hello|goodbye|bye? with|using {{side}} {_HAND}?",
        f"wave {{side}} {_HAND} hello|goodbye|bye|around|above|in? air|head?",
        f"give {{n}}? wave with {{side}} {_HAND}",
        "wave hello|goodbye|bye?",
        "wave hand|arm",
        "swing {side} hand|arm side to side",
    ),
    "raise_arm": (
        f"raise|lift up? {{side}} {_HAND} up? over|above|overhead|into? head|air?",
        f"raise|lift up? {{side}} {_HAND} up? over|above|overhead|into? head|air? and lower|drop it? back? down?",
        f"put {{side}} {_HAND} up|overhead",
        f"put|hold|reach up|out? {{side}} {_HAND} over|above head",
        f"reach up with {{side}} {_HAND}",
        "raise|lift up? arm|hand up?",
    ),
    "raise_arms": (
        "raise|lift up? both? arms|hands up? over|above|overhead|into? head|air?",
        "raise|lift up? both? arms|hands up? over|above|overhead|into? head|air? and lower|drop them? back? down?",
        "raise|lift both? left|right and left|right arms|hands|arm|hand",
        "put|reach both? arms|hands up|overhead",
        "put|hold|reach both? arms|hands up? over|above|overhead head?",
        "reach up with both arms|hands",
    ),
    "clap": (
        "clap|applaud",
        "clap both? hands together?",
        "clap with both? hands together?",
        f"{_DO}|give {{n}}? clap",
    ),
    "punch": (
        f"punch|jab|box forward|out|ahead? with|using {{side}} {_HAND}",
        "punch|jab {side}",
        f"punch|jab {{side}} {_HAND} forward|out?",
        f"{_DO}|throw|give {{n}}? {{side}} {_HAND}? punch|jab",
        f"{_DO}|throw|give {{n}}? punch|jab with {{side}} {_HAND}",
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
        f"throw|toss|pitch|hurl {_THING}? forward|away|ahead|overhand|overarm? with|using|from {{side}} {_HAND}",
        f"throw|toss|pitch|hurl {_THING}? forward|away|ahead|overhand|overarm?",
        f"{_DO} throw motion|movement? with {{side}} {_HAND}",
        f"{_DO} {{side}} {_HAND}? throw",
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

# Phrases that contain an action but mean something else. They are longer, so the longest match prefers them.
LOOKALIKES: tuple[str, ...] = (
    "walk|run|jog|pace|step|jump back|forward and forth|back",
    "walk|run|jog|go|move back down|up|to|home?",  # a return, which may face the way it goes
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
    """Returns the phrasings of an action with the slot {side} filled in; {times} and {n} stay."""
    side = ACTIONS[action].side or ""
    return tuple(
        Phrasing(phrasing.once.replace("{side}", side), phrasing.often.replace("{side}", side))
        for phrasing in PHRASINGS[ACTIONS[action].family]
    )
