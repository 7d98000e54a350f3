"""The order in which the acts of a caption happen, and which happen at once."""

from atom.captions.clause import Clause
from atom.captions.lexicon import word_set

# Participles that go on from the act before instead of going with it.
_SEQUELS = word_set(
    """return recover stop fall stumble get stand sit end finish halt pause lose land come collapse catch regain
    follow compensate react rise lie"""
)
_REACTIONS = word_set("stumble fall recover trip stagger lurch sway react jump step sidestep balance collapse duck")
_RESULTS = word_set("raise lift put pick extend stretch bring place lower grab take bend catch move")


def order_clauses(clauses: list[Clause]) -> tuple[list[int], list[tuple[int, int]]]:
    """Puts the clauses in order of happening.

    Args:
        clauses: the clauses, in order of the text.

    Returns:
        The places of the clauses in order of happening, and pairs of places that happen at once.
    """
    order: list[int] = []
    pairs: list[tuple[int, int]] = []
    waiting = ""  # how the clause before stands to its main clause, which comes next
    main = -1  # the clause that later subordinate clauses hang on
    for place, clause in enumerate(clauses):
        links = clause.links
        subordinate = next((link for link in ("before", "after", "while") if link in links), "")
        if "then" in links and subordinate == "after":
            subordinate = ""
        leads = subordinate and (main < 0 or "." in links or ("and" in links and _main_follows(clauses, place)))
        if leads:
            order.append(place)
            waiting = subordinate
            main = place
            continue
        if waiting and not subordinate:
            earlier = place - 1
            if waiting == "before":
                order.insert(order.index(earlier), place)
            else:
                order.append(place)
            if waiting == "while" and "then" not in links and _at_once(clauses[earlier], clause):
                pairs.append((earlier, place))
            waiting = ""
            main = place
            continue
        waiting = ""
        if subordinate == "after":
            order.insert(order.index(place - 1), place)
            continue
        order.append(place)
        if subordinate == "while":
            if clause.passive and "when" in links and clause.form == "ed":
                # "stumbles when pushed": the push comes first; "walks when he is pushed": the walk does
                if clauses[main].lemma in _REACTIONS:
                    order.remove(place)
                    order.insert(order.index(main), place)
                main = place
            else:
                pairs.append((main, place))
            continue
        if subordinate == "before":
            main = place
            continue
        following = clauses[place + 1] if place + 1 < len(clauses) else None
        if (
            clause.hung
            and main >= 0
            and (
                (pairs and pairs[-1][1] == place - 1 and clauses[place - 1].hung)
                or _accompanies(clauses[place - 1], clause, following)
            )
        ):
            pairs.append((place - 1, place))
            continue
        if place and (clause.beside or _held_beside(clauses, place)):
            pairs.append((place - 1, place))
        main = place
    return order, pairs


def _main_follows(clauses: list[Clause], place: int) -> bool:
    """Whether the clause after a subordinate one is its main clause: "and while walking, he waves"."""
    if place + 1 >= len(clauses):
        return False
    following = clauses[place + 1]
    return not (following.links - {","}) and not following.hung


def _at_once(subordinate: Clause, clause: Clause) -> bool:
    return not (subordinate.passive and "when" in subordinate.links)


def _accompanies(earlier: Clause, clause: Clause, following: Clause | None) -> bool:
    """Whether a participle tells what goes on beside the act before it."""
    if clause.lemma in _SEQUELS or earlier.passive or clause.passive:
        return False
    if earlier.form != "ing" or "," not in clause.links:
        return True
    # "walking forward, turning around and walking back" lists acts in turn
    listed = following is not None and following.form == "ing" and "and" in following.links and not following.finite
    return earlier.finite and not listed


def _held_beside(clauses: list[Clause], place: int) -> bool:
    """A limb or thing held while something else happens: "holds his right arm up and strokes with the left hand"."""
    earlier, clause = clauses[place - 1], clauses[place]
    if "then" in clause.links or "." in clause.links:
        return False
    if earlier.lemma == "hold" and "and" in clause.links and not (clause.links & {"to", "before", "after"}):
        if place >= 2 and clauses[place - 2].lemma in _RESULTS:
            return False
        return clause.lemma not in ("release", "drop", "lower", "put", "throw", "move", "turn", "place")
    return False


def groups_of(order: list[int], pairs: list[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Joins pairs into groups and renames them by place in the order of happening.

    Args:
        order: places of clauses in order of happening.
        pairs: pairs of clauses that happen at once.

    Returns:
        Groups of places in `order`, each sorted.
    """
    groups: list[set[int]] = []
    for first, second in pairs:
        joined = {first, second}
        rest = []
        for group in groups:
            if group & joined:
                joined |= group
            else:
                rest.append(group)
        groups = [*rest, joined]
    rank = {place: index for index, place in enumerate(order)}
    found = [tuple(sorted(rank[p] for p in group if p in rank)) for group in groups]
    return tuple(sorted(group for group in found if len(group) > 1))
