// Turning, scrubbing and playing. All viewers of a page share one loop, which rests while nothing changes in sight.

const FPS = 20;
const REST = 12; // frames that the end is held before it starts again
const TURN = 0.01, TILT = 0.006; // radians a pixel
const STEEPEST = 1.5, FLATTEST = 0.03; // radians
const WIDEST = 0.5, CLOSEST = 3; // zoom
const FINEST = 3; // pixels drawn for one of the page, along each axis
const SLOW_DRAWING = 22, QUICK_DRAWING = 15; // milliseconds for all that is in sight
const COARSEST = 0.4; // rays a pixel, along each axis
const SETTLING = 150; // milliseconds without a change after which it is drawn in full

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const prefersStill = matchMedia("(prefers-reduced-motion: reduce)");
const clamped = (value, least, most) => Math.min(most, Math.max(least, value));

class Viewer {
  constructor(root) {
    this.root = root;
    this.camera = JSON.parse(root.dataset.camera);
    this.stage = root.querySelector(".motion-stage");
    this.slider = root.querySelector("input");
    this.play = root.querySelector(".motion-play");
    this.time = root.querySelector("output");
    this.speeds = [...root.querySelectorAll("[data-times]")];
    this.panes = [...root.querySelectorAll("[data-motion]")].map((figure) => new Pane(figure));
    this.last = Number(this.slider.max);
    this.position = 0; // in frames; between two of them while it plays
    this.speed = 1;
    this.playing = !prefersStill.matches && this.last > 0;
    this.visible = false;
    this.touched = 0;
    this.pointers = new Map();
    this.listen();
    this.resetView();
  }

  listen() {
    this.play.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    for (const button of this.speeds) {
      button.addEventListener("click", () => this.change(() => (this.speed = Number(button.dataset.times))));
    }
    this.root.addEventListener("keydown", (event) => this.pressKey(event));
    const stage = this.stage;
    stage.addEventListener("dblclick", () => this.resetView());
    stage.addEventListener("pointerdown", (event) => this.grab(event));
    stage.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    stage.addEventListener("wheel", (event) => this.scroll(event), { passive: false });
    // One finger up or down scrolls the page, as the style says; two always belong to the view.
    const keepPinch = (event) => event.touches.length > 1 && event.preventDefault();
    stage.addEventListener("touchstart", keepPinch, { passive: false });
    stage.addEventListener("touchmove", keepPinch, { passive: false });

    const seen = (entries) => this.change(() => (this.visible = entries.at(-1).isIntersecting));
    new IntersectionObserver(seen).observe(stage);
    const resized = new ResizeObserver(() => this.change());
    for (const { canvas } of this.panes) resized.observe(canvas);
  }

  change(what = () => {}) {
    what();
    this.changed = true;
    this.touched = performance.now();
    requestDrawing();
  }

  toggle() {
    this.change(() => {
      this.playing = !this.playing && this.last > 0;
      if (!this.playing) this.position = this.frame;
      else if (this.frame === this.last) this.position = 0;
    });
  }

  show(frame) {
    this.change(() => {
      this.playing = false;
      this.position = clamped(frame, 0, this.last);
    });
  }

  resetView() {
    this.look(0, this.camera.elevation, 1);
  }

  look(turned, elevation, zoom) {
    this.change(() => {
      this.turned = turned;
      this.elevation = clamped(elevation, FLATTEST, STEEPEST);
      this.zoom = clamped(zoom, WIDEST, CLOSEST);
    });
  }

  pressKey(event) {
    const onButton = event.target.matches("button");
    if (event.ctrlKey || event.metaKey || event.altKey || (event.key === " " && onButton)) return;
    const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    const frames = { ArrowLeft: this.frame - 1, ArrowRight: this.frame + 1, Home: 0, End: this.last };
    if (event.key === " ") this.toggle();
    else if (event.shiftKey && event.key in turns) {
      const [turn, tilt] = turns[event.key];
      this.look(this.turned + turn, this.elevation + tilt, this.zoom);
    } else if (event.key === "+" || event.key === "-") {
      this.look(this.turned, this.elevation, this.zoom * (event.key === "+" ? 1.2 : 1 / 1.2));
    } else if (event.key in frames) this.show(frames[event.key]);
    else return;
    event.preventDefault();
  }

  grab(event) {
    if (event.button || event.target.closest(".motion-below")) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const spread = this.spread();
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size === 1) {
      const [x, y] = [event.clientX - before[0], event.clientY - before[1]];
      this.look(this.turned - x * TURN, this.elevation + y * TILT, this.zoom);
    } else if (spread) this.look(this.turned, this.elevation, (this.zoom * this.spread()) / spread);
  }

  spread() {
    const [first, second] = this.pointers.values();
    return second && Math.hypot(first[0] - second[0], first[1] - second[1]);
  }

  scroll(event) {
    // The wheel scrolls the page until the view has been clicked; a pinch on a touchpad comes with ctrlKey.
    const page = document.scrollingElement;
    const chosen = event.ctrlKey || this.root.contains(document.activeElement) || page.scrollHeight <= innerHeight;
    if (!chosen) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    this.look(this.turned, this.elevation, this.zoom * Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0015)));
  }

  get frame() {
    return Math.min(Math.round(this.position), this.last);
  }

  advance(milliseconds) {
    if (!this.playing) return;
    this.position += (milliseconds / 1000) * FPS * this.speed;
    if (this.position > this.last + REST) this.position = 0;
    this.changed = true;
  }

  draw(sharpness) {
    this.changed = false;
    this.sharpness = sharpness;
    // A page that knows no dark scheme stays light.
    const dark = prefersDark.matches && getComputedStyle(this.root).colorScheme.includes("dark");
    const colours = dark ? DARK : LIGHT;
    const density = Math.min(devicePixelRatio, FINEST);
    for (const pane of this.panes) pane.draw(this, density, sharpness, colours);
    const { frame, last } = this;
    const told = `frame ${frame} of ${last}, ${(frame / FPS).toFixed(2)} s`;
    this.slider.value = frame;
    this.root.style.setProperty("--motion-frame", this.position);
    this.slider.setAttribute("aria-valuetext", told);
    this.time.value = told;
    this.play.setAttribute("aria-label", this.playing ? "pause" : "play");
    for (const button of this.speeds) {
      button.setAttribute("aria-pressed", Number(button.dataset.times) === this.speed);
    }
    Object.assign(this.root.dataset, {
      frame, playing: this.playing, speed: this.speed,
      view: [this.turned, this.elevation, this.zoom].map((value) => value.toFixed(3)).join(" "),
    });
  }
}

class Pane {
  constructor(figure) {
    this.motion = JSON.parse(figure.dataset.motion);
    delete figure.dataset.motion;
    this.canvas = figure.querySelector("canvas");
    const bytes = Uint8Array.from(atob(this.motion.points), (letter) => letter.charCodeAt(0));
    this.steps = new Int16Array(bytes.buffer);
  }

  draw(viewer, density, sharpness, colours) {
    const { canvas, motion } = this;
    const width = Math.round(canvas.clientWidth * density), height = Math.round(canvas.clientHeight * density);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const points = this.pointsAt(viewer.position);
    const ground = points.slice(-3);
    const view = {
      target: [ground[0], motion.middle, ground[2]],
      bearing: motion.bearing + viewer.turned,
      elevation: viewer.elevation,
      distance: viewer.camera.distance / viewer.zoom,
      focal: viewer.camera.focal,
    };
    drawPose(canvas, points, motion, viewer.position, view, colours, sharpness);
  }

  // The points in metres, flat; between two frames on the straight line from one to the other.
  pointsAt(position) {
    const { origin, step, width } = this.motion;
    const last = this.steps.length / width - 1;
    const before = Math.min(Math.floor(position), last), after = Math.min(before + 1, last);
    const share = position - Math.floor(position);
    return Array.from({ length: width }, (_, i) => {
      const from = this.steps[before * width + i], to = this.steps[after * width + i];
      return origin[i % 3] + step * (from + share * (to - from));
    });
  }
}

const viewers = [];
let waiting = false, drawnAt = null, quality = 1;

function requestDrawing() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(drawAll);
}

function drawAll(now) {
  waiting = false;
  const passed = drawnAt === null ? 0 : Math.min(now - drawnAt, 100);
  drawnAt = null;
  let moving = false;
  const began = performance.now();
  for (const viewer of viewers) {
    if (!viewer.visible) continue;
    viewer.advance(passed);
    const settled = !viewer.playing && began - viewer.touched > SETTLING;
    if (viewer.changed || (settled && viewer.sharpness < 1)) viewer.draw(settled ? 1 : quality);
    if (!settled) moving = true;
  }
  if (!moving) return;
  // Slower machines draw the body coarser while it moves.
  const took = performance.now() - began;
  if (took > SLOW_DRAWING) quality = Math.max(COARSEST, quality * 0.85);
  else if (took > 1 && took < QUICK_DRAWING) quality = Math.min(1, quality * 1.05);
  drawnAt = now;
  requestDrawing();
}

function start() {
  const kept = viewers.filter((viewer) => viewer.root.isConnected);
  viewers.splice(0, viewers.length, ...kept);
  for (const root of document.querySelectorAll(".motion-viewer:not([data-frame])")) viewers.push(new Viewer(root));
}

function changeAll() {
  for (const viewer of viewers) viewer.change();
}

prefersDark.addEventListener("change", changeAll);
addEventListener("resize", changeAll); // a page moved to a screen of another density
addEventListener("motion-viewers-added", start);
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
