"""Written GLB and BVH files in other people's programs: three.js in a headless Chromium, and Khronos' validator.

Run `python tests/benchmarks/verify_glb.py`. Installs three.js and the validator into a temporary folder by npm; where
npm, its registry or Chromium is absent, says so and checks nothing of that. Also prints how near the bones of files
come to motions whose bones vary. Draws `outputs/glb.png`. Ends with status 1 if a claim is missed.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bones_one_by_one import aimed_one_by_one
from headless_browser import Page, open_browser

from atom.generation.generator import Generator
from atom.judging.detection_quality import make_known_motions
from atom.motion.skeleton import FPS, PARENTS
from atom.motion_formats.kinematics import positions_at
from atom.motion_formats.source_motion import Skeleton, SourceMotion
from atom.motion_formats.writers.bvh_writer import write_bvh
from atom.motion_formats.writers.glb_writer import write_glb
from atom.motion_formats.writers.inverse_kinematics import local_rotations
from atom.motion_formats.writers.mixamo_skeleton import MIXAMO_NAMES
from atom.motion_formats.writers.skeleton_fit import SkeletonFit, fit_skeleton

OUTPUTS = Path(__file__).resolve().parents[2] / "outputs"
PACKAGES = ("three@0.187.0", "gltf-validator@2.0.0-dev.3.10")
MOST_OFF = 1e-4  # metres
PROMPTS = ("a person walks forward then waves", "a person jumps twice", "a person sits down")
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
missed: list[str] = []

PAGE = """<!doctype html><meta charset="utf-8"><style>body { margin: 0 }</style>
<script type="importmap">{ "imports": { "three": "./node_modules/three/build/three.module.js",
  "three/addons/": "./node_modules/three/examples/jsm/" } }</script>
<script type="module">
import * as THREE from 'three';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { BVHLoader } from 'three/addons/loaders/BVHLoader.js';

const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
renderer.setSize(innerWidth, innerHeight);
document.body.append(renderer.domElement);
const scene = new THREE.Scene();
scene.background = new THREE.Color(0xeef1f5);
scene.add(new THREE.HemisphereLight(0xffffff, 0x8890a0, 2.2), new THREE.GridHelper(20, 40, 0xb0b6c0, 0xd0d5dd));
const sun = new THREE.DirectionalLight(0xffffff, 1.8);
sun.position.set(2, 4, 3);
scene.add(sun);
const camera = new THREE.PerspectiveCamera(30, innerWidth / innerHeight, 0.1, 100);
let root, mixer, action;

function play(object, clip) {
  if (root) scene.remove(root);
  root = object;
  scene.add(root);
  mixer = new THREE.AnimationMixer(root);
  action = mixer.clipAction(clip).setLoop(THREE.LoopOnce).play();
  action.clampWhenFinished = true;
  return clip.duration;
}
window.openGlb = async (file) => {
  const gltf = await new GLTFLoader().loadAsync(file);
  return play(gltf.scene, gltf.animations[0]);
};
window.openBvh = async (file) => {
  const bvh = await new BVHLoader().loadAsync(file);
  const holder = new THREE.Group();
  holder.add(bvh.skeleton.bones[0]);
  return play(holder, bvh.clip);
};
window.pose = (names, times) => times.map((time) => {
  action.reset(); // one that has ended stays at its end
  mixer.setTime(time);
  root.updateMatrixWorld(true);
  return names.map((name) => root.getObjectByName(name).getWorldPosition(new THREE.Vector3()).toArray());
});
window.draw = (time, angle) => {
  const [hips] = window.pose(['Hips'], [time])[0];
  camera.position.set(hips[0] + 5 * Math.sin(angle), 1.4, hips[2] + 5 * Math.cos(angle));
  camera.lookAt(hips[0], 0.85, hips[2]);
  renderer.render(scene, camera);
};
window.ready = true;
</script>"""

VALIDATE = """import validator from 'gltf-validator';
import fs from 'fs';
const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[2])));
console.log(report.issues.messages.map((issue) => issue.code + ' ' + issue.pointer).join('\\n'));"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def claim(holds: bool, text: str) -> None:
    print(f"  {'holds' if holds else 'MISSED'}: {text}", flush=True)
    if not holds:
        missed.append(text)


def collect_motions() -> dict[str, np.ndarray]:
    """Motions with constant bones and with bones that vary, by name."""
    known = make_known_motions(clips=64, split="test", seed=0)
    longest = np.asarray(max((motion for _, motion in known), key=len), dtype=np.float64)
    motions = {"corpus": longest}
    motions["corpus, 5 mm of jitter"] = longest + np.random.default_rng(0).normal(0, 0.005, longest.shape)
    generator = Generator.load()
    samples = generator.sample(list(PROMPTS), seeds=list(range(len(PROMPTS))))
    decoded = generator.decode([sample.tokens for sample in samples])
    return motions | {text: np.asarray(joints, dtype=np.float64) for text, joints in zip(PROMPTS, decoded)}


def between_frames(fit: SkeletonFit) -> np.ndarray:
    """The joints (T - 1, 22, 3) half-way between frames, by rotations that are interpolated along the shortest arc."""
    rotations = np.stack([turns.as_quat(scalar_first=True) for turns in local_rotations(fit.rotations)], axis=1)
    translations = np.tile(fit.offsets, (len(fit.joints), 1, 1))
    translations[:, 0] = fit.joints[:, 0]
    skeleton = Skeleton(MIXAMO_NAMES, PARENTS)
    source = SourceMotion("fit", skeleton, rotations=rotations, translations=translations)
    return positions_at(source, FPS, 2 * FPS)[1::2]


def greatest_distance(seen: list, joints: np.ndarray) -> float:
    return float(np.linalg.norm(np.array(seen) - joints, axis=-1).max())


def verify_in_browser(folder: Path, motions: dict[str, np.ndarray], page: Page) -> None:
    pictures = []
    names = list(MIXAMO_NAMES)
    for number, (text, joints) in enumerate(motions.items()):
        fit = fit_skeleton(joints)
        glb, bvh = f"{number}.glb", f"{number}.bvh"  # a new name each, which no cache knows
        write_glb(folder / glb, joints, name=text)
        write_bvh(folder / bvh, joints)
        print(f"{text}: {len(joints)} frames, {(folder / glb).stat().st_size / 1000:.0f} kB")
        validation = subprocess.run(
            ["node", "validate.mjs", glb], cwd=folder, capture_output=True, text=True, check=True
        )
        claim(not validation.stdout.strip(), f"the validator finds nothing {validation.stdout[:200].strip()}".strip())
        duration = page.evaluate(f"openGlb('{glb}')")
        claim(abs(duration - (len(joints) - 1) / FPS) < 1e-5, f"lasts {duration:.3f} s")
        times = [i / FPS for i in range(len(joints))]
        off = greatest_distance(page.evaluate(f"pose({names}, {times})"), fit.joints)
        claim(off < MOST_OFF, f"three.js: bones within {1000 * off:.4f} mm in every frame")
        halves = [time + 0.5 / FPS for time in times[:-1]]
        off = greatest_distance(page.evaluate(f"pose({names}, {halves})"), between_frames(fit))
        claim(off < MOST_OFF, f"three.js: bones within {1000 * off:.4f} mm between frames")
        for moment in (0, duration / 3, duration * 2 / 3):
            page.evaluate(f"draw({moment}, 0.5)")
            pictures.append(page.screenshot())
        page.evaluate(f"openBvh('{bvh}')")
        off = greatest_distance(page.evaluate(f"pose({names}, {times})"), 100 * fit.joints) / 100
        claim(off < MOST_OFF, f"three.js: bones of the BVH within {1000 * off:.4f} mm in every frame")
    OUTPUTS.mkdir(exist_ok=True)
    rows = [np.hstack(pictures[i : i + 3]) for i in range(0, len(pictures), 3)]
    Image.fromarray(np.vstack(rows)).save(OUTPUTS / "glb.png")
    print(f"drawn in {OUTPUTS / 'glb.png'}")


def verify_fit(motions: dict[str, np.ndarray]) -> None:
    """How far the joints of files lie from those of the motions, beside bones that are aimed one after the other."""
    fit_skeleton(motions["corpus"])  # compiles
    for text, joints in motions.items():
        start = time.process_time()
        fitted = fit_skeleton(joints).joints
        seconds = time.process_time() - start
        before, after = (1000 * np.linalg.norm(other - joints, axis=-1) for other in (aimed_one_by_one(joints), fitted))
        shaking, own = (np.linalg.norm(np.diff(j, 2, axis=0), axis=-1).mean() for j in (fitted, joints))
        print(
            f"{text}: bones off by {after.mean():.2f} mm on average, {after.max():.1f} at most, root mean square "
            f"{np.sqrt((after**2).mean()):.2f}; one by one {before.mean():.2f}, {before.max():.1f} and "
            f"{np.sqrt((before**2).mean()):.2f}; accelerations {100 * shaking / own:.0f} % of the motion's; "
            f"{1e5 * seconds / len(joints):.0f} ms for 100 frames"
        )
        claim(after.mean() <= before.mean() and after.max() <= before.max(), "nearer than one by one")


def main() -> int:
    motions = collect_motions()
    verify_fit(motions)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not shutil.which("npm"):
            print("not checked in other programs: npm is not installed")
            return 0
        installed = subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if installed.returncode:
            print(
                f"not checked in other programs: npm can't install {' and '.join(PACKAGES)}: {installed.stderr[:200]}"
            )
            return 0
        (folder / "index.html").write_text(PAGE)
        (folder / "validate.mjs").write_text(VALIDATE)
        handler = functools.partial(QuietHandler, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with open_browser(folder / "profile", *SOFTWARE_GL) as browser:
                page = Page(browser, f"http://127.0.0.1:{server.server_port}/index.html", 360, 420)
                page.wait("window.ready")
                verify_in_browser(folder, motions, page)
        except pytest.skip.Exception as reason:
            print(f"not checked in a browser: {reason}")
        finally:
            server.shutdown()
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
