/* Sorts a table of class "sortable" by a column: a click on a heading, then another click for the other direction. */
(() => {
  "use strict";
  const value = (row, place) => row.cells[place].textContent.trim();
  const number = (text) => (text === "–" ? NaN : Number.parseFloat(text.replaceAll(",", "")));
  const compare = (one, other, up) => {
    const [a, b] = [number(one), number(other)];
    if (Number.isNaN(a) && Number.isNaN(b)) return one.localeCompare(other) * (up ? 1 : -1);
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1; // what is not known comes last
    return (a - b) * (up ? 1 : -1);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, place) => {
      if (heading.classList.contains("plain")) return;
      const numeric = place > 0; // numbers begin with the highest, names with A
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const before = heading.getAttribute("aria-sort");
        const up = before ? before === "descending" : !numeric;
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((one, other) => compare(value(one, place), value(other, place), up));
        table.tBodies[0].append(...rows);
      });
    });
  }
})();
