/* The leaderboard. TanStack Table sorts and filters the rows of the page; the address keeps the choices. */
(() => {
  "use strict";
  const element = document.getElementById("data");
  if (!element) return;
  const data = JSON.parse(element.textContent);
  const table = document.getElementById("board");
  const body = table.tBodies[0];
  const lines = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  const FIXED = 5; // model, place, mean, mean rank, parameters; the tasks follow
  const PLACE = 1, MEAN = 2, RANK = 3;
  const FIELDS = ["q", "view", "objective", "data", "data_size", "size", "origin", "source"];
  const field = (key) => document.getElementById(`f-${key}`);
  const known = (value) => (value === null ? undefined : value);

  const views = new Map(data.views.map((view) => [view.key, view]));
  data.tasks.forEach((task, index) => views.set(`task-${task.name}`, { key: `task-${task.name}`, tasks: [index], means: null, ranks: null }));
  const START = data.first;

  /* A view leaves out the rows without a number in it. */
  const answers = (row, _, key) => views.get(key).tasks.some((task) => row.original.values[task] !== null || row.original.statuses[task]);
  const number = { sortingFn: "basic", sortUndefined: "last", enableGlobalFilter: false };
  const equal = { filterFn: "equalsString", sortingFn: "text", enableGlobalFilter: false };
  const columns = [
    { id: "model", accessorFn: (row) => row.title, sortingFn: "alphanumeric" },
    { id: "objective", accessorFn: (row) => row.objective || undefined, ...equal, sortUndefined: "last" },
    { id: "data", accessorFn: (row) => row.data || undefined, ...equal, sortUndefined: "last" },
    { id: "data_size", accessorFn: (row) => row.data_size, ...equal },
    { id: "size", accessorFn: (row) => row.size, ...equal },
    { id: "origin", accessorFn: (row) => row.origin, ...equal },
    { id: "source", accessorFn: (row) => row.source, ...equal },
    { id: "answers", accessorFn: () => 0, filterFn: answers, enableGlobalFilter: false },
    { id: "words", accessorFn: (row) => row.words },
    { id: "parameters", accessorFn: (row) => known(row.parameters), ...number },
    ...data.views.flatMap((view) => [
      { id: `mean:${view.key}`, accessorFn: (row) => known(view.means[row.index]), ...number },
      { id: `rank:${view.key}`, accessorFn: (row) => known(view.ranks[row.index]), ...number },
    ]),
    ...data.tasks.map((task, index) => ({ id: `task:${task.name}`, accessorFn: (row) => known(row.values[index]), ...number })),
  ];
  const rows = data.rows.map((row, index) => ({ ...row, index, values: data.values[index], statuses: data.statuses[index] }));

  let state = {};
  let view = START;
  const grid = TableCore.createTable({
    data: rows, columns, state: {}, renderFallbackValue: null, onStateChange: () => {}, autoResetAll: false,
    getCoreRowModel: TableCore.getCoreRowModel(), getFilteredRowModel: TableCore.getFilteredRowModel(), getSortedRowModel: TableCore.getSortedRowModel(),
    globalFilterFn: (row, _, text) => text.toLowerCase().split(/\s+/).every((word) => row.original.words.includes(word)),
    getColumnCanGlobalFilter: (column) => column.id === "words",
  });
  state = grid.initialState;
  const columnOf = (sort) => (sort === "mean" || sort === "rank" ? (data.views.some((one) => one.key === view) ? `${sort}:${view}` : `task:${data.tasks[views.get(view).tasks[0]].name}`) : sort);
  const ascends = (sort) => ["model", "objective", "data", "rank", "parameters"].includes(sort) || data.tasks.some((task) => `task:${task.name}` === sort && task.low);

  /* One style sheet hides the columns outside the view, which is faster than cell by cell. */
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const showColumns = () => {
    const shown = new Set(views.get(view).tasks);
    const hidden = data.tasks.map((_, index) => index).filter((index) => !shown.has(index)).map((index) => FIXED + index + 1);
    const { means, places } = views.get(view);
    if (!means) hidden.push(MEAN + 1);
    if (!places || places.every((place) => place === null)) hidden.push(PLACE + 1, RANK + 1);
    sheet.replaceSync(hidden.length ? `${hidden.map((n) => `#board tr > :nth-child(${n})`).join(",")}{display:none}` : "");
  };
  const percent = (value) => (100 * value).toFixed(1);
  const showMeans = () => {
    const { means, spreads, places, ranks } = views.get(view);
    if (means) lines.forEach((line, index) => {
      line.cells[PLACE].textContent = places[index] ?? "–";
      line.cells[MEAN].textContent = means[index] === null ? "–" : percent(means[index]);
      if (spreads[index] !== null) line.cells[MEAN].append(Object.assign(document.createElement("small"), { textContent: `±${percent(spreads[index])}` }));
      line.cells[RANK].textContent = ranks[index] === null ? "–" : ranks[index].toFixed(1);
    });
  };

  let sort = { key: "mean", down: true };
  const draw = () => {
    const filters = [{ id: "answers", value: view }];
    for (const key of FIELDS.slice(2)) if (field(key) && field(key).value) filters.push({ id: key, value: field(key).value });
    const sorting = [{ id: columnOf(sort.key), desc: sort.down }];
    if (sort.key !== "model") sorting.push({ id: "model", desc: false });
    state = { ...state, sorting, columnFilters: filters, globalFilter: field("q").value.trim() || undefined };
    grid.setOptions((old) => ({ ...old, state }));
    const order = grid.getRowModel().rows.map((row) => lines[row.original.index]);
    body.replaceChildren(...order);
    const rows = `${lines.length} ${lines.length === 1 ? "row" : "rows"}`;
    document.getElementById("count").textContent = order.length === lines.length ? rows : `${order.length} of ${rows}`;
    for (const heading of headings) {
      if (heading.querySelector("button")?.dataset.sort === sort.key) heading.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    }
  };

  /* The address holds only the choices that differ from the start. */
  const write = () => {
    const said = new URLSearchParams();
    for (const key of FIELDS) if (field(key) && field(key).value && !(key === "view" && view === START)) said.set(key, field(key).value);
    if (sort.key !== "mean" || !sort.down) said.set("sort", `${sort.key}${sort.down ? "-" : "+"}`);
    const hash = said.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };
  const read = () => {
    const said = new URLSearchParams(location.hash.slice(1) || location.search);
    for (const key of FIELDS) {
      if (!field(key)) continue;
      field(key).value = said.get(key) ?? (key === "view" ? START : "");
      if (field(key).selectedIndex === -1) field(key).value = key === "view" ? START : ""; // an old link may name a choice that no longer exists
    }
    view = field("view").value;
    const wanted = said.get("sort") || "mean-";
    const key = wanted.slice(0, -1);
    sort = headings.some((heading) => heading.querySelector("button")?.dataset.sort === key) ? { key, down: !wanted.endsWith("+") } : { key: "mean", down: true };
  };
  const update = () => { showColumns(); showMeans(); draw(); };

  /* The shade goes from the worst to the best comparable value of a column. */
  const shade = () => {
    data.tasks.forEach((task, index) => {
      const found = data.values.map((values) => values[index]).filter((value) => value !== null);
      const low = Math.min(...found), span = Math.max(...found) - low || 1;
      data.values.forEach((values, row) => {
        if (values[index] === null) return;
        const share = (values[index] - low) / span;
        lines[row].cells[FIXED + index].style.setProperty("--h", (task.low ? 1 - share : share).toFixed(2));
      });
    });
  };

  let waiting = 0;
  field("q").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => { draw(); write(); }, 80); });
  for (const key of FIELDS.slice(1)) field(key)?.addEventListener("change", () => {
    if (key === "view") { view = field("view").value; if (sort.key.startsWith("task:")) sort = { key: "mean", down: true }; }
    update(); write();
  });
  for (const heading of headings) heading.querySelector("button")?.addEventListener("click", (event) => {
    const key = event.currentTarget.dataset.sort;
    sort = { key, down: sort.key === key ? !sort.down : !ascends(key) };
    draw(); write();
  });
  document.getElementById("reset").addEventListener("click", () => {
    for (const key of FIELDS) if (field(key)) field(key).value = key === "view" ? START : "";
    view = START; sort = { key: "mean", down: true };
    update(); write();
  });
  const toggle = (id, name, on) => { const box = field(id); if (!box) return; const set = () => table.classList.toggle(name, on(box.checked)); box.addEventListener("change", set); set(); };
  toggle("shade", "shade", (checked) => checked);
  toggle("intervals", "bare", (checked) => !checked);
  const form = document.querySelector("form.tools");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  addEventListener("hashchange", () => { read(); update(); });
  shade(); read(); update();
})();
