"""Words that captions of human motion are made of: closed classes, verbs of body action, body parts, directions."""


def word_set(text: str) -> frozenset[str]:
    """Splits a list of words.

    Args:
        text: the words, with spaces or line ends between them.

    Returns:
        The words as a set.
    """
    return frozenset(text.split())


def word_map(text: str) -> dict[str, str]:
    """Splits a list of pairs: `form: meaning, form: meaning`.

    Args:
        text: the pairs, with commas between them; a form or meaning may hold several words, and a meaning none.

    Returns:
        The meaning of each form.
    """
    pairs = (pair.split(":") for pair in text.split(","))
    return {" ".join(form.split()): " ".join(meaning.split()) for form, meaning in pairs}


def word_list(text: str) -> list[str]:
    """Splits a list of words whose order matters.

    Args:
        text: the words, with spaces or line ends between them.

    Returns:
        The words in the same order.
    """
    return text.split()


# ---- verbs -------------------------------------------------------------------------------------------------------
# Locomotion goes on until it ends: it has no natural unit, so it isn't countable unless a number is given.
LOCOMOTION = word_set(
    """walk run jog crawl sneak march swim skip stroll wander hobble limp shuffle tiptoe sprint travel proceed go
    come move drift stagger wade stride strut amble saunter prowl creep hike trudge waddle glide float fly ride
    skate ski slide scoot gallop dash rush hurry race trot roam approach advance retreat accelerate cycle paddle row
    pace meander parade tread navigate explore follow chase traverse lurch sleepwalk moonwalk zoom head lumber
    swagger"""
)
HOLDS = word_set(
    """hold keep stay stand sit lie lay kneel remain rest freeze wait pose balance hang hover dangle straddle"""
)
# Postures are background to another event; verbs of `HOLDS` beside another act happen at the same time.
POSTURES = word_set("stand sit lie lay kneel remain stay wait rest crouch")
STOPS = word_set("stop halt pause slow decelerate")
DIFFUSE = word_set(
    """dance play golf box fight exercise shave look search practice train warm wrestle cook read write talk speak
    sing drum juggle fence spar workout kickbox waltz salsa perform work sleep act mime mimic imitate pretend chat
    converse relax meditate conduct shadowbox fish garden interact gesticulate gesture watch inspect observe breathe
    laugh cry listen think type text drive eat drink stretch_out clean wash"""
)
ACTS = word_set(
    """step turn jump kick punch wave wipe stir squat push stumble recover bow throw pick hop spin leap lunge roll
    raise lower lift bend lean duck dodge evade avoid swing shake put place point reach touch grab catch clap cross
    rotate twist stretch extend fold open close pull press knock hit strike slap stomp stamp pass give receive take
    drop toss climb fall trip tumble slip rise crouch salute nod shrug scratch rub stroke pat tap circle sidestep
    face curl flex straighten unfold spread tilt sway wiggle flap jab hook uppercut block parry kneel elbow knee
    shove bump nudge poke tug yank drag carry bring set grasp grip release pivot swivel hurdle vault somersault
    cartwheel flip dive bounce dribble shoot serve swat swipe sweep brush dust scrub polish draw paint pour drink
    eat sip bite chew feed peel cut chop slice saw hammer dig shovel rake mow plant water fill empty strum pluck bat
    pitch bowl volley putt return back compensate counterbalance stabilize stabilise steady outstretch interlock
    clasp clench wring squeeze twirl whirl gyrate thrust hump shimmy shiver tremble convulse collapse land crash
    slam smash crush bang beat pound drum flail fling hurl launch heave hoist shift sink drag hug embrace kiss greet
    beckon signal gesture wink blink yawn sneeze cough cover hide peek glance stare gaze check examine adjust fix
    tie untie button zip wear don remove undress dress comb buckle unlock lock turn_around change switch alternate
    mirror repeat reverse resume regain lose maintain assume adopt form make kickbox sidekick roundhouse genuflect
    prostrate curtsy plank crunch pedal wind unwind screw unscrew stack load unload pack unpack sort arrange stoop
    slouch hunch scoop snatch seize dip arch tuck rock stagger reel careen enter leave exit mount dismount hit
    attack defend protect shield retreat defeat wrap throw tackle butt wag drop swoop pirouette tiptoe dangle wobble
    totter teeter lurch absorb grapple flick snap trace scrape spray sprinkle describe bear support prop brace plant
    stumble jostle wheel cradle pump ascend descend scale step_over cushion loosen tighten massage strangle choke
    stab slash wield aim fire row steer join separate part connect attach detach display show present offer hand
    deliver collect gather search rummage choose select answer call dial phone photograph play toss flop drape lick
    sniff smell taste blow whistle spit grind clutch ruffle pinch plop propel shimmy spring squirm writhe kneel
    straighten steal sneak inch edge dart swerve veer weave zigzag loop hike stamp revolve orbit spiral crabwalk
    frog bunny duckwalk leapfrog resist struggle wrestle overstep trample tread pry crank lever peck pet caress
    cuddle trap fan shade knit sew iron fold stitch mop vacuum unroll bob headbang gallop prance twerk strike_pose
    flinch startle react disco robot moonwalk jive tango rumba polka retch vomit stutter recoil wince wrest rear
    buckle crisscross dab box high_five mash mix whisk knead sand jerk jolt twitch pinwheel windmill lap"""
)
VERBS = LOCOMOTION | HOLDS | STOPS | ACTS | (DIFFUSE - {"stretch_out"})
VERBS -= {"turn_around", "step_over", "strike_pose", "frog", "bunny"}

# A light verb takes the noun of an act: "performs a kick" is kicking.
LIGHT = word_set("do make perform take execute give have carry complete practice demonstrate display show undertake")
# These take the noun of an act as well, but have a meaning of their own before other nouns.
DELIVERS = word_set("deliver unleash let pull")
ASPECT = word_set(
    """start begin continue keep try attempt proceed seem appear resume happen finish commence manage go end prepare
    decide need tend intend pretend get come mean help cease stop like love"""
)
# These two never name a bodily act of their own.
EMPTY = word_set(
    """be have use seem appear include involve represent depict resemble let try attempt need want wish tend decide
    happen consist contain require start begin commence continue keep look_like cause know suggest indicate find see
    feel hear believe allow enable vary mean imagine fear like hope describe_as finish end prepare plan intend
    follow_by lead accord see concern become get own belong refer alternate injure hurt would might follow pretend
    help manage demonstrate simulate vary force"""
)
OTHER_VERBS = LIGHT | ASPECT | (EMPTY - {"look_like", "describe_as", "follow_by", "would", "might"})
OTHER_VERBS |= {"describe", "seem"}

_IRREGULAR = word_map(  # form: lemma and form class
    """went: go ed, gone: go ed, goes: go s, took: take ed, taken: take ed, made: make ed, did: do ed, done: do ed,
    does: do s, stood: stand ed, sat: sit ed, ran: run ed, threw: throw ed, thrown: throw ed, bent: bend ed,
    fell: fall ed, fallen: fall ed, got: get ed, gotten: get ed, came: come ed, held: hold ed, kept: keep ed,
    swung: swing ed, knelt: kneel ed, lay: lie base, laid: lay ed, lying: lie ing, swam: swim ed, swum: swim ed,
    rose: rise ed, risen: rise ed, began: begin ed, begun: begin ed, gave: give ed, given: give ed, crept: creep ed,
    leapt: leap ed, spun: spin ed, shook: shake ed, shaken: shake ed, caught: catch ed, struck: strike ed,
    drew: draw ed, drawn: draw ed, drank: drink ed, ate: eat ed, eaten: eat ed, drove: drive ed, rode: ride ed,
    flew: fly ed, slid: slide ed, stuck: stick ed, brought: bring ed, fought: fight ed, swept: sweep ed,
    hung: hang ed, lost: lose ed, found: find ed, wrung: wring ed, saw: saw base, shot: shoot ed, broke: break ed,
    sank: sink ed, sunk: sink ed, dove: dive ed, strode: stride ed, froze: freeze ed, beaten: beat ed,
    wound: wind ed, dug: dig ed, outstretched: outstretch ed, has: have s, had: have ed, is: be s, dying: die ing,
    left: leave ed, felt: feel ed, led: lead ed, waltzes: waltz s, seen: see ed, shown: show ed, worn: wear ed,
    set: set base, put: put base, hit: hit base, cut: cut base, goin: go ing, mimicking: mimic ing,
    mimicked: mimic ed, beginning: begin ing, travelling: travel ing, travelled: travel ed, pedalling: pedal ing,
    backs: back s, backed: back ed, backing: back ing, let: let base, lets: let s, became: become ed"""
)
IRREGULAR = {form: (reading.split()[0], reading.split()[1]) for form, reading in _IRREGULAR.items()}
# Small words of other languages that captions come in. None of them is an English word of motion.
FOREIGN = word_set(
    """der die das ein eine einen einem einer und er sie es geht gehen ist nach mit dem den sich zu zur zum von auf
    dann dreht links rechts nicht vorne hinten le la les un une des du il elle et puis se vers avec sur dans sa
    ses deux el los las una hacia y con su sus uno luego gira mano lo gli che poi si di della il verso o um uma ele
    ela para com seu sua depois een het de hij zij en naar zich met op zijn haar dan"""
)
SAME_PAST = word_set("put hit cut set let beat")  # base form and past are one word

# ---- closed classes ----------------------------------------------------------------------------------------------
DETERMINERS = word_set(
    """a an the this that these those another some any each every no both all either other same several"""
)
POSSESSIVES = word_set("his her their its my your our hers one's ones's")
PRONOUNS = word_set("he she it they i you we who which someone somebody anyone everyone nobody themself")
OBJECT_PRONOUNS = word_set(
    """it them him her something himself herself itself themselves themself oneself anything everything each_other"""
)
PERSONS = word_set(
    """person human man woman guy boy girl child kid people men women figure subject character individual player
    someone somebody dancer actor stickman skeleton male female lady gentleman humanoid robot avatar being toddler
    athlete boxer body model adult friend humans persons mannequin dude stranger men children kids guys girls boys
    player actor participant performer character puppet he she they it one who"""
)
PREPOSITIONS = word_set(
    """in on at of with without from into onto over under through across along around about for by towards toward
    against behind above below beside besides between near off to past like upon within beneath inside outside using
    beyond among next_to in_front_of out_of due_to because_of instead_of on_top_of according_to up_to alongside
    throughout except via per below against round amidst away_from apart_from"""
)
AUXILIARIES = word_set("is are was were be been being am 's 're gets get getting got has have had isn't aren't")
MODALS = word_set("can could will would should may might must shall does_not do")
NEGATIONS = word_set("not never didn't doesn't don't isn't aren't wasn't without cannot can't haven't hasn't no_longer")
COORDINATORS = word_set("and or but & plus as_well_as")
ORDER_WORDS = word_set(
    """then first next afterwards afterward finally lastly after_that after_this second secondly later subsequently
    thereafter firstly third thirdly followed_by follow_by before_that at_the_end in_the_end at_first eventually
    after_which initially immediately_after thereupon upon_which than following_this to_start to_begin"""
)
WHILE_WORDS = word_set("while during when whilst as whereas where meanwhile at_the_same_time simultaneously at_once")
BEFORE_WORDS = word_set("before prior_to until till ere")
AFTER_WORDS = word_set("after once having as_soon_as following upon since")
STYLE_WORDS = word_set(
    """like as_if as_though as_like because so so_that in_order_to that which whose due_to although though
    even_though whom since such_as similar_to resembling imitating pretending mimicking in_order for_example e_g i_e
    if"""
)
ADVERBS = word_set(
    """slowly quickly very quite still just almost again carefully slightly suddenly fast straight also together
    really too casually repeatedly twice once thrice now immediately ahead even only briefly gently abruptly halfway
    partway hard twice somewhat more less most rather already there here away apart aside off low high nearly well
    rapidly continuously alternately alternatingly gradually evenly approximately about several_times otherwise
    instead firmly sharply softly loudly vigorously a_bit a_little a_little_bit a_lot little bit half enough
    once_more over_and_over in_place on_the_spot up_high all_around downstairs upstairs meanwhile either mainly
    mostly kind_of sort_of in_a_row at_last at_least no_more simultaneously alone maybe perhaps probably possibly
    seemingly"""
)
_NUMBERS = word_map(
    """one: 1, two: 2, three: 3, four: 4, five: 5, six: 6, seven: 7, eight: 8, nine: 9, ten: 10, eleven: 11,
    twelve: 12, fifteen: 15, twenty: 20, thirty: 30, single: 1, double: 2, triple: 3, hundred: 100, ninety: 90,
    forty: 40, fifty: 50, sixty: 60, thirteen: 13, fourteen: 14"""
)
NUMBERS = {word: int(number) for word, number in _NUMBERS.items()}
TIMES_ADVERBS = {"once": 1, "twice": 2, "thrice": 3}
VAGUE_NUMBERS = word_set("few several some couple multiple many various a_few a_couple a_couple_of couple_of numerous")
ADJECTIVES = word_set(
    """big small little short long wide high low deep slow fast quick quarter half full whole entire straight sharp
    slight tight large hard strong light soft heavy normal same different other opposite original initial previous
    circular horizontal vertical diagonal clockwise counterclockwise basic single double triple new own first second
    third last next tiny huge great good bad tired drunk upright bent flat narrow broad steep complete partial
    random invisible imaginary wrong right left front back rear upper lower top bottom middle medium regular brisk
    steady low-pitched evasive defensive similar several few many multiple various consecutive small deep gentle
    careful relaxed casual sudden evil happy sad angry compensatory shaky handed legged sided steady bigger smaller
    larger longer shorter faster slower wider higher lower deeper elderly old young injured ready able unable close
    open more less free empty stationary static rapid smooth aggressive energetic powerful quick-footed imaginative
    sexy ballroom classical standard latin rhythmic red blue green yellow black white brown grey gray
    orange purple pink dark bright overhead underhand crab zombie drunken ninety-degree numerous
    still parallel sideways forward backward upward downward outward inward reverse additional extra"""
)

# ---- nouns -------------------------------------------------------------------------------------------------------
LIMBS = word_set(
    """hand arm leg foot knee elbow shoulder fist finger wrist ankle hip thigh palm toe heel shin forearm thumb
    food feed feat"""  # "food" and "feed" are the commonest misspellings of foot and feet
)
LEGS = word_set("leg foot knee ankle thigh toe heel shin food feed feat")
BODY_PARTS = LIMBS | word_set(
    """head body torso waist chest back stomach belly face neck chin nose mouth ear eye hair butt bottom trunk
    side_body upperbody wing breast lap limb fours all_fours jaw forehead temple spine backside rear muscle pelvis
    crotch cheek groin bodyweight calf weight"""
)
IRREGULAR_PLURALS = word_map(
    """feet: foot, people: person, men: man, women: woman, children: child, knees: knee, calves: calf,
    knives: knife, shelves: shelf, loaves: loaf, food: foot, feed: foot, feat: foot, all_fours: all_fours,
    fours: all_fours, stairs: stairs, times: time, golf_clubs: golf_club, halves: half"""
)
MOTION_NOUNS = word_set(
    """movement motion gesture move action exercise pattern activity attempt pose routine technique way"""
)
PATHS = word_set(
    """circle curve corner square arc loop round turn lap zigzag line semicircle triangle figure rectangle bend
    spiral eight"""
)
# The noun of an act and the verb that names it.
ACT_NOUNS = word_map(
    """step: step, pace: step, turn: turn, jump: jump, kick: kick, punch: punch, squat: squat, lunge: lunge,
    bow: bow, pushup: do push-up, push_up: do push-up, push_ups: do push-up, situp: do sit-up,
    sit_up: do sit-up, pull_up: do pull-up, handstand: do handstand, headstand: do headstand,
    cartwheel: do cartwheel, jumping_jack: do jumping jack, star_jump: do jumping jack, wave: wave, spin: spin,
    rotation: turn, hop: hop, leap: leap, stomp: stomp, walk: walk, run: run, jog: jog, dance: dance,
    somersault: do somersault, flip: flip, backflip: do backflip, roll: roll, stumble: stumble, swing: swing,
    throw: throw, sidestep: sidestep, push: push, pull: pull, wipe: wipe, stretch: stretch, twist: twist,
    twirl: spin, pirouette: do pirouette, jab: jab, hook: hook, uppercut: do uppercut, sidekick: kick,
    burpee: do burpee, crunch: do crunch, plank: do plank, split: do split, sprint: sprint, stroke: stroke,
    shake: shake, nod: nod, salute: salute, stride: step, limp: limp, march: march, skip: skip, clap: clap,
    crawl: crawl, strike: strike, slap: slap, hit: hit, swipe: swipe, lift: lift, curtsy: curtsy, pivot: pivot,
    tackle: tackle, dodge: dodge, duck: duck, block: block, fall: fall, trip: stumble, lap: run lap, sit: sit,
    stop: stop, halt: stop, pause: pause, shove: push, bend: bend, serve: serve, shot: shoot, catch: catch,
    dive: dive, knee: knee, elbow: elbow, grab: grab, climb: climb, waltz: dance waltz, salsa: dance salsa,
    tango: dance tango, macarena: dance macarena, cha_cha: dance cha-cha, jig: dance jig, ballet: dance ballet,
    samba: dance samba, turnaround: turn around, u_turn: turn around, recovery: recover, hug: hug, drink: drink,
    bounce: bounce, kneel: kneel, roundhouse: kick, highkick: kick, thrust: thrust, flap: flap, stroll: stroll,
    stance: pose, leg_lift: lift leg, high_knee: do high knees, high_knees: do high knees, toss: throw,
    shuffle: shuffle, yoga: do yoga, karate: do karate, gymnastics: do gymnastics, curve: walk in curve,
    circle: walk in circle, arc: walk in curve, semicircle: walk in half circle, jumping_jacks: do jumping jack"""
)
DANCES = word_set(
    """waltz salsa tango macarena cha_cha ballet samba rumba jig polka foxtrot disco breakdance jive quickstep
    hip_hop charleston twist hula flamenco swing chicken_dance moonwalk"""
)
INSTRUMENTS = word_set(
    """violin guitar piano drum drums flute trumpet cello bass keyboard saxophone accordion harp air_guitar fiddle
    golf tennis basketball football soccer baseball volleyball badminton hockey squash cards ping_pong"""
)
NOUNS = (
    BODY_PARTS
    | MOTION_NOUNS
    | PATHS
    | word_set(
        """ground floor wall chair table stair stairs step way path place spot position direction front side left
        right back rear end start beginning middle top point speed tempo time second minute moment meter metre
        centimeter foot degree angle height level distance ball bottle cup glass box object obstacle door window car
        horse rope bar racket club stick sword gun phone book bag plate knife fork spoon pan bowl mixer platform
        beam track street road edge hill slope ramp ladder rail railing handrail bench bed couch sofa stool weight
        dumbbell barbell music air water fire tree flower grass field house room corner row circle pose stance
        posture guard defence defense style manner fashion form shape kind sort type bit piece part lot pair couple
        number series set sequence rest balance support help assistance force power strength energy pace rhythm beat
        drunk zombie monkey chicken dog cat bird animal frog bear bunny rabbit robot soldier boxer tennis golf
        boxing karate basketball football soccer baseball volleyball guitar violin piano drum drums flute trumpet
        microphone camera sleepwalker ninja bodybuilder swimming yoga ballet head_height arms_length something
        anything nothing thing everything tile podest origin location target opponent partner friend other half
        quarter third turn radius diameter cm m km metres meters degrees starting_point bicycle bike paper pen brush
        broom mop vacuum cleaner hat shoe shirt coat jacket clothes towel bucket basket shelf cabinet drawer handle
        lever button switch key lock crate stone rock snow ice mud puddle stage crowd audience camera movement cycle
        repetition rep lap time occasion day night morning salute jack parking world sky
        sun moon line pushing handrail banister barrier hurdle stance teapot bull cowboy surfer"""
    )
)
ANIMATE = word_set(  # nouns above that may do an act themselves
    """drunk zombie monkey chicken dog cat bird animal frog bear bunny rabbit robot soldier boxer sleepwalker ninja
    bodybuilder opponent partner friend crowd audience horse bull cowboy surfer other half"""
)
UNITS = word_set(
    """degree degrees degress meter meters metre metres m cm km centimeter centimeters second seconds minute minutes
    feet foot inch inches yard yards mile miles percent hour hours kg ° deg sec secs"""
)
COUNT_UNITS = word_set(
    """time times step steps stride strides pace paces lap laps round rounds repetition repetitions rep reps"""
)

# ---- directions --------------------------------------------------------------------------------------------------
DIRECTIONS = word_map(
    """forward: forward, forwards: forward, ahead: forward, onward: forward, onwards: forward, straight: forward,
    straightforward: forward, backward: backward, backwards: backward, rearward: backward, back: back, left: left,
    right: right, leftward: left, leftwards: left, rightward: right, rightwards: right, sideways: sideways,
    sideway: sideways, sidewards: sideways, sideward: sideways, sidewise: sideways, diagonally: diagonally,
    laterally: sideways, up: up, down: down, upward: up, upwards: up, downward: down, downwards: down,
    upstairs: up stairs, downstairs: down stairs, around: around, round: around, over: over, out: out, off: off,
    in: in, away: away, through: through, along: along, across: across, apart: apart, together: together,
    aside: sideways, back_and_forth: back and forth, forth_and_back: back and forth, up_and_down: up and down,
    side_to_side: side to side, from_side_to_side: side to side, inward: in, inwards: in, outward: out,
    outwards: out, clockwise: clockwise, counterclockwise: counterclockwise, in_place: in place,
    on_the_spot: in place, on_all_fours: on all fours, underneath: under, to_and_fro: back and forth,
    forward_and_backward: back and forth, left_and_right: left and right, halfway:, partway:, crabwise: sideways"""
)
# Words of direction that may also be the noun of "to the ...": `to the front` is forward.
DIRECTION_NOUNS = word_map(
    """left: left, right: right, front: forward, back: backward, rear: backward, side: sideways, sides: sideways,
    forward: forward, backward: backward, leftside: left, rightside: right"""
)

# ---- words of several words, and spellings that HumanML3D's mirroring and hasty typing have damaged ------------------
MULTIWORDS = word_map(
    """some one: someone, some body: somebody, his / her: his, her / his: her, his or her: his, him / her: him,
    he / she: he, he or she: he, him or her: him, counter clockwise: counterclockwise,
    anti clockwise: counterclockwise, clock wise: clockwise, counter clock wise: counterclockwise,
    anti clock wise: counterclockwise, counter counterclockwise: counterclockwise,
    counter counter clockwise: counterclockwise, counter clock: counterclockwise, t pose: t_pose,
    jumping jack: jumping_jack, star jump: jumping_jack, star jumps: jumping_jacks, jumping jacks: jumping_jacks,
    jump jacks: jumping_jacks, hand stand: handstand, head stand: headstand, side step: sidestep,
    side steps: sidesteps, side stepping: sidestepping, side kick: sidekick, side kicks: sidekicks,
    cart wheel: cartwheel, cart wheels: cartwheels, push ups: push_ups, push up: push_up, sit ups: sit_up,
    sit up: sit_up, pull ups: pull_up, all fours: all_fours, all four: all_fours, a few: a_few,
    a couple of: a_couple, a couple: a_couple, a bit: a_bit, a little bit: a_bit, a little: a_bit, a lot: a_lot,
    little bit: a_bit, in front of: in_front_of, next to: next_to, on top of: on_top_of,
    at the same time: at_the_same_time, at once: at_the_same_time, same time: at_the_same_time,
    after that: after_that, after this: after_this, after which: after_which, before that: before_that,
    back and forth: back_and_forth, back and forwards: back_and_forth, forth and back: back_and_forth,
    forward and backward: back_and_forth, forwards and backwards: back_and_forth,
    backwards and forwards: back_and_forth, up and down: up_and_down, side to side: side_to_side,
    from side to side: from_side_to_side, to and fro: to_and_fro, over and over: over_and_over,
    over and over again: over_and_over, again and again: over_and_over, as if: as_if, as though: as_though,
    as like: as_like, in order to: in_order_to, so as to: in_order_to, so that: so_that, prior to: prior_to,
    even though: even_though, each other: each_other, in place: in_place, on the spot: on_the_spot,
    on spot: on_the_spot, on the same spot: on_the_spot, on his spot: on_the_spot, because of: because_of,
    due to: due_to, instead of: instead_of, as well as: as_well_as, as soon as: as_soon_as, such as: such_as,
    similar to: similar_to, u turn: u_turn, followed by: followed_by, follow by: followed_by,
    at the end: at_the_end, in the end: at_the_end, at first: at_first, at last: finally, once more: once_more,
    one more time: once_more, right away: immediately, no longer: no_longer, out of: out_of, cha cha: cha_cha,
    cha cha cha: cha_cha, tai chi: tai_chi, hip hop: hip_hop, high knees: high_knees, right angle: right_angle,
    right angled: right_angle, left and right: left_and_right, right and left: left_and_right, kind of: kind_of,
    sort of: sort_of, in a row: in_a_row, high five: high_five, high fives: high_fives, high fiving: high_fiving,
    chicken dance: chicken_dance, one another: each_other, away from: away_from, martial arts: martial_arts,
    straight forward: forward, straight forwards: forward, straight ahead: forward, straight on: forward,
    at least: at_least, his way: his_way, on all fours: on_all_fours, at the beginning: at_first,
    in the beginning: at_first, to start: at_first, air guitar: air_guitar, baby steps: steps, half way: halfway,
    left side: left_side, right side: right_side, left hand side: left_side, right hand side: right_side,
    cool down: cool_down, side ways: sideways, side wards: sideways, for ward: forward, back wards: backwards,
    back ward: backward, for wards: forwards, up right: upright, figure eight: figure_eight, figure 8: figure_eight,
    semi circle: semicircle, half circle: semicircle"""
)
SPELLINGS = word_map(
    """upleft: upright, counterclock: counterclockwise, anticlockwise: counterclockwise,
    anitclockwise: counterclockwise, &: and, beeing: being, bevor: before, geht: gets, ist: is, quater: quarter,
    somone: someone, peron: person, persond: person, sb: someone, forwad: forward, foward: forward,
    backword: backward, left-hand: left, infront: in_front_of, cannot: cannot, guitare: guitar, gitarre: guitar,
    violine: violin, hight: height, thier: their, there's: there, cirle: circle, ciricle: circle,
    streight: straight, whiping: wiping, wipping: wiping, squad: squat, squads: squats, humans: human,
    bounds: leaps, sidways: sideways, thats: that, approx: approximately, theirs: their, upwords: upwards, tu: to,
    omething: something, somethings: something, befor: before, em: them, alternatively: alternately"""
)

# ---- verbs and nouns that change how what follows is read ----------------------------------------------------------
STEP_NOUNS = word_set("step stride pace")
ASPECT_VERBS = word_set("start begin continue keep proceed resume commence")
# Infinitives that give a reason instead of a further act: "steps aside to avoid something".
REASONS = word_set(
    """avoid stay keep maintain regain prevent be see show balance have remain protect make indicate stabilize
    stabilise support compensate help get reach let ensure create gain absorb counter simulate represent face
    imitate lose find not"""
)
# Verbs whose means is the act: "evades by jumping left", "compensates with a step".
OUTCOMES = word_set(
    """evade avoid dodge compensate recover react respond counterbalance balance end finish start begin stabilize
    stabilise regain adjust steady continue catch keep"""
)
STYLE_NOUNS = word_set(
    """manner fashion style speed tempo rhythm mood energy force power strength caution care effort ease intensity
    intention purpose expression steplength distance height radius velocity time way"""
)
PUSHES = word_set("push shove hit kick punch pull knock slap")
BLOWS = word_set("punch kick jab hook uppercut blow strike")
COLLECTIONS = word_set("series set couple kind type sort pair lot bit number sequence")
DEGREES = word_set("degree degrees degress deg °")
SUPPORTS = word_set("help assistance support aid use")
RESTS = word_set("rest stop halt standstill pause")
# Verbs whose limb after "on" carries the act: "hops on the left leg".
ON_LIMB = word_set("lunge hop stand balance kneel jump step lean walk rest limp leap skip land")
TURNS = word_set("turn rotate pivot spin")
# Verbs that need what follows "with", "at" or "for": "plays with a ball", "points at something".
TAKES_ANY_PREPOSITION = word_set(
    """play look search dance reach stir hit bat sweep limp kick point punch throw wave stare"""
)
DIRECTION_ADJECTIVES = word_map(
    """forward: forward, forwards: forward, backward: backward, backwards: backward, sideways: sideways,
    diagonal: diagonally, upward: up, downward: down"""
)
PATH_ADJECTIVES = word_map(
    """curved: curve, curving: curve, circular: circle, zigzag: zigzag, round: circle, rounded: curve,
    circle: circle, square: square"""
)
