/* The plots. plotly.js is a file beside this one; the colours are those of the page, light or dark. */
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  /* The buttons are listed here because plotly's default has one that uploads the chart. */
  const CONFIG = { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] };
  const STARTS = { y: data.measures.some((one) => one.key === data.first) ? data.first : data.measures[0].key, view: data.first };
  const choice = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const SYMBOLS = { measured: "circle", imported: "diamond", published: "circle-open" };
  const escape = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]); // plotly reads a little HTML in texts
  const short = (text, most = 40) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
  const named = (index, most) => escape(short(data.rows[index].title, most));
  const percent = (value) => (100 * value).toFixed(1);

  /* 1, 2 and 5 of each power of ten, as people write them. */
  const ticks = (values) => {
    const found = values.filter((value) => value > 0);
    if (!found.length) return {};
    const steps = [];
    for (let power = Math.floor(Math.log10(Math.min(...found))); power <= Math.ceil(Math.log10(Math.max(...found))); power += 1) for (const one of [1, 2, 5]) steps.push(one * 10 ** power);
    const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
    return { tickmode: "array", tickvals: steps, ticktext: steps.map((step) => short.format(step)) };
  };
  const axis = (title, more) => ({ title: { text: escape(title) }, gridcolor: colour("line"), linecolor: colour("line"), zeroline: false, automargin: true, ...more });
  const layout = (x, y, more) => ({
    font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 13 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 64, r: 24, t: 44, b: 56 }, hovermode: "closest", xaxis: x, yaxis: y, height: 480, dragmode: innerWidth < 640 ? false : "zoom",
    legend: { orientation: "h", y: -0.2, yanchor: "top" }, modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") }, hoverlabel: { font: { family: "inherit" } }, ...more,
  });
  const draw = (id, traces, look, more) => Plotly.react(id, traces, look, { ...CONFIG, ...more });
  const go = (id) => choice(id).on("plotly_click", (event) => { const point = event.points[0]; if (point.customdata?.href) location.href = point.customdata.href; });
  const fill = (id, key, fallback) => { const select = choice(id); if (!select) return; select.value = key ?? fallback; if (select.selectedIndex === -1) select.value = fallback; };

  /* One trace for each objective, so that the legend filters. */
  const UNKNOWN = "objective unknown";
  const objectives = [...new Set(data.rows.map((row) => row.objective).filter(Boolean)), UNKNOWN];
  const palette = () => [1, 2, 3, 4, 5, 6].map((n) => colour(`c${n}`));
  const FEW = 16; // with up to this number of points, there is room for their names
  const clouds = (xs, ys, hover) => objectives.map((objective, group) => {
    const labelled = xs.filter((x, i) => x !== null && ys[i] !== null).length <= FEW;
    const rows = data.rows.map((_, index) => index).filter((index) => (data.rows[index].objective || UNKNOWN) === objective && xs[index] !== null && ys[index] !== null);
    return {
      type: "scatter", mode: labelled ? "markers+text" : "markers", name: escape(short(objective)), x: rows.map((i) => xs[i]), y: rows.map((i) => 100 * ys[i]), text: rows.map((i) => named(i, 24)), textposition: "top center", textfont: { size: 11 }, cliponaxis: false,
      marker: { size: 10, color: objective === UNKNOWN ? colour("soft") : palette()[group % 6], symbol: rows.map((i) => SYMBOLS[data.rows[i].origin]), line: { width: 1.5 } },
      customdata: rows.map((i) => ({ href: data.rows[i].href })), hovertext: rows.map((i) => hover(i)), hovertemplate: "%{hovertext}<extra></extra>",
    };
  }).filter((trace) => trace.x.length);

  const cost = () => {
    const price = data.costs.find((one) => one.key === choice("p-x").value);
    const measure = data.measures.find((one) => one.key === choice("p-y").value);
    const front = measure.fronts[price.key];
    const steps = { type: "scatter", mode: "lines", name: "Pareto front", x: front.map((i) => price.values[i]), y: front.map((i) => 100 * measure.values[i]), line: { color: colour("soft"), dash: "dot", width: 1.5, shape: price.low ? "hv" : "vh" }, hoverinfo: "skip" };
    const spoken = (index) => `<b>${named(index)}</b><br>${escape(measure.title)}: ${percent(measure.values[index])}<br>${escape(price.title)}: ${price.values[index].toLocaleString("en")}`;
    const traces = [steps, ...clouds(price.values, measure.values, spoken)];
    draw("plot-cost", traces, layout(axis(price.title, { type: "log", ...ticks(traces.flatMap((trace) => trace.x)) }), axis(`${short(measure.title, innerWidth < 640 ? 28 : 60)}, percent`)));
    choice("front").textContent = front.length
      ? `On the Pareto front (of the models ${measure.among}, no other is as ${price.low ? "cheap" : "fast"} and better): ${front.map((i) => `${short(data.rows[i].title)} (${percent(measure.values[i])})`).join(", ")}.`
      : "No model has both numbers.";
  };

  const heat = () => {
    const view = data.views.find((one) => one.key === choice("p-view").value);
    const within = choice("p-colour").value === "within";
    const mean = (row) => { const found = view.tasks.map((t) => data.values[row][t]).filter((v) => v !== null); return found.length ? found.reduce((a, b) => a + b) / found.length : -1; };
    const rows = data.rows.map((_, index) => index).filter((row) => view.tasks.some((t) => data.values[row][t] !== null)).sort((a, b) => (view.means[a] ?? mean(a) - 1) - (view.means[b] ?? mean(b) - 1));
    const range = view.tasks.map((t) => { const found = rows.map((r) => data.values[r][t]).filter((v) => v !== null); return [Math.min(...found), Math.max(...found)]; });
    const scaled = (value, task, column) => {
      if (value === null || data.tasks[task].rank) return within && value !== null ? relative(value, task, column) : null;
      return within ? relative(value, task, column) : 100 * value;
    };
    const relative = (value, task, column) => { const [low, high] = range[column]; const share = high > low ? (value - low) / (high - low) : 1; return 100 * (data.tasks[task].low ? 1 - share : share); };
    const z = rows.map((row) => view.tasks.map((task, column) => scaled(data.values[row][task], task, column)));
    const hover = rows.map((row) => view.tasks.map((task) => `<b>${named(row)}</b><br>${escape(short(data.tasks[task].title))}: ${data.values[row][task] === null ? "no answer" : data.tasks[task].rank ? `rank ${data.values[row][task].toFixed(1)}` : percent(data.values[row][task])}`));
    const ROW = rows.length < 12 ? 40 : 18;
    const trace = {
      type: "heatmap", z, hovertext: hover, hovertemplate: "%{hovertext}<extra></extra>", xgap: 1, ygap: 1, zmin: 0, zmax: 100, hoverongaps: false,
      x: view.tasks.map((_, i) => i), y: rows.map((_, i) => i), colorscale: [[0, colour("sunken")], [1, colour("tint")]], colorbar: { title: { text: within ? "best" : "%" }, thickness: 12, len: Math.min(160, ROW * rows.length), lenmode: "pixels", y: 1, yanchor: "top" },
      text: rows.length * view.tasks.length <= 240 && !within ? z.map((line) => line.map((v) => (v === null ? "" : v.toFixed(1)))) : undefined, texttemplate: rows.length * view.tasks.length <= 240 && !within ? "%{text}" : undefined,
    };
    const narrow = innerWidth < 640;
    const x = { tickvals: view.tasks.map((_, i) => i), ticktext: view.tasks.map((t) => escape(short(data.tasks[t].title, 24))), side: "top", tickangle: -90, showgrid: false, zeroline: false, automargin: true, fixedrange: true };
    const y = { tickvals: rows.map((_, i) => i), ticktext: rows.map((r) => named(r, narrow ? 14 : 34)), showgrid: false, zeroline: false, automargin: true, fixedrange: true, tickfont: { size: 11 } };
    const width = 320 + (view.tasks.length <= 16 ? 56 : 26) * view.tasks.length;
    draw("plot-heat", [trace], layout(x, y, { height: 200 + ROW * rows.length, width, margin: { l: 20, r: 10, t: 20, b: 20 }, dragmode: false }), { displayModeBar: false, responsive: false });
  };

  const shift = () => {
    const chosen = data.shifts.find((one) => one.key === choice("p-shift").value);
    const spoken = (index) => `<b>${named(index)}</b><br>ImageNet: ${percent(data.clean[index])}<br>${escape(chosen.title)}: ${percent(chosen.values[index])}`;
    const traces = clouds(data.clean.map((value) => (value === null ? null : 100 * value)), chosen.values, spoken);
    const line = { type: "scatter", mode: "lines", name: "as good on both", x: [0, 100], y: [0, 100], line: { color: colour("soft"), dash: "dash", width: 1 }, hoverinfo: "skip" };
    const spread = (values, pad) => [Math.max(0, Math.min(...values) - pad), Math.min(100, Math.max(...values) + pad)];
    draw("plot-shift", [line, ...traces], layout(axis("ImageNet, percent", { range: spread(traces.flatMap((t) => t.x), 4) }), axis(`${chosen.title}, percent`, { range: spread(traces.flatMap((t) => t.y), 6) })));
  };

  const parts = [["p-x", "x", cost], ["p-y", "y", cost], ["p-view", "view", heat], ["p-colour", "colour", heat], ["p-shift", "shift", shift]].filter(([id]) => choice(id));
  /* A plot is drawn when the reader scrolls near it, so that the first one appears sooner. */
  const places = new Map([["plot-cost", cost], ["plot-heat", heat], ["plot-shift", shift]].filter(([id]) => choice(id)));
  const drawn = new Set();
  const near = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
    near.unobserve(target);
    drawn.add(target.id);
    places.get(target.id)();
    if (target.id !== "plot-heat") go(target.id);
  }), { rootMargin: "300px" });
  const all = () => drawn.forEach((id) => places.get(id)());
  const read = () => {
    const said = new URLSearchParams(location.hash.slice(1));
    for (const [id, key] of parts) fill(id, said.get(key), STARTS[key] ?? choice(id).options[0].value);
  };
  const write = () => {
    const said = new URLSearchParams();
    for (const [id, key] of parts) if (choice(id).value !== (STARTS[key] ?? choice(id).options[0].value)) said.set(key, choice(id).value);
    history.replaceState(null, "", said.size ? `#${said}` : location.pathname + location.search);
  };
  for (const form of document.querySelectorAll("form.tools")) form.addEventListener("submit", (event) => event.preventDefault());
  for (const [id, , part] of parts) choice(id).addEventListener("change", () => { part(); write(); });
  addEventListener("hashchange", () => { read(); all(); });
  document.addEventListener("themechange", all);
  read();
  for (const id of places.keys()) near.observe(choice(id));
})();
