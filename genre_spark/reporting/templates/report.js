"use strict";
const { themes, figures } = JSON.parse(document.getElementById("page-data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map(), views = new Map();

// One drawing of a chart after the other: the colours may change while it is drawn.
function draw(node) {
  drawn.set(node, (drawn.get(node) ?? Promise.resolve()).then(() => embed(node)));
}

// `ast` evaluates expressions without eval, which the page's policy forbids.
async function embed(node) {
  const spec = figures[node.dataset.figure][node.dataset.chart];
  const options = { mode: "vega-lite", actions: false, ast: true, config: dark.matches ? themes.dark : themes.light,
    renderer: "canvas", tooltip: { theme: dark.matches ? "dark" : "light" } };
  const inner = node.firstElementChild ?? add(node, "div");
  const { view } = await vegaEmbed(inner, structuredClone(spec), options);
  // The node has the text for those who do not see the chart.
  for (const name of ["role", "aria-label", "aria-roledescription"]) inner.removeAttribute(name);
  views.set(node, view);
  if (node === map) await show();
}

const map = document.querySelector(".map .chart");
const state = { query: "", isolated: null };
async function show() {
  const view = views.get(map);
  if (view) await view.signal("query", state.query).signal("isolated", state.isolated).runAsync();
}
if (map) {
  const tracks = figures.map.map.layer[0].data.values;
  const hits = document.getElementById("hits"), status = document.getElementById("found");
  document.getElementById("search")?.addEventListener("input", event => {
    state.query = event.target.value.trim().toLowerCase();
    const found = state.query ? tracks.filter(one => `${one.title} ${one.artist}`.toLowerCase().includes(state.query)) : [];
    status.textContent = state.query ? `${thousands(found.length)} of ${thousands(tracks.length)} tracks` : "";
    hits.replaceChildren();
    for (const one of found.slice(0, 20))
      add(hits, "li", [`${one.artist} – ${one.title}`, one.synthetic, one.genre].filter(Boolean).join(" · "));
    show();
  });
  document.querySelectorAll("[data-isolate]").forEach(button => button.addEventListener("click", () => {
    const own = +button.dataset.isolate;
    state.isolated = state.isolated === own ? null : own;
    document.querySelectorAll("[data-isolate]").forEach(other =>
      other.setAttribute("aria-pressed", String(+other.dataset.isolate === state.isolated)));
    show();
  }));
}

// Charts are drawn when they come near the window, and again when the colours change.
const nodes = [...document.querySelectorAll(".chart")];
const near = new IntersectionObserver(entries => entries.filter(one => one.isIntersecting).forEach(one => {
  near.unobserve(one.target);
  if (!drawn.has(one.target)) draw(one.target);
}), { rootMargin: "800px" });
nodes.forEach(node => near.observe(node));
dark.addEventListener("change", () => [...drawn.keys()].forEach(draw));
addEventListener("beforeprint", () => nodes.filter(node => !drawn.has(node)).forEach(draw));
