"""Votes and judges' scores for tests."""

import numpy as np
import pandas as pd

from atom.review.votes import Vote

NO_JUDGE = pd.DataFrame(columns=["motion_id", "judge", "score"])


def pair_vote(voter, number, better, task="temporal", arms=("base", "tuned"), **fields):
    """On pair `number`, whose motions are its arms' names with the number, such as base3 and tuned3. `better` is an
    arm, tie or skip."""
    choice = ("first", "second")[arms.index(better)] if better in arms else better
    motion_ids = tuple(f"{arm}{number}" for arm in arms)
    return Vote(voter, f"{'-'.join(arms)}-{number}", f"p{number}", task, motion_ids, tuple(arms), choice, **fields)


def clip_vote(voter, arm, number, score, **fields):
    """On one motion, such as base3; a score of None is a skip."""
    return Vote(voter, f"{arm}{number}", f"p{number}", "temporal", (f"{arm}{number}",), (arm,), score=score, **fields)


def judge(scores, name="kinematic"):
    """What a judge gave motions by their id."""
    return pd.DataFrame(
        [{"motion_id": motion_id, "judge": name, "score": score} for motion_id, score in scores.items()]
    )


def noisy_people(seed, voters=3, pairs=20):
    """Votes of people who see tuned ahead of base through noise, not everybody on every pair."""
    rng = np.random.default_rng(seed)
    votes = []
    for number in range(pairs):
        for voter in range(voters):
            seen = 0.4 + 0.8 * np.sin(number) + rng.normal()
            better = "tie" if abs(seen) < 0.3 else "tuned" if seen > 0 else "base"
            better = "skip" if rng.random() < 0.2 else better
            votes.append(pair_vote(f"v{voter}", number, better, swapped=bool(rng.random() < 0.5)))
    return votes
