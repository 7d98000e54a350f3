// Draws one pose into a canvas: floor, path and shadow with the canvas's own shapes, the body by casting a ray through
// each pixel as atom/rendering/rasteriser.py does, so that limbs cross rightly whatever their order.

const TILE = 0.5; // metres: the side of a floor tile
const PATH_HALF_WIDTH = 0.022; // metres, of a body of the reference height
const PATH_DONE = 0.85, PATH_TO_COME = 0.3; // how opaque
const FADE_START = 1.6, FADE_END = 4.6; // body heights from the figure at which the floor starts to fade and is gone
const FADE_STEPS = 16;
const NEAREST = 0.05; // metres before the camera that are not drawn
const LOWEST = 0.25; // metres above the floor that the camera keeps
const LIGHT = {
  background: [246, 247, 249], tileLight: [236, 238, 241], tileDark: [211, 215, 221], path: [74, 82, 104],
  shadow: 0.55, // how dark it gets
};
const DARK = {
  background: [26, 28, 33], tileLight: [66, 70, 79], tileDark: [48, 52, 60], path: [178, 188, 212],
  shadow: 0.7,
};
const MISS = Infinity;
// Eight places in a pixel, in pixels from its middle, no two in one row or column.
const SAMPLES = [[1, -3], [-1, 3], [5, 1], [-3, -5], [-5, 5], [-7, -1], [3, 7], [7, -7]].map(([x, y]) => [x / 16, y / 16]);

const tinted = (colour, opacity) => `rgba(${colour.join(", ")}, ${opacity})`;

// `view` says where from: target, bearing, elevation, distance, focal (lengths of the canvas's shorter side).
// `sharpness` is how many rays there are to a pixel along each axis, 1 or less.
function drawPose(canvas, points, motion, frame, view, colours, sharpness) {
  const context = canvas.getContext("2d", { alpha: false });
  const camera = cameraOf(view, canvas.width, canvas.height);
  const parts = figureParts(points, motion.height);
  context.fillStyle = tinted(colours.background, 1);
  context.fillRect(0, 0, canvas.width, canvas.height);
  drawFloor(context, camera, view.target, motion.height, colours);
  drawPath(context, camera, motion, frame, colours);
  drawShadow(context, camera, parts, motion.height, colours.shadow);
  drawBody(context, camera, parts, motion.height, sharpness);
}

function cameraOf(view, width, height) {
  const { target, bearing, elevation } = view;
  const level = Math.cos(elevation);
  const ahead = [-Math.sin(bearing) * level, -Math.sin(elevation), -Math.cos(bearing) * level];
  const right = [Math.cos(bearing), 0, -Math.sin(bearing)];
  const position = along(target, ahead, -view.distance);
  position[1] = Math.max(position[1], LOWEST);
  return { position, right, up: cross(right, ahead), ahead, focal: view.focal * Math.min(width, height), width, height };
}

// Pixel column, pixel row and depth of a point.
function project(camera, point) {
  const from = minus(point, camera.position);
  const depth = dot(from, camera.ahead);
  const scale = camera.focal / depth;
  return [
    camera.width / 2 + dot(from, camera.right) * scale, camera.height / 2 - dot(from, camera.up) * scale, depth,
  ];
}

// --- the floor -------------------------------------------------------------------------------------------------------

function drawFloor(context, camera, ground, height, colours) {
  const gone = FADE_END * height, fading = (FADE_END - FADE_START) * height;
  const shownAt = (x, z) => {
    const near = Math.min(1, Math.max(0, (gone - Math.hypot(x - ground[0], z - ground[2])) / fading));
    return near * near * (3 - 2 * near);
  };

  const base = context.createLinearGradient(0, 0, 0, camera.height);
  for (let i = 0; i <= FADE_STEPS; i++) {
    const slope = ((0.5 - i / FADE_STEPS) * camera.height) / camera.focal;
    const ray = along(camera.ahead, camera.up, slope);
    const [x, , z] = along(camera.position, ray, camera.position[1] / Math.max(1e-3, -ray[1]));
    base.addColorStop(i / FADE_STEPS, tinted(colours.tileLight, shownAt(x, z)));
  }
  context.fillStyle = base;
  context.fillRect(0, 0, camera.width, camera.height);

  const tiles = Array.from({ length: FADE_STEPS + 1 }, () => new Path2D());
  for (let i = Math.floor((ground[0] - gone) / TILE); i <= (ground[0] + gone) / TILE; i++) {
    for (let j = Math.floor((ground[2] - gone) / TILE); j <= (ground[2] + gone) / TILE; j++) {
      if ((i + j) % 2 === 0) continue;
      const x = i * TILE, z = j * TILE;
      const shown = Math.round(FADE_STEPS * shownAt(x + TILE / 2, z + TILE / 2));
      if (shown) addToPath(tiles[shown], camera, [[x, z], [x + TILE, z], [x + TILE, z + TILE], [x, z + TILE]]);
    }
  }
  tiles.forEach((path, shown) => {
    context.fillStyle = tinted(colours.tileDark, shown / FADE_STEPS);
    context.fill(path);
  });
}

// Adds the shape with `corners` x, z on the floor, unless it lies beside or behind the camera.
function addToPath(path, camera, corners) {
  const pixels = corners.map(([x, z]) => project(camera, [x, 0, z]));
  if (pixels.some((pixel) => pixel[2] < NEAREST)) return;
  pixels.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
  path.closePath();
}

function drawPath(context, camera, motion, frame, colours) {
  const half = (PATH_HALF_WIDTH * motion.height) / REFERENCE_HEIGHT;
  // One shape for all strokes of a tint: where they overlap they must not get darker.
  const done = new Path2D(), toCome = new Path2D();
  for (const [x0, z0, x1, z1, time] of motion.path) {
    const bearing = Math.atan2(x1 - x0, z1 - z0);
    const roundEnd = (x, z, outwards) => [-2, -1, 0, 1, 2].map((eighth) => {
      const angle = outwards + (eighth * Math.PI) / 4;
      return [x + half * Math.sin(angle), z + half * Math.cos(angle)];
    });
    const outline = [...roundEnd(x1, z1, bearing), ...roundEnd(x0, z0, bearing + Math.PI)];
    addToPath(time <= frame ? done : toCome, camera, outline);
  }
  for (const [path, opacity] of [[toCome, PATH_TO_COME], [done, PATH_DONE]]) {
    context.fillStyle = tinted(colours.path, opacity);
    context.fill(path);
  }
}

const scratch = (options) => document.createElement("canvas").getContext("2d", options);
const shadowLayer = scratch();
const blot = scratch();
blot.canvas.width = blot.canvas.height = 64;
{
  const fading = blot.createRadialGradient(32, 32, 0, 32, 32, 32);
  for (let i = 0; i <= 10; i++) fading.addColorStop(i / 10, `rgba(0, 0, 0, ${(1 - (i / 10) ** 2) ** 2})`);
  blot.fillStyle = fading;
  blot.fillRect(0, 0, 64, 64);
}

// Soft shadow straight below: each part adds round blots, small and dark near the floor, wide and pale above.
function drawShadow(context, camera, parts, height, strength) {
  const layer = shadowLayer;
  layer.canvas.width = Math.ceil(camera.width / 2); // half as fine: it is soft
  layer.canvas.height = Math.ceil(camera.height / 2);
  for (const { a, b, radiusA, radiusB } of parts) {
    const length = distance(a, b);
    const pieces = 1 + Math.floor(length / (0.07 * height));
    for (let n = 0; n < pieces; n++) {
      const share = (n + 0.5) / pieces;
      const [x, y, z] = along(a, minus(b, a), share);
      const radius = radiusA + share * (radiusB - radiusA);
      const reach = 1.6 * radius + 0.012 * height + 0.22 * Math.max(0, y);
      const weight = (1.3 * (radius / reach) ** 2 * (length / pieces + radius)) / (0.07 * height);
      const centre = project(camera, [x, 0, z]);
      const beside = project(camera, [x + reach, 0, z]), beyond = project(camera, [x, 0, z + reach]);
      if (Math.min(centre[2], beside[2], beyond[2]) < NEAREST) continue;
      layer.setTransform(
        (beside[0] - centre[0]) / 2, (beside[1] - centre[1]) / 2,
        (beyond[0] - centre[0]) / 2, (beyond[1] - centre[1]) / 2, centre[0] / 2, centre[1] / 2,
      );
      layer.globalAlpha = 1 - Math.exp(-weight);
      layer.drawImage(blot.canvas, -1, -1, 2, 2);
    }
  }
  context.globalAlpha = strength;
  context.drawImage(layer.canvas, 0, 0, 2 * layer.canvas.width, 2 * layer.canvas.height);
  context.globalAlpha = 1;
}

// --- the body --------------------------------------------------------------------------------------------------------
// All in the camera's space: right, up, ahead. A ray is (x, y, 1), so its parameter is the depth. A squeezed part is an
// ordinary rounded cone under another measure of length, in which its axis counts `squeeze` times.

const bodyLayer = scratch({ willReadFrequently: true });
let depths = new Float32Array(0), owners = new Int8Array(0);
const shade = new Float64Array(3);

function drawBody(context, camera, parts, height, sharpness) {
  const focal = camera.focal * sharpness;
  const width = Math.ceil(camera.width * sharpness), rows = Math.ceil(camera.height * sharpness);
  const middleX = (camera.width * sharpness) / 2, middleY = (camera.height * sharpness) / 2;
  const cones = parts.map((part) => coneOf(camera, part)).filter((cone) => cone.nearest > NEAREST);
  const windows = cones.map((cone) => windowOf(cone, focal, middleX, middleY, width, rows));
  const left = Math.max(0, Math.min(...windows.map((window) => window[0])) - 1);
  const right = Math.min(width, Math.max(...windows.map((window) => window[1])) + 1);
  const top = Math.max(0, Math.min(...windows.map((window) => window[2])) - 1);
  const bottom = Math.min(rows, Math.max(...windows.map((window) => window[3])) + 1);
  if (!(right > left && bottom > top)) return;

  const stride = right - left + 2; // a margin of one, so that all pixels have neighbours
  const size = stride * (bottom - top + 2);
  if (depths.length < size) {
    depths = new Float32Array(size);
    owners = new Int8Array(size);
  }
  depths.fill(MISS, 0, size);
  owners.fill(-1, 0, size);
  cones.forEach((cone, i) => {
    const [first, last, firstRow, lastRow] = windows[i];
    for (let row = firstRow; row < lastRow; row++) {
      const y = (middleY - row - 0.5) / focal;
      let place = (row - top + 1) * stride + first - left + 1;
      for (let column = first; column < last; column++, place++) {
        const t = depthAt(cone, (column + 0.5 - middleX) / focal, y);
        if (t < depths[place]) {
          depths[place] = t;
          owners[place] = i;
        }
      }
    }
  });

  const image = new ImageData(right - left, bottom - top);
  const light = lightOf(camera, height);
  let pixel = 0;
  for (let row = top; row < bottom; row++) {
    const y = (middleY - row - 0.5) / focal;
    let place = (row - top + 1) * stride + 1;
    for (let column = left; column < right; column++, place++, pixel += 4) {
      const owner = owners[place];
      const x = (column + 0.5 - middleX) / focal;
      if (
        owner !== owners[place - 1] || owner !== owners[place + 1] ||
        owner !== owners[place - stride] || owner !== owners[place + stride]
      ) {
        drawEdge(image.data, pixel, cones, place, stride, x, y, focal, light);
      } else if (owner >= 0) {
        shadePoint(cones[owner], x, y, depths[place], light);
        for (let c = 0; c < 3; c++) image.data[pixel + c] = shade[c];
        image.data[pixel + 3] = 255;
      }
    }
  }
  bodyLayer.canvas.width = image.width;
  bodyLayer.canvas.height = image.height;
  bodyLayer.putImageData(image, 0, 0);
  context.drawImage(
    bodyLayer.canvas, left / sharpness, top / sharpness, image.width / sharpness, image.height / sharpness,
  );
}

function coneOf(camera, part) {
  const turned = (vector) => [dot(vector, camera.right), dot(vector, camera.up), dot(vector, camera.ahead)];
  const a = turned(minus(part.a, camera.position)), b = turned(minus(part.b, camera.position));
  const axis = turned(part.axis);
  const extra = part.squeeze ** 2 - 1;
  const measured = (vector) => along(vector, axis, extra * dot(vector, axis));
  const ab = minus(b, a), oa = times(a, -1);
  const abMeasured = measured(ab), oaMeasured = measured(oa);
  const { radiusA, radiusB } = part;
  const taper = radiusA - radiusB;
  const abAb = dot(ab, abMeasured), abOa = dot(ab, oaMeasured), oaOa = dot(oa, oaMeasured);
  const span = abAb - taper ** 2;
  return {
    a, b, radiusA, radiusB, taper, abAb, abOa, oaOa, span, extra, colour: part.colour,
    constant: span * oaOa - abOa ** 2 + 2 * abOa * taper * radiusA - abAb * radiusA ** 2,
    farSide: oaOa - 2 * abOa + abAb - radiusB ** 2,
    nearest: Math.min(a[2] - radiusA, b[2] - radiusB),
    axisX: axis[0], axisY: axis[1], axisZ: axis[2],
    abX: ab[0], abY: ab[1], abZ: ab[2],
    abMeasuredX: abMeasured[0], abMeasuredY: abMeasured[1], abMeasuredZ: abMeasured[2],
    oaMeasuredX: oaMeasured[0], oaMeasuredY: oaMeasured[1], oaMeasuredZ: oaMeasured[2],
  };
}

// First column, last column + 1, first row and last row + 1 of the pixels that a part may touch.
function windowOf(cone, focal, middleX, middleY, width, rows) {
  let [left, right, top, bottom] = [MISS, -MISS, MISS, -MISS];
  for (const [[x, y, depth], radius] of [[cone.a, cone.radiusA], [cone.b, cone.radiusB]]) {
    const column = x / depth, row = -y / depth;
    const around = (radius / (depth - radius)) * (1 + Math.max(Math.abs(column), Math.abs(row))) * 1.05;
    left = Math.min(left, column - around);
    right = Math.max(right, column + around);
    top = Math.min(top, row - around);
    bottom = Math.max(bottom, row + around);
  }
  const within = (value, most) => Math.min(most, Math.max(0, value));
  return [
    within(Math.floor(left * focal + middleX), width), within(Math.ceil(right * focal + middleX), width),
    within(Math.floor(top * focal + middleY), rows), within(Math.ceil(bottom * focal + middleY), rows),
  ];
}

// Depth at which the ray through (x, y) meets a rounded cone, or MISS.
function depthAt(cone, x, y) {
  const abRay = cone.abMeasuredX * x + cone.abMeasuredY * y + cone.abMeasuredZ;
  const oaRay = cone.oaMeasuredX * x + cone.oaMeasuredY * y + cone.oaMeasuredZ;
  const axisRay = cone.axisX * x + cone.axisY * y + cone.axisZ;
  const rayRay = 1 + x * x + y * y + cone.extra * axisRay * axisRay;
  const k2 = cone.span * rayRay - abRay * abRay;
  if (k2 > 0) { // otherwise the ray runs inside the cone's angle and meets an end first
    const k1 = cone.span * oaRay - cone.abOa * abRay + abRay * cone.taper * cone.radiusA;
    const h = k1 * k1 - k2 * cone.constant;
    if (h < 0) return MISS;
    const t = -(k1 + Math.sqrt(h)) / k2;
    const place = cone.abOa - cone.radiusA * cone.taper + t * abRay;
    if (place > 0 && place < cone.span) return t;
  }
  let nearest = MISS;
  const hitA = oaRay * oaRay - rayRay * (cone.oaOa - cone.radiusA * cone.radiusA);
  if (hitA > 0) nearest = -(oaRay + Math.sqrt(hitA)) / rayRay;
  const obRay = oaRay - abRay;
  const hitB = obRay * obRay - rayRay * cone.farSide;
  if (hitB > 0) nearest = Math.min(nearest, -(obRay + Math.sqrt(hitB)) / rayRay);
  return nearest;
}

// Light from above on the camera's left, as long as in the pictures, whose camera keeps its ELEVATION.
function lightOf(camera, height) {
  const up = [camera.right[1], camera.up[1], camera.ahead[1]];
  return {
    up, height, eye: camera.position[1],
    sun: times(unit(plus(times(up, 0.68), [-0.4, 0, -0.62])), 1.1),
    gloss: times(unit(plus(times(up, 0.46), [-0.29, 0, -0.84])), 1.09),
  };
}

// Puts a point's colour into `shade`: the sun, a soft sky, and darker rims that set crossing limbs apart.
function shadePoint(cone, x, y, t, light) {
  const abRay = cone.abMeasuredX * x + cone.abMeasuredY * y + cone.abMeasuredZ;
  const place = cone.abOa - cone.radiusA * cone.taper + t * abRay;
  const share = place <= 0 ? 0 : place >= cone.span ? 1 : place / cone.span;
  let nx = t * x - cone.a[0] - share * cone.abX;
  let ny = t * y - cone.a[1] - share * cone.abY;
  let nz = t - cone.a[2] - share * cone.abZ;
  const squeezed = cone.extra * (nx * cone.axisX + ny * cone.axisY + nz * cone.axisZ);
  nx += squeezed * cone.axisX;
  ny += squeezed * cone.axisY;
  nz += squeezed * cone.axisZ;
  const norm = 1 / Math.sqrt(nx * nx + ny * ny + nz * nz);
  nx *= norm;
  ny *= norm;
  nz *= norm;

  const { up, sun, gloss } = light;
  const upwards = nx * up[0] + ny * up[1] + nz * up[2];
  const facing = Math.max(0, -(nx * x + ny * y + nz) / Math.sqrt(x * x + y * y + 1));
  const lit = Math.max(0, (nx * sun[0] + ny * sun[1] + nz * sun[2] + 0.35) / 1.35);
  let bright = 0.5 + 0.12 * upwards + 0.52 * lit;
  bright *= 1 - 0.6 * (1 - facing) ** 3;
  const above = light.eye + t * (x * up[0] + y * up[1] + up[2]);
  bright *= 0.82 + 0.18 * Math.min(1, Math.max(0, above / (0.12 * light.height)));
  const shine = 22 * Math.max(0, nx * gloss[0] + ny * gloss[1] + nz * gloss[2]) ** 16;
  for (let c = 0; c < 3; c++) shade[c] = cone.colour[c] * bright + shine;
}

// A pixel on an edge of the body, or of one part before another: sampled eight times among the parts around it.
function drawEdge(data, pixel, cones, place, stride, x, y, focal, light) {
  const seen = [];
  for (let down = -stride; down <= stride; down += stride) {
    for (let aside = -1; aside <= 1; aside++) {
      const owner = owners[place + down + aside];
      if (owner >= 0 && !seen.some((one) => one.owner === owner)) seen.push({ owner, hits: 0, x: 0, y: 0, t: 0 });
    }
  }
  let covered = 0;
  for (const [aside, upwards] of SAMPLES) {
    const subX = x + aside / focal, subY = y + upwards / focal;
    let nearest = MISS, hit = null;
    for (const one of seen) {
      const t = depthAt(cones[one.owner], subX, subY);
      if (t < nearest) {
        nearest = t;
        hit = one;
      }
    }
    if (hit) {
      covered++;
      hit.hits++;
      hit.x += subX;
      hit.y += subY;
      hit.t += nearest;
    }
  }
  if (!covered) return;
  const total = [0, 0, 0];
  for (const { owner, hits, x: sumX, y: sumY, t } of seen) {
    if (!hits) continue;
    shadePoint(cones[owner], sumX / hits, sumY / hits, t / hits, light);
    for (let c = 0; c < 3; c++) total[c] += hits * Math.min(255, shade[c]);
  }
  for (let c = 0; c < 3; c++) data[pixel + c] = total[c] / covered;
  data[pixel + 3] = (255 * covered) / SAMPLES.length;
}
