"use strict";
// What the report and the page of labels share.
function add(parent, tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (kind) made.className = kind;
  parent.append(made);
  return made;
}
const thousands = n => n.toLocaleString("en");

// Tables sort by a click on the head of a column: numbers by their value, texts by the alphabet.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, i) => row.cells[i].dataset.key;
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows];
      const numbers = rows.every(row => key(row, i) === "" || !isNaN(key(row, i)));
      const compare = numbers ? (a, b) => (key(a, i) || -Infinity) - (key(b, i) || -Infinity)
        : (a, b) => key(a, i).localeCompare(key(b, i));
      rows.sort((a, b) => down ? -compare(a, b) || 0 : compare(a, b) || 0);
      body.append(...rows);
    });
  });
}
document.querySelectorAll("table").forEach(sortable);
