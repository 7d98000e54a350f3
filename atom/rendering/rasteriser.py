"""Drawing of one frame by ray casting: each pixel shows the nearest part of the body, or the floor.

Intersections are exact, so the order of the parts does not matter. One ray a pixel finds the visible part; pixels at an
edge are then sampled eight times. Floor, path and shadow are filtered analytically, with one evaluation a pixel.
Everything runs on one thread, so on one machine the same joints give the same bytes; another may round differently.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from atom.rendering.figure import AXIS, END_A, END_B, RADII, REFERENCE_HEIGHT, SQUEEZE

TILE = 0.5  # metres: the side of a floor tile
PATH_HALF_WIDTH = 0.022  # metres, of a body of the reference height

BACKGROUND = (246.0, 247.0, 249.0)
TILE_LIGHT, TILE_DARK = (236.0, 238.0, 241.0), (211.0, 215.0, 221.0)
PATH_COLOUR = (74.0, 82.0, 104.0)
FADING = 3.0  # body heights over which the floor fades out towards its edge

SHADOW_CELLS, SHADOW_SPAN = 64, 2.1  # cells a side of the shadow map, and its side in body heights
SHADOW_STRENGTH = 0.55

# Eight sample positions, in pixels from the centre of a pixel. No two share a row or a column, so that nearly
# horizontal and vertical edges get nine grey levels.
_SAMPLES = np.array([(1, -3), (-1, 3), (5, 1), (-3, -5), (-5, 5), (-7, -1), (3, 7), (7, -7)]) / 16.0
_MISS = 1e30
_FASTMATH_FLAGS = {"contract", "reassoc", "arcp", "nsz", "afn"}  # not "ninf": the code below uses infinity
_jit = numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FASTMATH_FLAGS)


def draw_frame(
    image: np.ndarray,
    parts: np.ndarray,
    position: np.ndarray,
    axes: np.ndarray,
    focal: float,
    ground: np.ndarray,
    floor_centre: np.ndarray,
    floor_radius: float,
    height: float,
    strokes: np.ndarray,
    alphas: np.ndarray,
) -> None:
    """Draw a frame into `image`. The whole body must be in front of the camera.

    Args:
        image: (H, W, 3) uint8, overwritten.
        parts: (P, 15) as `atom.rendering.figure` describes.
        position: (3,) of the camera in metres.
        axes: (3, 3) rows right, up and ahead of the camera; right is horizontal.
        focal: focal length in pixels.
        ground: (2,) x, z of the point on the floor below the body, the centre of its shadow map.
        floor_centre: (2,) x, z of the centre of the floor.
        floor_radius: metres from there to where the floor has faded out.
        height: body height in metres, which scales shadow and fading.
        strokes: (S, 4) lines x0, z0, x1, z1 drawn on the floor.
        alphas: (S,) opacity of each stroke, 0..1.
    """
    ink = np.zeros(image.shape[:2])
    _draw_strokes(ink, strokes, alphas, position, axes, focal, PATH_HALF_WIDTH * height / REFERENCE_HEIGHT)
    shadow = np.zeros((SHADOW_CELLS, SHADOW_CELLS))
    _cast_shadow(shadow, parts, ground, height)
    _draw_floor(image, position, axes, focal, ground, floor_centre, floor_radius, height, ink, shadow)

    cones = _prepare_cones(parts, position, axes)
    windows = _find_windows(parts, position, axes, focal, image.shape[:2])
    top, left = windows[:, [0, 2]].min(axis=0) - 1  # a margin of one pixel, where edges can still show
    bottom, right = windows[:, [1, 3]].max(axis=0) + 1
    depth = np.full((bottom - top + 2, right - left + 2), _MISS)  # one more pixel around, so that all have neighbours
    owner = np.full(depth.shape, -1, np.int16)
    _find_visible(image, depth, owner, top, left, cones, windows, focal)
    _draw_body(image, depth, owner, top, left, parts, cones, position, axes, focal, height)


# --- the body ---------------------------------------------------------------------------------------------------------
# A squeezed part is an ordinary rounded cone in a space that is stretched along its axis, so the ray is stretched
# instead of the part. All rays start at the camera, and their direction d is ahead + x right + y up: every dot product
# with d is a polynomial in (x, y), whose coefficients are computed once a frame, and the ray parameter is the depth.


def _prepare_cones(parts: np.ndarray, position: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Compute the values (P, 25) of each part that `_intersect` and `_shade` use.

    Columns: 0..2 the vector oa from a to the camera; 3..5 the vector ab from a to b; 6..8 ab.d and 9..11 oa.d, as
    coefficients of 1, x, y; 12..17 d.d, as coefficients of 1, x, y, xx, yy, xy; 18 ab.ab; 19 ab.oa; 20 oa.oa;
    21 ab.ab - taper^2; 22 the constant of the quadratic; 23, 24 the radii.
    """
    squeezed_axis, stretch = parts[:, AXIS], parts[:, SQUEEZE, None] - 1.0

    def stretched(vectors: np.ndarray) -> np.ndarray:
        return vectors + stretch * np.sum(vectors * squeezed_axis, axis=1, keepdims=True) * squeezed_axis

    def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sum(a * b, axis=1)

    oa, ab = stretched(position - parts[:, END_A]), stretched(parts[:, END_B] - parts[:, END_A])
    right, up, ahead = (stretched(np.broadcast_to(axis, oa.shape)) for axis in axes)
    radius_a, radius_b = parts[:, RADII].T
    taper = radius_a - radius_b
    ab_ab, ab_oa, oa_oa = dot(ab, ab), dot(ab, oa), dot(oa, oa)
    body = ab_ab - taper**2
    constant = body * oa_oa - ab_oa**2 + 2 * ab_oa * taper * radius_a - ab_ab * radius_a**2
    columns = [
        *(dot(ab, d) for d in (ahead, right, up)),
        *(dot(oa, d) for d in (ahead, right, up)),
        *(dot(ahead, ahead), 2 * dot(ahead, right), 2 * dot(ahead, up), dot(right, right), dot(up, up)),
        *(2 * dot(right, up), ab_ab, ab_oa, oa_oa, body, constant, radius_a, radius_b),
    ]
    return np.column_stack([oa, ab, *columns])


def _find_windows(
    parts: np.ndarray, position: np.ndarray, axes: np.ndarray, focal: float, shape: tuple[int, int]
) -> np.ndarray:
    """The bounding box (P, 4) of each part in pixels: first row, last row + 1, first column, last column + 1."""
    ends = np.stack([parts[:, END_A], parts[:, END_B]], axis=1)  # (P, 2, 3)
    right, up, depth = np.moveaxis((ends - position) @ axes.T, -1, 0)  # each (P, 2)
    radii = parts[:, RADII]
    middle = np.stack([-up, right]) / depth  # (rows and columns, P, 2)
    around = radii / (depth - radii) * (1 + np.abs(middle).max(axis=0)) * 1.05
    sides = np.array(shape)[:, None]
    first = np.floor((middle - around).min(axis=2) * focal + sides / 2)
    last = np.ceil((middle + around).max(axis=2) * focal + sides / 2)
    windows = np.clip(np.stack([first, last], axis=1), 0, sides[:, None])  # (rows and columns, first and last, P)
    return windows.reshape(4, -1).T.astype(np.int64)


@_jit
def _find_visible(image, depth, owner, top, left, cones, windows, focal):
    """Fill in the depth of the nearest part and its index (owner), for the pixels from (top - 1, left - 1) on."""
    rows, columns = image.shape[0], image.shape[1]
    for i in range(len(cones)):
        for row in range(windows[i, 0], windows[i, 1]):
            y = (0.5 * rows - row - 0.5) / focal
            for column in range(windows[i, 2], windows[i, 3]):
                t = _intersect(cones, i, (column + 0.5 - 0.5 * columns) / focal, y)
                r, c = row - top + 1, column - left + 1
                if t < depth[r, c]:
                    depth[r, c], owner[r, c] = t, i


@_jit
def _draw_body(image, depth, owner, top, left, parts, cones, position, axes, focal, height):
    """Shade the pixels of the body, and blend those at an edge from eight samples."""
    rows, columns = image.shape[0], image.shape[1]
    owners = np.empty(9, np.int64)  # the distinct owners in 3 x 3 pixels
    hits = np.empty((9, 4))  # of each owner: the number of samples that hit it, and the sums of their x, y and depth
    colour = np.empty(3)
    total = np.empty(3)
    for row in range(max(0, top), min(rows, top + depth.shape[0] - 2)):
        y = (0.5 * rows - row - 0.5) / focal
        for column in range(max(0, left), min(columns, left + depth.shape[1] - 2)):
            x = (column + 0.5 - 0.5 * columns) / focal
            r, c = row - top + 1, column - left + 1
            k = owner[r, c]
            if k == owner[r - 1, c] and k == owner[r + 1, c] and k == owner[r, c - 1] and k == owner[r, c + 1]:
                if k >= 0:
                    _shade(cones, parts, k, x, y, depth[r, c], position, axes, height, colour)
                    for c in range(3):
                        image[row, column, c] = np.uint8(colour[c] + 0.5)
                continue
            count = _find_owners_around(owner, r, c, owners)  # an edge of the body, or of a part before another
            for n in range(count):
                for c in range(4):
                    hits[n, c] = 0.0
            covered = 0
            for sample in range(len(_SAMPLES)):
                sub_x, sub_y = x + _SAMPLES[sample, 0] / focal, y + _SAMPLES[sample, 1] / focal
                nearest, hit = _MISS, -1
                for n in range(count):
                    if owners[n] >= 0:
                        t = _intersect(cones, owners[n], sub_x, sub_y)
                        if t < nearest:
                            nearest, hit = t, n
                if hit >= 0:
                    covered += 1
                    hits[hit, 0] += 1.0
                    hits[hit, 1] += sub_x
                    hits[hit, 2] += sub_y
                    hits[hit, 3] += nearest
            for c in range(3):
                total[c] = image[row, column, c] * (len(_SAMPLES) - covered)
            for n in range(count):
                hit_count = hits[n, 0]
                if hit_count > 0.0:
                    sub_x, sub_y, t = hits[n, 1] / hit_count, hits[n, 2] / hit_count, hits[n, 3] / hit_count
                    _shade(cones, parts, owners[n], sub_x, sub_y, t, position, axes, height, colour)
                    for c in range(3):
                        total[c] += hit_count * colour[c]
            for c in range(3):
                image[row, column, c] = np.uint8(total[c] / len(_SAMPLES) + 0.5)


@_jit
def _find_owners_around(owner, row, column, owners):
    """Fill `owners` with the distinct owners in the 3 x 3 pixels around, -1 for the floor, and return their number."""
    centre = owner[row, column]
    owners[0] = centre
    count = 1
    for r in range(row - 1, row + 2):
        for c in range(column - 1, column + 2):
            k = owner[r, c]
            if k != centre:
                known = False
                for n in range(1, count):
                    known = known or owners[n] == k
                if not known:
                    owners[count] = k
                    count += 1
    return count


@_jit
def _intersect(cones, i, x, y):
    """The depth at which the ray through (x, y) meets rounded cone `i`, or _MISS."""
    ab_d = cones[i, 6] + x * cones[i, 7] + y * cones[i, 8]
    oa_d = cones[i, 9] + x * cones[i, 10] + y * cones[i, 11]
    d_d = cones[i, 12] + x * (cones[i, 13] + x * cones[i, 15] + y * cones[i, 17])
    d_d += y * (cones[i, 14] + y * cones[i, 16])
    ra, rb = cones[i, 23], cones[i, 24]
    taper = ra - rb
    k2 = cones[i, 21] * d_d - ab_d * ab_d
    if k2 > 0.0:  # otherwise the ray lies within the cone's angle and meets an end sphere first
        k1 = cones[i, 21] * oa_d - cones[i, 19] * ab_d + ab_d * taper * ra
        h = k1 * k1 - k2 * cones[i, 22]
        if h < 0.0:
            return _MISS
        t = -(k1 + math.sqrt(h)) / k2
        s = cones[i, 19] - ra * taper + t * ab_d
        if 0.0 < s < cones[i, 21]:
            return t if t > 0.0 else _MISS
    nearest = _MISS  # the side is missed: try the spheres at a and b
    h = oa_d * oa_d - d_d * (cones[i, 20] - ra * ra)
    if h > 0.0:
        t = -(oa_d + math.sqrt(h)) / d_d
        if t > 0.0:
            nearest = t
    ob_d = oa_d - ab_d
    h = ob_d * ob_d - d_d * (cones[i, 20] - 2.0 * cones[i, 19] + cones[i, 18] - rb * rb)
    if h > 0.0:
        t = -(ob_d + math.sqrt(h)) / d_d
        if 0.0 < t < nearest:
            nearest = t
    return nearest


@_jit
def _shade(cones, parts, i, x, y, t, position, axes, height, colour):
    """Compute the colour at a hit: light from above left, soft skylight, and dark rims that separate crossing limbs."""
    dx = axes[2, 0] + x * axes[0, 0] + y * axes[1, 0]
    dy = axes[2, 1] + x * axes[0, 1] + y * axes[1, 1]
    dz = axes[2, 2] + x * axes[0, 2] + y * axes[1, 2]
    # The normal points away from the nearest point on the cone's axis; it is stretched like the ray.
    ax, ay, az, stretch = parts[i, 8], parts[i, 9], parts[i, 10], parts[i, 11] - 1.0
    along = stretch * (dx * ax + dy * ay + dz * az)
    axis_position = cones[i, 19] - cones[i, 23] * (cones[i, 23] - cones[i, 24])
    axis_position += t * (cones[i, 6] + x * cones[i, 7] + y * cones[i, 8])
    fraction = 0.0 if axis_position <= 0.0 else 1.0 if axis_position >= cones[i, 21] else axis_position / cones[i, 21]
    nx = cones[i, 0] + t * (dx + along * ax) - fraction * cones[i, 3]
    ny = cones[i, 1] + t * (dy + along * ay) - fraction * cones[i, 4]
    nz = cones[i, 2] + t * (dz + along * az) - fraction * cones[i, 5]
    along = stretch * (nx * ax + ny * ay + nz * az)
    nx, ny, nz = nx + along * ax, ny + along * ay, nz + along * az
    norm = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * norm, ny * norm, nz * norm

    to_right = nx * axes[0, 0] + ny * axes[0, 1] + nz * axes[0, 2]
    to_viewer = -(nx * axes[2, 0] + ny * axes[2, 1] + nz * axes[2, 2])
    facing = max(0.0, -(nx * dx + ny * dy + nz * dz) / math.sqrt(dx * dx + dy * dy + dz * dz))
    sun = max(0.0, (0.68 * ny + 0.62 * to_viewer - 0.40 * to_right + 0.35) / 1.35)
    light = 0.50 + 0.12 * ny + 0.52 * sun
    light *= 1.0 - 0.60 * (1.0 - facing) ** 3
    light *= 0.82 + 0.18 * min(1.0, max(0.0, (position[1] + t * dy) / (0.12 * height)))
    gloss = max(0.0, 0.46 * ny + 0.84 * to_viewer - 0.29 * to_right) ** 16
    for c in range(3):
        colour[c] = min(255.0, parts[i, 12 + c] * light + 22.0 * gloss)


# --- the floor --------------------------------------------------------------------------------------------------------


@_jit
def _draw_floor(image, position, axes, focal, ground, floor_centre, floor_radius, height, ink, shadow):
    """Draw the chequered floor with shadow and path strokes over the whole image; the body is drawn over it."""
    rows, columns = image.shape[0], image.shape[1]
    span = SHADOW_SPAN * height
    cells, reach = SHADOW_CELLS / span, 0.5 * span - span / SHADOW_CELLS
    fading = FADING * height
    pattern, visible, light = np.empty(columns), np.empty(columns), np.empty(columns)
    for row in range(rows):
        y = (0.5 * rows - row - 0.5) / focal
        down = max(1e-3, -(axes[2, 1] + y * axes[1, 1]))  # above the horizon: a point far beyond the floor's edge
        t = position[1] / down
        # A pixel covers `across` of the floor sideways and `slant` of it away from the camera.
        across, slant = t / focal, t / focal / down
        width_x = (abs(axes[0, 0]) * across + abs(axes[0, 2]) * slant) / TILE
        width_z = (abs(axes[0, 2]) * across + abs(axes[0, 0]) * slant) / TILE
        step_x, step_z = across * axes[0, 0], across * axes[0, 2]
        start_x = position[0] + t * (axes[2, 0] + y * axes[1, 0]) + step_x * (0.5 - 0.5 * columns)
        start_z = position[2] + t * (axes[2, 2] + y * axes[1, 2]) + step_z * (0.5 - 0.5 * columns)
        if abs((start_x - floor_centre[0]) * axes[0, 2] - (start_z - floor_centre[1]) * axes[0, 0]) >= floor_radius:
            for column in range(columns):
                for c in range(3):
                    image[row, column, c] = np.uint8(BACKGROUND[c])
            continue
        sharpness = 4.0 / (width_x * width_z)
        for column in range(columns):
            x, z = start_x + column * step_x, start_z + column * step_z
            pattern[column] = 0.5 - 0.5 * sharpness * _stripes(x / TILE, width_x) * _stripes(z / TILE, width_z)
            distance = math.sqrt((x - floor_centre[0]) ** 2 + (z - floor_centre[1]) ** 2)
            inside = min(1.0, max(0.0, (floor_radius - distance) / fading))
            visible[column] = inside * inside * (3.0 - 2.0 * inside)
            light[column] = 1.0
        # The point of this row that is nearest to the shadow's centre, and its distance. Only pixels inside the shadow
        # map are sampled.
        from_x, from_z = start_x - ground[0], start_z - ground[1]
        beside = -(from_x * axes[0, 0] + from_z * axes[0, 2])
        beyond = abs(from_x * axes[0, 2] - from_z * axes[0, 0])
        if beyond < reach:
            half = math.sqrt(reach * reach - beyond * beyond)
            first = math.ceil(max(0.0, (beside - half) / across))
            last = math.floor(min(columns - 1.0, (beside + half) / across))
            for column in range(first, last + 1):
                dark_x, dark_z = from_x + column * step_x + 0.5 * span, from_z + column * step_z + 0.5 * span
                light[column] = 1.0 - SHADOW_STRENGTH * _sample(shadow, dark_x * cells - 0.5, dark_z * cells - 0.5)
        for column in range(columns):
            lit = visible[column] * light[column]
            bare, stroke = lit * (1.0 - ink[row, column]), lit * ink[row, column]
            dark, faded = bare * pattern[column], 1.0 - visible[column]
            for c in range(3):
                value = faded * BACKGROUND[c] + bare * TILE_LIGHT[c] + dark * (TILE_DARK[c] - TILE_LIGHT[c])
                image[row, column, c] = np.uint8(value + stroke * PATH_COLOUR[c] + 0.5)


@_jit
def _stripes(a, width):
    """The integral of a square wave (-1 and 1, one tile each) over `width` tiles around `a`, in units of two tiles."""
    low, high = 0.5 * a - 0.25 * width, 0.5 * a + 0.25 * width
    return abs(low - np.floor(low) - 0.5) - abs(high - np.floor(high) - 0.5)


@_jit
def _sample(grid, column, row):
    """The bilinear interpolation of `grid` at a position inside it."""
    i, j = int(row), int(column)
    v, u = row - i, column - j
    upper = grid[i, j] * (1.0 - u) + grid[i, j + 1] * u
    lower = grid[i + 1, j] * (1.0 - u) + grid[i + 1, j + 1] * u
    return upper * (1.0 - v) + lower * v


@_jit
def _cast_shadow(shadow, parts, ground, height):
    """Fill in the soft shadow: each part adds discs below it, small and dark near the floor, wide and pale above."""
    cells = shadow.shape[0]
    span = SHADOW_SPAN * height
    cell = span / cells
    for i in range(len(parts)):
        ax, ay, az = parts[i, 0] - ground[0] + 0.5 * span, parts[i, 1], parts[i, 2] - ground[1] + 0.5 * span
        dx, dy, dz = parts[i, 3] - parts[i, 0], parts[i, 4] - parts[i, 1], parts[i, 5] - parts[i, 2]
        length = math.sqrt(dx * dx + dy * dy + dz * dz)
        pieces = 1 + int(length / (0.07 * height))
        for n in range(pieces):
            fraction = (n + 0.5) / pieces
            x, y, z = ax + fraction * dx, max(0.0, ay + fraction * dy), az + fraction * dz
            radius = parts[i, 6] + fraction * (parts[i, 7] - parts[i, 6])
            reach = 1.6 * radius + 0.012 * height + 0.22 * y
            weight = 1.3 * (radius / reach) ** 2 * (length / pieces + radius) / (0.07 * height)
            first_row, last_row = max(0, int((z - reach) / cell)), min(cells, int((z + reach) / cell) + 2)
            first_column, last_column = max(0, int((x - reach) / cell)), min(cells, int((x + reach) / cell) + 2)
            for row in range(first_row, last_row):
                off_z = (row + 0.5) * cell - z
                for column in range(first_column, last_column):
                    off_x = (column + 0.5) * cell - x
                    inside = 1.0 - (off_x * off_x + off_z * off_z) / (reach * reach)
                    if inside > 0.0:
                        shadow[row, column] += weight * inside * inside
    for row in range(cells):
        for column in range(cells):
            shadow[row, column] = 1.0 - math.exp(-shadow[row, column])


@_jit
def _draw_strokes(ink, strokes, alphas, position, axes, focal, half_width):
    """Draw lines on the floor into `ink`, with antialiased edges."""
    rows, columns = ink.shape
    for i in range(len(strokes)):
        left, right, top, bottom = 1e9, -1e9, 1e9, -1e9
        for corner in range(8):
            x = strokes[i, 2 * (corner // 4)] + (half_width if corner % 2 else -half_width) - position[0]
            z = strokes[i, 2 * (corner // 4) + 1] + (half_width if corner // 2 % 2 else -half_width) - position[2]
            away = axes[2, 0] * x + axes[2, 2] * z - axes[2, 1] * position[1]
            if away < 0.3:
                left = math.inf
                break
            u = (axes[0, 0] * x + axes[0, 2] * z) / away * focal
            v = -(axes[1, 0] * x + axes[1, 2] * z - axes[1, 1] * position[1]) / away * focal
            left, right, top, bottom = min(left, u), max(right, u), min(top, v), max(bottom, v)
        if left == math.inf:
            continue  # too close to the camera or behind it
        ax, az = strokes[i, 0], strokes[i, 1]
        bx, bz = strokes[i, 2] - ax, strokes[i, 3] - az
        length2 = max(bx * bx + bz * bz, 1e-12)
        for row in range(max(0, math.floor(top + 0.5 * rows) - 1), min(rows, math.ceil(bottom + 0.5 * rows) + 1)):
            y = (0.5 * rows - row - 0.5) / focal
            down = max(1e-3, -(axes[2, 1] + y * axes[1, 1]))
            t = position[1] / down
            across, slant = t / focal, t / focal / down
            first = max(0, math.floor(left + 0.5 * columns) - 1)
            for column in range(first, min(columns, math.ceil(right + 0.5 * columns) + 1)):
                x = (column + 0.5 - 0.5 * columns) / focal
                px = position[0] + t * (axes[2, 0] + x * axes[0, 0] + y * axes[1, 0]) - ax
                pz = position[2] + t * (axes[2, 2] + x * axes[0, 2] + y * axes[1, 2]) - az
                fraction = min(1.0, max(0.0, (px * bx + pz * bz) / length2))
                px, pz = px - fraction * bx, pz - fraction * bz
                distance = math.sqrt(px * px + pz * pz) + 1e-9
                if distance > half_width + slant:
                    continue
                sideways = (px * axes[0, 0] + pz * axes[0, 2]) / distance * across
                away = (pz * axes[0, 0] - px * axes[0, 2]) / distance * slant
                pixel = (
                    math.sqrt(sideways * sideways + away * away) + 1e-9
                )  # metres that one pixel spans in this direction
                covered = min(1.0, max(0.0, 0.5 + (half_width - distance) / pixel)) * min(1.0, 2 * half_width / pixel)
                ink[row, column] = max(ink[row, column], covered * alphas[i])
