"use strict";
// The table of weights: found by a part of a name, sorted by either column.
(function () {
  const table = document.getElementById("weights-table");
  if (!table) return;
  const search = document.getElementById("weights-search");
  const found = document.getElementById("weights-found");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  document.getElementById("weights-tools").hidden = false;

  function filter() {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
      if (!row.hidden) shown += 1;
    }
    found.textContent = shown + " of " + rows.length + " rows";
  }

  function value(row, column) {
    const cell = row.cells[column];
    if (column === 0) return cell.textContent;
    const number = Number(cell.dataset.value);
    return column === 1 ? number : Math.abs(number);
  }

  table.tHead.querySelectorAll("th").forEach(function (head, column) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", function () {
      const up = head.getAttribute("aria-sort") !== "ascending";
      table.tHead.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.sort(function (one, other) {
        const a = value(one, column), b = value(other, column);
        const order = column === 0 ? a.localeCompare(b) : a - b;
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
  search.addEventListener("input", filter);
  filter();
})();
