"""Prompts in free wording over all known actions, each with its right reading: (action, count or None) in order.

All were written before the reader saw them. Of the 60 in `PROMPTS` the reader read 42 right at first, and then what it
got wrong was mended by kinds. Of the 80 in `MORE_PROMPTS`, written after that, it read 64 right at first.
"""

Prompt = tuple[str, list[tuple[str, int | None]]]

PROMPTS: list[Prompt] = [
    ("A man strolls forward before he crouches down twice.", [("walk_forward", None), ("squat", 2)]),
    ("She gives two bows and then takes a seat.", [("bow", 2), ("sit_down", None)]),
    ("Once he has knelt down, he claps his hands three times.", [("kneel_down", None), ("clap", 3)]),
    (
        "He raises both of his hands and lets out three kicks with the right leg.",
        [("raise_arms", None), ("kick_right", 3)],
    ),
    ("Prior to leaping forward, the girl backs away.", [("walk_backward", None), ("jump_forward", None)]),
    ("They punch with their left fist, then with the right arm.", [("punch_left", None), ("punch_right", None)]),
    ("A boy performs five jumping jacks and sprints ahead.", [("jumping_jack", 5), ("run_forward", None)]),
    ("The right arm is lifted twice, after which the person bows.", [("raise_arm_right", 2), ("bow", None)]),
    ("A ball is thrown with the left hand, and then he turns around.", [("throw_left", None), ("turn_around", None)]),
    (
        "Someone springs up from the chair and waves goodbye with her right hand.",
        [("get_up", None), ("wave_right", None)],
    ),
    ("The lady twirls around once and then steps sideways to the left.", [("spin", 1), ("sidestep_left", None)]),
    ("A guy hops three times on his left leg, then twice on the right one.", [("hop_left", 3), ("hop_right", 2)]),
    (
        "He lunges forward onto his right foot and picks up a box from the ground.",
        [("lunge_right", None), ("pick_up", None)],
    ),
    ("Having turned to the right, she jogs ahead.", [("turn_right", None), ("run_forward", None)]),
    ("A child does two squats, one spin and four claps.", [("squat", 2), ("spin", 1), ("clap", 4)]),
    (
        "The dancer makes a left turn, kneels, and stands back up again.",
        [("turn_left", None), ("kneel_down", None), ("get_up", None)],
    ),
    ("An athlete throws four left jabs and ducks into a squat.", [("punch_left", 4), ("squat", None)]),
    ("She jumps straight up four times in a row.", [("jump_up", 4)]),
    ("He rotates to his left after having kicked twice with his left foot.", [("kick_left", 2), ("turn_left", None)]),
    (
        "The person bends down, grabs a stone off the floor, then hurls it with the right hand.",
        [("bend down", None), ("pick_up", None), ("throw_right", None)],
    ),
    ("Two sidesteps to the right are followed by a bow.", [("sidestep_right", 2), ("bow", None)]),
    (
        "A woman lunges twice with her left leg, waits, and walks backwards.",
        [("lunge_left", 2), ("wait", None), ("walk_backward", None)],
    ),
    (
        "First the man sits, next he rises to his feet, finally he applauds.",
        [("sit_down", None), ("get_up", None), ("clap", None)],
    ),
    ("He marches forward and makes a U-turn.", [("walk_forward", None), ("turn_around", None)]),
    ("You jump in place three times and lift your left arm.", [("jump_up", 3), ("raise_arm_left", None)]),
    ("Somebody takes three hops on the right foot.", [("hop_right", 3)]),
    ("Perform jumping jacks, then wave with your left hand.", [("jumping_jack", None), ("wave_left", None)]),
    (
        "The figure leaps ahead twice and lands before spinning in a circle.",
        [("jump_forward", 2), ("land", None), ("spin", None)],
    ),
    (
        "The boxer jabs once with the right hand and kicks thrice with the right foot.",
        [("punch_right", 1), ("kick_right", 3)],
    ),
    (
        "A person drops to one knee, gets up again and runs straight ahead.",
        [("kneel_down", None), ("get_up", None), ("run_forward", None)],
    ),
    ("After she has raised both arms twice, she turns to the left.", [("raise_arms", 2), ("turn_left", None)]),
    ("He reaches down to pick a bag up off the floor and retreats.", [("pick_up", None), ("retreat", None)]),
    ("The toddler waves his left arm while walking forward.", [("wave_left", None), ("walk_forward", None)]),
    ("Sit down on the chair, stand up, and do a single squat.", [("sit_down", None), ("get_up", None), ("squat", 1)]),
    ("The man pivots 180 degrees and takes two steps to the left.", [("turn_around", None), ("sidestep_left", 2)]),
    ("Her right hand is waved, then she spins twice.", [("wave_right", None), ("spin", 2)]),
    ("A gentleman bows deeply four times in front of an audience.", [("bow", 4)]),
    (
        "He tosses a ball using his right hand and hops on his left foot five times.",
        [("throw_right", None), ("hop_left", 5)],
    ),
    ("The person delivers three kicks with the left leg before kneeling.", [("kick_left", 3), ("kneel_down", None)]),
    ("Before she claps twice, she lifts her right hand.", [("raise_arm_right", None), ("clap", 2)]),
    (
        "A man jumps ahead, then back to his feet he walks straight on.",
        [("jump_forward", None), ("get_up", None), ("walk_forward", None)],
    ),
    ("She does a left lunge followed by two right lunges.", [("lunge_left", None), ("lunge_right", 2)]),
    (
        "The girl goes down on one knee, her left hand is raised three times.",
        [("kneel_down", None), ("raise_arm_left", 3)],
    ),
    ("He turns to his right and pitches a ball with his left arm.", [("turn_right", None), ("throw_left", None)]),
    (
        "Someone steps to the right four times, and then does the same number of squats.",
        [("sidestep_right", 4), ("squat", None)],
    ),
    (
        "A person kicks out with the left foot twice; afterwards they punch with the left hand twice.",
        [("kick_left", 2), ("punch_left", 2)],
    ),
    ("The subject makes three full turns, then leaps into the air.", [("spin", 3), ("jump_up", None)]),
    ("He spins and waves his right hand at the crowd.", [("spin", None), ("wave_right", None)]),
    (
        "Rising from the floor, the woman runs forward and turns left.",
        [("get_up", None), ("run_forward", None), ("turn_left", None)],
    ),
    ("A man puts both hands up over his head and claps five times.", [("raise_arms", None), ("clap", 5)]),
    (
        "The player takes a long step forward with the left foot, a lunge, and bows.",
        [("lunge_left", None), ("bow", None)],
    ),
    ("He punches three times with his right, then jumps up and down twice.", [("punch_right", 3), ("jump_up", 2)]),
    (
        "Walking backward, he stops and then squats three times.",
        [("walk_backward", None), ("stop", None), ("squat", 3)],
    ),
    (
        "A person shuffles sideways to the right, then does two star jumps.",
        [("sidestep_right", None), ("jumping_jack", 2)],
    ),
    ("They raise their right arm once, then they raise it again.", [("raise_arm_right", 1), ("raise_arm_right", None)]),
    ("The woman turns about and picks something up.", [("turn_around", None), ("pick_up", None)]),
    (
        "A person throws a right punch, two left kicks and another right punch.",
        [("punch_right", None), ("kick_left", 2), ("punch_right", None)],
    ),
    (
        "He lunges with his right leg three times and takes a few steps back.",
        [("lunge_right", 3), ("walk_backward", None)],
    ),
    (
        "As soon as the man has sat down, he lifts both arms three times and stands up.",
        [("sit_down", None), ("raise_arms", 3), ("get_up", None)],
    ),
    (
        "Two forward jumps and a half turn are done by the boy, who then kneels down.",
        [("jump_forward", 2), ("turn_around", None), ("kneel_down", None)],
    ),
]

MORE_PROMPTS: list[Prompt] = [
    (
        "A teenager kneels on the floor, rises again and takes three bows.",
        [("kneel_down", None), ("get_up", None), ("bow", 3)],
    ),
    ("With her left hand she waves, then she jumps forward once.", [("wave_left", None), ("jump_forward", 1)]),
    ("He makes two full turns before he sits on a bench.", [("spin", 2), ("sit_down", None)]),
    ("Both arms are raised by the man, who afterwards claps.", [("raise_arms", None), ("clap", None)]),
    (
        "The woman performs three lunges with her right leg and one with her left.",
        [("lunge_right", 3), ("lunge_left", 1)],
    ),
    (
        "Kick twice with your left leg and punch three times with your right hand.",
        [("kick_left", 2), ("punch_right", 3)],
    ),
    ("He did four jumping jacks and then sat down.", [("jumping_jack", 4), ("sit_down", None)]),
    ("A person moves sideways to the left, turning right after that.", [("sidestep_left", None), ("turn_right", None)]),
    ("The person was walking forward until she turned around.", [("walk_forward", None), ("turn_around", None)]),
    (
        "She turned left, jumped up twice, and waved her right hand.",
        [("turn_left", None), ("jump_up", 2), ("wave_right", None)],
    ),
    ("Someone squats down and comes back up, five times.", [("squat", 5), ("stand up", 5)]),
    ("A man hops on the spot on his right leg.", [("hop_right", None)]),
    ("Immediately after standing up, he throws a stone with his right arm.", [("get_up", None), ("throw_right", None)]),
    ("The first thing she does is bow; then she runs ahead.", [("bow", None), ("run_forward", None)]),
    ("They turn to face the opposite direction and clap thrice.", [("turn_around", None), ("clap", 3)]),
    ("A person does one jumping jack, two squats and three claps.", [("jumping_jack", 1), ("squat", 2), ("clap", 3)]),
    (
        "The man lifts up his right arm, lowers it, and lifts up his left arm.",
        [("raise_arm_right", None), ("lower right arm", None), ("raise_arm_left", None)],
    ),
    ("Two claps, one bow, and a jump.", [("clap", 2), ("bow", 1), ("jump_up", None)]),
    (
        "He picks up an object from the ground and tosses it with his left hand.",
        [("pick_up", None), ("throw_left", None)],
    ),
    ("She is jogging forward when she suddenly jumps.", [("run_forward", None), ("jump_up", None)]),
    ("A boy jumps up as high as he can two times.", [("jump_up", 2)]),
    (
        "After three kicks with the right foot the fighter punches with the left hand.",
        [("kick_right", 3), ("punch_left", None)],
    ),
    ("The man takes four side steps to the right and squats.", [("sidestep_right", 4), ("squat", None)]),
    ("A person is seen bowing twice and walking backwards.", [("bow", 2), ("walk_backward", None)]),
    ("An old man slowly gets down on his left knee, then stands.", [("kneel_down", None), ("get_up", None)]),
    ("He spins around three times and kicks his right leg out.", [("spin", 3), ("kick_right", None)]),
    ("A figure punches left and right.", [("punch left and right", None)]),
    ("The girl claps; the girl spins; the girl sits down.", [("clap", None), ("spin", None), ("sit_down", None)]),
    (
        "You walk backward, and as you do so you raise your left hand.",
        [("walk_backward", None), ("raise_arm_left", None)],
    ),
    ("Someone does a couple of squats and hops on the left foot four times.", [("squat", None), ("hop_left", 4)]),
    ("He begins by raising both hands and ends with a bow.", [("raise_arms", None), ("bow", None)]),
    ("The person repeatedly punches with the right fist.", [("punch_right", None)]),
    ("He jumps three times, each time clapping his hands.", [("jump_up", 3), ("clap", None)]),
    ("A woman who is standing waves with the left hand and then kneels.", [("wave_left", None), ("kneel_down", None)]),
    (
        "He steps to the left twice, to the right once and bows.",
        [("sidestep_left", 2), ("sidestep_right", 1), ("bow", None)],
    ),
    ("She does ten squats and then runs forward.", [("squat", 10), ("run_forward", None)]),
    ("Without turning around, the man walks backward and sits down.", [("walk_backward", None), ("sit_down", None)]),
    (
        "A performer takes a bow, gets applause, and waves with his right hand twice.",
        [("bow", None), ("wave right hand", 2)],
    ),
    (
        "The athlete leaps forward three times, rests, then sprints forward.",
        [("jump_forward", 3), ("rest", None), ("run_forward", None)],
    ),
    ("He pivots to the left and lunges forward with his left foot.", [("turn_left", None), ("lunge_left", None)]),
    ("Standing up from the stool, the man lifts his left hand twice.", [("get_up", None), ("raise_arm_left", 2)]),
    ("A woman jogs ahead and, without stopping, turns to the left.", [("run_forward", None), ("turn_left", None)]),
    ("Three times the boy jumps up, and then he kneels.", [("jump_up", 3), ("kneel_down", None)]),
    ("He throws two right punches followed by a left kick.", [("punch_right", 2), ("kick_left", None)]),
    (
        "The man takes three big leaps forward, then stops and bows.",
        [("jump_forward", 3), ("stop", None), ("bow", None)],
    ),
    ("One squat, then two jumping jacks, then one bow.", [("squat", 1), ("jumping_jack", 2), ("bow", 1)]),
    ("She kicks, first with the left leg, then with the right leg.", [("kick_left", None), ("kick_right", None)]),
    ("He alternates between squats and jumps.", [("squat", None), ("jump_up", None)]),
    ("Someone claps his hands above his head four times while spinning around.", [("clap", 4), ("spin", None)]),
    ("The person lifts the box off the ground and turns around with it.", [("pick_up", None), ("turn_around", None)]),
    (
        "A man, having bowed, sits down and waves with his right arm.",
        [("bow", None), ("sit_down", None), ("wave_right", None)],
    ),
    ("Her left arm goes up, and she hops on her right leg twice.", [("raise_arm_left", None), ("hop_right", 2)]),
    ("The guy does a 360 degree spin and then a half turn.", [("spin", None), ("turn_around", None)]),
    (
        "A human runs straight ahead, slows down and stops.",
        [("run_forward", None), ("slow down", None), ("stop", None)],
    ),
    ("Turning to her left, she punches with the right hand four times.", [("turn_left", None), ("punch_right", 4)]),
    (
        "The player gets down on one knee and throws a ball with his right hand.",
        [("kneel_down", None), ("throw_right", None)],
    ),
    ("Take two steps to the right, clap once and sit.", [("sidestep_right", 2), ("clap", 1), ("sit_down", None)]),
    ("The man is doing jumping jacks over and over.", [("jumping_jack", None)]),
    (
        "An actor takes a bow before an audience and walks backwards off the stage.",
        [("bow", None), ("walk_backward", None)],
    ),
    (
        "He performed three hops on his left foot, before he performed two on his right foot.",
        [("hop_left", 3), ("hop_right", 2)],
    ),
    ("A lady in a red dress spins twice and curtsies.", [("spin", 2), ("curtsy", None)]),
    (
        "The man jumps forward, lands on both feet, and jumps forward again.",
        [("jump_forward", None), ("land on both feet", None), ("jump_forward", None)],
    ),
    (
        "Lunging forward with the right leg three times, the athlete keeps both arms raised.",
        [("lunge_right", 3), ("keep both arms", None)],
    ),
    ("Both hands are clapped together five times.", [("clap", 5)]),
    ("A person does squats: three of them.", [("squat", 3)]),
    ("He sidesteps twice to his left and once to his right.", [("sidestep_left", 2), ("sidestep_right", 1)]),
    (
        "The teenager picks something up off the floor and then puts it down again.",
        [("pick_up", None), ("put down object", None)],
    ),
    ("She waves at someone with her left hand, then claps.", [("wave_left", None), ("clap", None)]),
    ("After a quick bow the dancer does two spins.", [("bow", None), ("spin", 2)]),
    (
        "He turns right, walks forward, turns right again, and walks forward again.",
        [("turn_right", None), ("walk_forward", None), ("turn_right", None), ("walk_forward", None)],
    ),
    ("A man rises out of his chair and strides ahead.", [("get_up", None), ("walk_forward", None)]),
    ("The figure executes a left turn and a right turn.", [("turn_left", None), ("turn_right", None)]),
    (
        "They jump in the air twice and then squat down, holding the squat.",
        [("jump_up", 2), ("squat", None), ("hold squat", None)],
    ),
    ("From standing, the person squats four times.", [("squat", 4)]),
    ("A fighter jabs twice with his left and kicks once with his right leg.", [("punch_left", 2), ("kick_right", 1)]),
    ("The man waves his left hand before and after bowing.", [("wave_left", None), ("bow", None), ("wave_left", None)]),
    ("She does not jump but squats twice.", [("squat", 2)]),
    ("He hops on one foot, his right one, three times.", [("hop_right", 3)]),
    ("A walker turns around on his heel and walks ahead.", [("turn_around", None), ("walk_forward", None)]),
    ("The person moves forward with a lunge on the left leg.", [("lunge_left", None)]),
]
