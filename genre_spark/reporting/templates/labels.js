"use strict";
const data = JSON.parse(document.getElementById("page-data").textContent);
const at = Object.fromEntries(data.columns.map((name, i) => [name, i]));
const get = (row, name) => name in at ? row[at[name]] : null;
const form = document.getElementById("filters"), list = document.getElementById("tracks");
const more = document.getElementById("more"), save = document.getElementById("save"), STEP = 100;
const percent = value => (100 * value).toFixed(0) + "%";
const corrections = new Map();
let found = [], shown = 0;

// The nine genres that a key can give.
const keys = data.genres.slice(0, 9);
document.getElementById("keys").textContent = keys.map((genre, i) => `${i + 1} ${genre}`).join(", ");
const strongest = row => (get(row, "genre_why") || [])[0]?.feature ?? null;

function fill(select, value) {
  const counts = new Map();
  for (const row of data.rows)
    if (value(row) !== null) counts.set(value(row), (counts.get(value(row)) || 0) + 1);
  add(select, "option", "all").value = "";
  for (const [name, n] of [...counts].sort((a, b) => b[1] - a[1]))
    add(select, "option", `${name} (${thousands(n)})`).value = name;
  select.parentElement.hidden = !counts.size;
}
const why = effects => (effects || []).map(one => `${one.feature} (${one.effect.toFixed(2)})`).join(", ");
function describe(row) {
  const share = name => get(row, name) === null ? null : percent(get(row, name));
  const pairs = [["Id", get(row, "track_id")], ["Album", get(row, "album")],
    ["Most probable genres", (get(row, "genre_top3") || []).map(one => `${one.genre} ${percent(one.probability)}`).join(", ")],
    ["Precision", share("genre_precision")],
    ["Accepted", { true: "yes", false: "no" }[get(row, "genre_accepted")]],
    ["Features that support the genre", why(get(row, "genre_why"))],
    ["Labelled tracks counted as evidence", get(row, "genre_evidence")],
    ["Features that support the synthetic genre", why(get(row, "synthetic_genre_why"))],
    ["Distance to the center of the synthetic genre", get(row, "synthetic_genre_distance")?.toFixed(2)],
    ["Missing features", get(row, "n_imputed")]];
  return pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
}
function show(row) {
  const track = add(list, "div", null, "track"), id = get(row, "track_id");
  const title = get(row, "title"), artist = get(row, "artist"), genre = get(row, "genre");
  const name = add(track, "span", title || (artist ? "" : id));
  if (artist) add(name, "span", (title ? " – " : "") + artist, "soft");
  const label = add(track, "span", null, "genre");
  add(track, "span", get(row, "synthetic_genre"), "soft");
  const choice = add(track, "select");
  choice.setAttribute("aria-label", `Genre of ${title || id}`);
  add(choice, "option", "correct …").value = "";
  data.genres.forEach(one => add(choice, "option", one).value = one);
  const mark = () => {
    const given = corrections.get(id);
    choice.value = given ?? "";
    label.textContent = given ? `${genre ?? ""} → ${given}` : genre === null ? "" : `${genre} ${percent(get(row, "genre_confidence"))}`;
    track.classList.toggle("corrected", given !== undefined);
  };
  const correct = given => {
    if (given) corrections.set(id, given); else corrections.delete(id);
    mark();
    count();
  };
  choice.addEventListener("change", () => correct(choice.value));
  track.addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^[0-9]$/.test(event.key) && (event.key === "0" || keys[event.key - 1])) correct(keys[event.key - 1]);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp")
      (event.key === "ArrowDown" ? track.nextSibling : track.previousSibling)?.querySelector("summary").focus();
    else return;
    event.preventDefault();
  });
  const details = add(track, "details");
  add(details, "summary", "Details", "soft");
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return;
    const parts = add(details, "dl");
    for (const [term, value] of describe(row)) { add(parts, "dt", term); add(parts, "dd", value); }
  });
  mark();
}
function count() {
  const n = corrections.size;
  document.getElementById("corrections").textContent = n ? `${thousands(n)} ${n === 1 ? "correction" : "corrections"}` : "No corrections";
  save.disabled = !n;
}
function page() {
  for (const row of found.slice(shown, shown + STEP)) show(row);
  shown = Math.min(found.length, shown + STEP);
  more.hidden = shown >= found.length;
  document.getElementById("status").textContent =
    `${thousands(found.length)} of ${thousands(data.rows.length)} tracks, ${thousands(shown)} shown`;
}
function apply() {
  const want = Object.fromEntries(new FormData(form));
  const words = want.q.toLowerCase().split(/\s+/).filter(Boolean);
  found = data.rows.filter(row => {
    const sure = get(row, "genre_confidence");
    if (want.genre && get(row, "genre") !== want.genre) return false;
    if (want.synthetic && get(row, "synthetic_genre") !== want.synthetic) return false;
    if (+want.least > 0 && !(sure >= +want.least)) return false;
    if (want.most !== "" && +want.most < 1 && !(sure !== null && sure <= +want.most)) return false;
    if (want.accepted === "corrected" ? !corrections.has(get(row, "track_id"))
      : want.accepted && get(row, "genre_accepted") !== (want.accepted === "1")) return false;
    if (want.why && strongest(row) !== want.why) return false;
    if (!words.length) return true;
    const text = ["track_id", "title", "artist", "album"].map(name => get(row, name) || "").join(" ").toLowerCase();
    return words.every(word => text.includes(word));
  });
  list.replaceChildren();
  shown = 0;
  page();
}
save.addEventListener("click", () => {
  const cell = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = [["track_id", "genre"], ...corrections].map(line => line.map(cell).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = "answers.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
addEventListener("beforeunload", event => { if (corrections.size) event.preventDefault(); });
fill(form.elements.genre, row => get(row, "genre"));
fill(form.elements.synthetic, row => get(row, "synthetic_genre"));
fill(form.elements.why, strongest);
for (const [name, value] of new URLSearchParams(location.hash.slice(1)))
  if (form.elements[name]) form.elements[name].value = value;
form.addEventListener("input", () => {
  const usual = { least: 0, most: 1 };
  const set = [...new FormData(form)].filter(([name, value]) => value && !(name in usual && +value === usual[name]));
  history.replaceState(null, "", set.length ? "#" + new URLSearchParams(set) : location.pathname);
  apply();
});
form.addEventListener("submit", event => event.preventDefault());
more.addEventListener("click", page);
apply();
