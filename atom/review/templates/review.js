"use strict";
// One item after the other: asks for it, shows it, sends what was pressed. The server decides all else.

const { voter, pair } = document.body.dataset;
const find = (id) => document.getElementById(id);
const isPair = JSON.parse(pair);
const LETTERS = "abcdefgh";
const LOST = "The server does not answer. Nothing is lost: try again when it runs.";
const STRANGER = "The review was started anew: open the address that it printed now, then go on under the same name.";

let item = null; // on the screen
let busy = false; // waiting for an answer
let speed = "1"; // stays from motion to motion

async function ask(path, what, told) {
  if (busy) return;
  busy = true;
  mark();
  try {
    const body = JSON.stringify({ voter, ...what });
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (answer.status === 403) throw new Error(STRANGER);
    const given = await answer.json();
    if (!answer.ok) throw new Error(typeof given.detail === "string" ? given.detail : "The server refused this.");
    find("problem").textContent = "";
    show(given);
    find("told").textContent = given.undone === false ? "There is nothing to undo." : told;
  } catch (error) {
    find("problem").textContent = error instanceof TypeError ? LOST : error.message;
  } finally {
    busy = false;
    mark();
  }
}

function mark() {
  document.body.setAttribute("aria-busy", busy);
  find("answering").hidden = !item;
  document.querySelector("[data-press=skip]").disabled = !item;
}

function show(given) {
  item = given.item;
  tell("mine", given.mine, given.mine + given.open);
  tell("all", given.judged, given.items);
  find("view").innerHTML = item ? item.view : "";
  find("text").textContent = item ? item.text : "Nothing is left for you. Thank you!";
  find("rubric").textContent = item ? item.rubric : "";
  find("note").value = item ? item.note : "";
  if (!isPair) find("events").replaceChildren(find("events").firstElementChild, ...(item ? item.events : []).map(tick));
  dispatchEvent(new Event("motion-viewers-added"));
  viewerButton(`[data-times="${speed}"]`)?.click();
  // Where a pressed button kept the focus, space would press it for the next motions too.
  find("text").focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

function tell(name, done, all) {
  Object.assign(find(name), { max: Math.max(all, 1), value: done });
  find(`${name}-told`).textContent = `${done} of ${all}`;
}

function tick(words, place) {
  const label = document.createElement("label"), box = document.createElement("input"), key = document.createElement("b");
  box.type = "checkbox";
  if (place < LETTERS.length) {
    box.dataset.key = key.textContent = LETTERS[place];
    label.append(box, key, " ", words);
  } else label.append(box, words);
  return label;
}

const viewerButton = (selector) => find("view").querySelector(selector);

function cast(answer, told) {
  if (item) ask("/cast", { item: item.id, note: find("note").value.trim(), ...answer }, `Stored: ${told}.`);
}

function score(points) {
  const seen = [...find("events").querySelectorAll("input")].map((box) => box.checked);
  cast({ score: points, seen }, `${points} of 5 points`);
}

// The button of the viewer for the next slower motion, after the slowest the one for full speed.
function slower() {
  const buttons = [...find("view").querySelectorAll("[data-times]")];
  const now = buttons.findIndex((button) => button.dataset.times === speed);
  return buttons[(now + 1) % buttons.length];
}

function pressedBy(key) {
  if (key === "n") return find("note");
  if (key === "m") return slower();
  if (key === " ") return viewerButton(".motion-play");
  return document.querySelector(`[data-key="${CSS.escape(key)}"]`);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.times) speed = button.dataset.times;
  if (button.dataset.press) cast({ pressed: button.dataset.press }, button.textContent.trim());
  if (button.dataset.score) score(Number(button.dataset.score));
  if (button.id === "undo") ask("/undo", {}, "The last vote is taken back.");
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("textarea")) {
    if (event.key === "Escape") find("text").focus();
    return;
  }
  if (event.key === " " && event.target.matches("button, input, a")) return;
  const key = event.key.toLowerCase();
  const pressed = pressedBy(key);
  if (!pressed) return;
  event.preventDefault();
  if (event.repeat) return;
  if (key === "n") pressed.focus();
  else pressed.click();
});

ask("/next", {}, "");
