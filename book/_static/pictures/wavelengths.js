// Sinusoidal positions as clocks: PE(p)[2i] = sin(p ω_i), PE(p)[2i+1] = cos(p ω_i), ω_i = 10000^(−2i/d). Each pair of columns is a clock
// of its own wavelength 2π/ω_i. Two rows, p and p + k, and their inner product Σ_i cos(k ω_i), in which p does not occur.
"use strict";

Pictures.add("wavelengths", ({ stage, say }) => {
  const { choice, dot, element, line, number, path, plane, set, slider, svg, text } = Pictures;
  const WIDTHS = [8, 32, 128, 512];
  const LAST = 200; // the largest position p
  const FAR = 50; // the largest offset k, in both directions
  const CLOCKS = 8; // shown at most
  const offsets = Array.from({ length: 2 * FAR + 1 }, (_, j) => j - FAR);

  let d = 8, p = 10, k = 5;

  const omega = (i) => 10000 ** ((-2 * i) / d);
  const PE = (position) => Array.from({ length: d }, (_, j) => (j % 2 ? Math.cos : Math.sin)(position * omega(j >> 1)));
  const long = (x) => (x < 100 ? number(x, 1) : Math.round(x).toLocaleString("en"));

  // ---- the rows PE(p), PE(p + k) and their product, entry by entry: a cell for each column
  const strips = ["PE(p)", "PE(p + k)", "PE(p) times PE(p + k), entry by entry"].map((name) => {
    const node = svg("svg", { class: "picture-strip", preserveAspectRatio: "none", role: "img", "aria-label": name });
    return { node, box: element("div", {}, element("p", { class: "picture-note" }, name), node) };
  });
  const drawStrips = (rows) =>
    rows.forEach((row, r) => {
      const cell = (x, j) => svg("rect", { x: j, width: 1, height: 1, class: `cell ${x < 0 ? "c1" : "c0"}`, "fill-opacity": Math.abs(x).toFixed(3) });
      set(strips[r].node, { viewBox: `0 0 ${d} 1` });
      strips[r].node.replaceChildren(...row.map(cell));
    });

  // ---- the clocks: the hand points to (sin, cos), so it starts at the top and turns clockwise, as on a wall
  const clocks = element("div", { class: "picture-clocks" });
  const drawClocks = () => {
    const pairs = d / 2, shown = Math.min(CLOCKS, pairs);
    const chosen = Array.from({ length: shown }, (_, c) => Math.round((c * (pairs - 1)) / (shown - 1)));
    const face = (i) => {
      const clock = plane({ width: 64, height: 64, frame: [-1.1, 1.1, -1.1, 1.1], label: `Columns ${2 * i} and ${2 * i + 1}` });
      const hand = (position, c) => {
        const end = [Math.sin(position * omega(i)), Math.cos(position * omega(i))];
        return line(clock, [0, 0], end, { class: `line thick ${c}` });
      };
      clock.node.append(svg("circle", { cx: 32, cy: 32, r: 29, class: "area" }), hand(p, "c0"), hand(p + k, "c1"));
      return element("div", {}, clock.node, element("span", {}, long((2 * Math.PI) / omega(i))));
    };
    clocks.replaceChildren(...chosen.map(face));
  };

  // ---- the inner product against the offset
  const size = { width: 320, height: 220, margin: [12, 12, 24, 34] };
  let chart, curve, here;
  const chartBox = element("div");
  const axes = () => {
    chart = plane({ ...size, frame: [-FAR, FAR, Math.min(-1, -d / 8), d / 2], label: "The inner product PE(p)·PE(p + k) against the offset k" });
    for (const tick of [0, d / 4, d / 2]) {
      chart.node.append(line(chart, [-FAR, tick], [FAR, tick], { class: "faint" }), text(chart, [-FAR, tick], String(tick), { dx: -6, dy: 4, "text-anchor": "end" }));
    }
    for (const tick of [-FAR, -25, 0, 25, FAR]) {
      chart.node.append(text(chart, [tick, chart.frame[2]], number(tick, 0), { dy: 18, "text-anchor": "middle" }));
    }
    curve = svg("path", { class: "line thick c0" });
    here = svg("circle", { r: 7, class: "context" });
    chart.node.append(curve, here);
    chartBox.replaceChildren(chart.node);
  };
  const facts = element("p", { class: "picture-result" });

  const update = () => {
    const row = PE(p), other = PE(p + k);
    const product = dot(row, other);
    drawStrips([row, other, row.map((x, j) => x * other[j])]);
    drawClocks();
    set(curve, { d: path(chart, offsets.map((far) => [far, dot(row, PE(p + far))])) });
    set(here, { cx: chart.x(k), cy: chart.y(product) });
    facts.textContent = `PE(${p})·PE(${number(p + k, 0)}) = ${number(product, 3)}, at any p with k = ${number(k, 0)}. PE(${p})·PE(${p}) = ${number(dot(row, row), 3)}, half of d.`;
    say(facts.textContent);
  };

  const where = slider({ label: "place p", min: 0, max: LAST, step: 1, value: p, show: String }, (v) => {
    p = v;
    update();
  });
  const offset = slider({ label: "offset k", min: -FAR, max: FAR, step: 1, value: k, show: (v) => number(v, 0) }, (v) => {
    k = v;
    update();
  });
  const widths = choice(element("span", {}, "width d", element("sub", {}, "model")), WIDTHS.map((width) => [width, width]), d, (width) => {
    d = width;
    axes();
    update();
  });

  const key = (c, ...words) => element("span", { class: `key ${c}` }, ...words);
  const panel = (node, ...title) => element("div", { class: "picture-panel" }, element("p", {}, ...title), node);
  stage.append(
    element("div", { class: "picture-controls" }, where.node, offset.node, widths.node),
    element("p", {}, "The rows, a cell for each column: ", key("c0", "above 0"), ", ", key("c1", "below"), ", pale near 0"),
    ...strips.map(({ box }) => box),
    element(
      "div",
      { class: "picture-row" },
      panel(clocks, "Columns in pairs, as clocks, with their wavelengths: ", key("c0", "p"), ", ", key("c1", "p + k")),
      panel(chartBox, "Inner product against the offset k; ● here"),
    ),
    facts,
  );
  axes();
  update();
});
