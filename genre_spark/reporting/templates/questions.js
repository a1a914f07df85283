"use strict";
const data = JSON.parse(document.getElementById("page-data").textContent);
const by = id => document.getElementById(id), NONE = "?", SVG = "http://www.w3.org/2000/svg";
const own = { answers: {}, added: [], at: 0 };
try { Object.assign(own, JSON.parse(localStorage.getItem(data.key) || "{}")); } catch { /* begins anew */ }

const genres = () => [...data.genres, ...own.added];
const current = () => data.questions[own.at];
function keep() {
  try { localStorage.setItem(data.key, JSON.stringify(own)); } catch { by("about").textContent = "This browser keeps no data: save the CSV before you close the page."; }
}
function dot(x, y, r, fill) {
  const made = document.createElementNS(SVG, "circle");
  for (const [name, value] of Object.entries({ cx: x, cy: y, r, fill })) made.setAttribute(name, value);
  by("map").append(made);
  return made;
}
for (const [x, y] of data.map) dot(x, y, .7, "var(--soft)");
if (!data.map.length) by("map").style.display = "none";
const here = dot(0, 0, 3, "var(--stop)");

function button(genre, i) {
  const made = document.createElement("button"), key = document.createElement("kbd");
  made.type = "button";
  if (i < 9) { key.textContent = i + 1; made.append(key, " "); }
  made.append(genre);
  made.setAttribute("aria-pressed", own.answers[current().track_id] === genre);
  made.addEventListener("click", () => answer(genre));
  return made;
}
function show() {
  const one = current(), n = data.questions.length, done = Object.keys(own.answers).length;
  by("title").textContent = one.title || one.track_id;
  by("names").textContent = [one.artist, one.album].filter(Boolean).join(" · ");
  by("why").textContent = one.why;
  by("listen").href = "https://duckduckgo.com/?q=" + encodeURIComponent([one.artist, one.title].filter(Boolean).join(" "));
  here.setAttribute("cx", one.x);
  here.setAttribute("cy", one.y);
  by("genres").replaceChildren(...genres().map(button));
  by("none").setAttribute("aria-pressed", own.answers[one.track_id] === NONE);
  by("back").disabled = own.at === 0;
  by("skip").disabled = own.at === n - 1;
  by("done").max = n;
  by("done").value = done;
  by("status").textContent = `Question ${own.at + 1} of ${n}; ${done} answered` + (done === n ? ": save the answers" : "");
}
function go(step) {
  own.at = Math.max(0, Math.min(data.questions.length - 1, own.at + step));
  keep();
  show();
}
function answer(genre) {
  own.answers[current().track_id] = genre;
  go(1);
}
function add(name) {
  const genre = name.trim().replace(/\s+/g, " ");
  if (!genre) return;
  const same = genres().find(one => one.toLowerCase() === genre.toLowerCase());
  if (!same) own.added.push(genre);
  answer(same || genre);
}
function cell(value) {
  const text = String(value ?? ""), safe = /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
  return /[",\r\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
}
function toCsv() {
  const rows = data.questions.map(one => data.columns.map(name => {
    const value = name === "genre" ? own.answers[one.track_id] ?? "" : one[name] ?? "";
    // An id must come back as it is.
    return name === "track_id" ? '"' + String(value).replaceAll('"', '""') + '"' : cell(value);
  }).join(","));
  return "\ufeff" + [data.columns.join(","), ...rows].join("\n") + "\n";
}
by("save").addEventListener("click", () => {
  const link = document.createElement("a"), url = URL.createObjectURL(new Blob([toCsv()], { type: "text/csv" }));
  link.href = url;
  link.download = "answers.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
});
by("back").addEventListener("click", () => go(-1));
by("skip").addEventListener("click", () => go(1));
by("none").addEventListener("click", () => answer(NONE));
by("other").addEventListener("submit", event => {
  event.preventDefault();
  const field = event.target.elements.genre, name = field.value;
  field.value = "";
  field.blur();
  add(name);
});
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.tagName === "INPUT") { if (event.key === "Escape") event.target.blur(); return; }
  const place = "123456789".indexOf(event.key);
  if (place >= 0 && place < genres().length) answer(genres()[place]);
  else if (event.key === "0" || event.key === NONE) answer(NONE);
  else if (event.key === "ArrowLeft") go(-1);
  else if (event.key === "ArrowRight") go(1);
  else if (event.key === "n" || event.key === "N") by("other").elements.genre.focus();
  else return;
  event.preventDefault();
});
own.at = Math.max(0, Math.min(data.questions.length - 1, own.at));
show();
