// The solid parts of a body around 22 joints, the same as atom/rendering/figure.py makes them: a test compares the two.

const JOINT_NAMES = [
  "pelvis", "l_hip", "r_hip", "spine1", "l_knee", "r_knee", "spine2", "l_ankle", "r_ankle", "spine3", "l_foot",
  "r_foot", "neck", "l_collar", "r_collar", "head", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist",
  "r_wrist",
];
const REFERENCE_HEIGHT = 1.65;

const ARM_COLOUR = { l: [250, 156, 62], r: [56, 124, 214] };
const LEG_COLOUR = { l: [238, 124, 30], r: [26, 84, 176] };
const FOOT_COLOUR = { l: [190, 88, 18], r: [20, 60, 130] };
const SHIRT = [168, 172, 180], SHORTS = [98, 103, 114];
const SKIN = [248, 215, 190], HAIR = [70, 58, 54], EYE = [24, 24, 30], MOUTH = [168, 84, 76];

const plus = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const times = (a, factor) => [a[0] * factor, a[1] * factor, a[2] * factor];
const along = (point, direction, distance) => plus(point, times(direction, distance));
const middle = (a, b) => times(plus(a, b), 0.5);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
const unit = (a) => times(a, 1 / Math.max(Math.hypot(...a), 1e-9));
const without = (a, direction) => along(a, direction, -dot(a, direction));

// `points` is flat, x, y, z of each joint in metres; `height` that of the standing body.
function figureParts(points, height) {
  const scale = height / REFERENCE_HEIGHT;
  const parts = [];
  const add = (a, b, radiusA, radiusB, colour, axis = [0, 0, 0], squeeze = 1) =>
    parts.push({ a, b, radiusA: radiusA * scale, radiusB: radiusB * scale, axis, squeeze, colour });
  const joints = Object.fromEntries(
    JOINT_NAMES.map((name, i) => [name, [points[3 * i], points[3 * i + 1], points[3 * i + 2]]]),
  );
  const hips = frameOf(joints.pelvis, joints.spine1, joints.l_hip, joints.r_hip);
  const chest = frameOf(joints.spine2, joints.neck, joints.l_shoulder, joints.r_shoulder);
  addTrunk(add, joints, scale, hips, chest);
  addHead(add, joints, scale, chest);
  for (const side of ["l", "r"]) {
    addArm(add, joints, scale, side, times(chest.left, side === "l" ? 1 : -1));
    addLeg(add, joints, scale, side, hips);
  }
  return parts;
}

function frameOf(bottom, top, leftJoint, rightJoint) {
  const up = unit(minus(top, bottom));
  const left = unit(without(minus(leftJoint, rightJoint), up));
  return { up, left, ahead: cross(left, up) };
}

function addTrunk(add, j, s, hips, chest) {
  const seat = middle(j.l_hip, j.r_hip);
  const hipHalf = Math.max(distance(j.l_hip, j.r_hip) / 2, 0.06 * s) * 0.75;
  const hipUp = cross(hips.ahead, hips.left);
  add(along(seat, hips.left, -hipHalf), along(seat, hips.left, hipHalf), 0.102, 0.102, SHORTS, hips.ahead, 1.08);
  add(along(seat, hipUp, 0.085 * s), j.spine2, 0.12, 0.125, SHIRT, hips.ahead, 1.38);
  const shoulders = middle(j.l_shoulder, j.r_shoulder);
  add(j.spine2, along(shoulders, chest.up, -0.075 * s), 0.125, 0.145, SHIRT, chest.ahead, 1.38);
  const yoke = along(shoulders, chest.up, -0.012 * s);
  const spread = Math.max(distance(j.l_shoulder, j.r_shoulder) / 2 - 0.03 * s, 0.02 * s);
  add(along(yoke, chest.left, -spread), along(yoke, chest.left, spread), 0.062, 0.062, SHIRT, chest.ahead, 1.05);
}

function addHead(add, j, s, chest) {
  const spineUp = unit(minus(j.neck, j.spine3));
  // In a head held upright the joint lies about ten degrees in front of the neck.
  const up = unit(plus(spineUp, unit(along(unit(minus(j.head, j.neck)), cross(chest.left, spineUp), -0.18))));
  const left = unit(without(chest.left, up));
  const ahead = cross(left, up);
  const centre = along(along(j.head, up, 0.064 * s), ahead, 0.01 * s);
  const at = (rightOf, above, before) =>
    along(along(along(centre, left, -rightOf * s), up, above * s), ahead, before * s);

  const throat = along(middle(j.neck, middle(j.l_shoulder, j.r_shoulder)), up, -0.01 * s);
  add(throat, centre, 0.056, 0.052, SKIN);
  add(at(0, -0.035, 0.012), at(0, 0.025, 0), 0.082, 0.102, SKIN);
  add(at(0, 0, -0.02), at(0, 0.034, -0.012), 0.098, 0.107, HAIR);
  add(at(0, -0.012, 0.095), at(0, -0.03, 0.112), 0.012, 0.017, SKIN);
  add(at(-0.018, -0.066, 0.078), at(0.018, -0.066, 0.078), 0.011, 0.011, MOUTH);
  for (const side of [-1, 1]) add(at(0.04 * side, 0.004, 0.086), at(0.04 * side, 0.02, 0.086), 0.016, 0.016, EYE);
}

function addArm(add, j, s, side, outwards) {
  const shoulder = j[`${side}_shoulder`], elbow = j[`${side}_elbow`], wrist = j[`${side}_wrist`];
  add(shoulder, elbow, 0.057, 0.042, ARM_COLOUR[side]);
  add(elbow, wrist, 0.043, 0.031, ARM_COLOUR[side]);
  const forearm = unit(minus(wrist, elbow));
  const palm = unit(without(outwards, forearm));
  add(along(wrist, forearm, 0.03 * s), along(wrist, forearm, 0.105 * s), 0.04, 0.036, SKIN, palm, 1.35);
}

function addLeg(add, j, s, side, hips) {
  const hip = j[`${side}_hip`], knee = j[`${side}_knee`], ankle = j[`${side}_ankle`], toe = j[`${side}_foot`];
  add(hip, knee, 0.088, 0.058, LEG_COLOUR[side]);
  add(knee, ankle, 0.059, 0.04, LEG_COLOUR[side]);
  const ahead = unit(minus(toe, ankle));
  // The heel lies down the shin, but square to the foot; where the toe points down the shin, the hips tell instead.
  const down = unit(along(without(unit(minus(ankle, knee)), ahead), hips.ahead, -0.02));
  const heel = along(along(ankle, down, 0.042 * s), ahead, -0.022 * s);
  const tip = along(along(toe, ahead, 0.028 * s), down, 0.004 * s);
  add(heel, tip, 0.04, 0.034, FOOT_COLOUR[side], down, 1.05);
  add(ankle, toe, 0.041, 0.034, FOOT_COLOUR[side]);
}
