"""The map of the path: where it starts, which way is up, and which seconds share a label."""

import numpy as np

from atom.rendering.path_map import FACING_COLOUR, PATH_COLOUR, _group_seconds, render_path_map

SIZE = 600


def walking(frames=61, heading=0.0, speed=1.0):
    """A pelvis that moves ahead at `speed` m/s, and hips whose left one is at the body's left."""
    ahead, left = (np.array([np.sin(heading + turn), 0, np.cos(heading + turn)]) for turn in (0, np.pi / 2))
    joints = np.zeros((frames, 22, 3)) + speed * np.arange(frames)[:, None, None] / 20 * ahead
    joints[:, 1] += 0.1 * left
    joints[:, 2] -= 0.1 * left
    return joints


def is_colour(picture, row, column, colour):
    return np.abs(picture[row, column].astype(int) - colour).sum() < 60


def test_a_walk_goes_up_from_a_ring_to_dots_at_each_second():
    """Three metres ahead in any direction, on a map that is 3 * 1.15 m wide."""
    for heading in (0.0, 2.0):
        picture = np.asarray(render_path_map(walking(heading=heading), SIZE))
        places = [round(SIZE / 2 + (1.5 - metre) / 3.45 * SIZE) for metre in range(4)]
        filled = [is_colour(picture, row, SIZE // 2, PATH_COLOUR) for row in places]
        assert filled == [False, True, True, True], heading
        assert is_colour(picture, places[3] - 20, SIZE // 2, FACING_COLOUR)  # it faces up where it ends
        assert not is_colour(picture, places[3] + 20, SIZE // 2, FACING_COLOUR)


def test_a_small_movement_fills_a_small_part_of_the_map():
    picture = np.asarray(render_path_map(walking(speed=0.1), SIZE))
    colours = (PATH_COLOUR, FACING_COLOUR)
    rows = [row for row in range(SIZE) if any(is_colour(picture, row, SIZE // 2, colour) for colour in colours)]
    assert max(rows) - min(rows) < (0.3 + 0.06 * 2) / 2 * SIZE + 0.03 * SIZE  # a path, a heading and a mark on 2 m
    assert max(rows) - min(rows) > 0.3 / 2 * SIZE


def test_seconds_near_the_first_of_a_group_share_its_label():
    places = np.array([[0.0, 0], [0.3, 0], [0.6, 0], [1.0, 0], [1.1, 0], [0, 0]])
    assert _group_seconds(places, 0.5) == [(0, 1), (2, 4 - 1), (4, 4), (5, 5)]
    assert _group_seconds(places[:1], 0.5) == [(0, 0)]
