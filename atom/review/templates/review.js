"use strict";
// Requests one item after the other, shows it, and sends the vote. The server decides everything else.

const { voter, pair } = document.body.dataset;
const byId = (id) => document.getElementById(id);
const isPair = JSON.parse(pair);
const EVENT_KEYS = "abcdefgh";
const NO_SERVER = "The server does not answer. No vote is lost: try again when it runs.";
const NEW_TOKEN = "The review was restarted: open the address that it printed, and continue under the same name.";

let item = null; // on the screen
let busy = false; // waiting for the server
let speed = "1"; // kept from motion to motion

// Posts to the server and shows its answer; `status` is announced after success.
async function send(path, data, status) {
  if (busy) return;
  busy = true;
  updateControls();
  try {
    const body = JSON.stringify({ voter, ...data });
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (response.status === 403) throw new Error(NEW_TOKEN);
    const state = await response.json();
    if (!response.ok) throw new Error(typeof state.detail === "string" ? state.detail : "The server refused this vote.");
    byId("problem").textContent = "";
    show(state);
    byId("told").textContent = state.undone === false ? "There is nothing to undo." : status;
  } catch (error) {
    byId("problem").textContent = error instanceof TypeError ? NO_SERVER : error.message;
  } finally {
    busy = false;
    updateControls();
  }
}

function updateControls() {
  document.body.setAttribute("aria-busy", busy);
  byId("answering").hidden = !item;
  document.querySelector("[data-press=skip]").disabled = !item;
}

function show(state) {
  item = state.item;
  showProgress("mine", state.mine, state.mine + state.open);
  showProgress("all", state.judged, state.items);
  byId("view").innerHTML = item ? item.view : "";
  byId("text").textContent = item ? item.text : "Nothing is left for you. Thank you!";
  byId("rubric").textContent = item ? item.rubric : "";
  byId("note").value = item ? item.note : "";
  if (!isPair) byId("events").replaceChildren(byId("events").firstElementChild, ...(item ? item.events : []).map(eventCheckbox));
  dispatchEvent(new Event("motion-viewers-added"));
  viewerButton(`[data-times="${speed}"]`)?.click();
  // If a pressed button kept the focus, space would press it again for the next item.
  byId("text").focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

function showProgress(name, done, all) {
  Object.assign(byId(name), { max: Math.max(all, 1), value: done });
  byId(`${name}-told`).textContent = `${done} of ${all}`;
}

function eventCheckbox(words, place) {
  const label = document.createElement("label"), box = document.createElement("input"), key = document.createElement("b");
  box.type = "checkbox";
  if (place < EVENT_KEYS.length) {
    box.dataset.key = key.textContent = EVENT_KEYS[place];
    label.append(box, key, " ", words);
  } else label.append(box, words);
  return label;
}

const viewerButton = (selector) => byId("view").querySelector(selector);

function cast(answer, words) {
  if (item) send("/cast", { item: item.id, note: byId("note").value.trim(), ...answer }, `Stored: ${words}.`);
}

function score(points) {
  const seen = [...byId("events").querySelectorAll("input")].map((box) => box.checked);
  cast({ score: points, seen }, `${points} of 5 points`);
}

// The viewer's button for the next slower speed, and after the slowest the one for full speed.
function nextSpeedButton() {
  const buttons = [...byId("view").querySelectorAll("[data-times]")];
  const now = buttons.findIndex((button) => button.dataset.times === speed);
  return buttons[(now + 1) % buttons.length];
}

function elementForKey(key) {
  if (key === "n") return byId("note");
  if (key === "m") return nextSpeedButton();
  if (key === " ") return viewerButton(".motion-play");
  return document.querySelector(`[data-key="${CSS.escape(key)}"]`);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.times) speed = button.dataset.times;
  if (button.dataset.press) cast({ pressed: button.dataset.press }, button.textContent.trim());
  if (button.dataset.score) score(Number(button.dataset.score));
  if (button.id === "undo") send("/undo", {}, "Your last vote was undone.");
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("textarea")) {
    if (event.key === "Escape") byId("text").focus();
    return;
  }
  if (event.key === " " && event.target.matches("button, input, a")) return;
  const key = event.key.toLowerCase();
  const pressed = elementForKey(key);
  if (!pressed) return;
  event.preventDefault();
  if (event.repeat) return;
  if (key === "n") pressed.focus();
  else pressed.click();
});

send("/next", {}, "");
