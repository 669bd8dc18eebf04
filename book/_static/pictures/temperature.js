// The weights p = softmax(z / T) of eight keys whose scores z = q·k are random, d_k wide, divided by √d_k or not.
"use strict";

Pictures.add("temperature", ({ stage, say }) => {
  const { button, dot, element, entropy, line, normals, number, path, plane, set, slider, softmax, sum, svg, text, toggle } = Pictures;
  const N = 8; // keys
  const LEVELS = Array.from({ length: 11 }, (_, l) => l); // d_k = 2⁰ … 2¹⁰
  const DRAWS = 100; // the curves are means over so many

  // scores[draw][level] holds q·k₁ … q·k₈. The entries of q and k are standard normal. Given q, what the entries from d/2 to d add to
  // the eight scores is normal, too, with the variance Σ q² over them: so the keys need not be drawn entry by entry.
  const normal = normals(6);
  const scores = Array.from({ length: DRAWS }, () => {
    let z = new Array(N).fill(0), before = 0;
    return LEVELS.map((l) => {
      const q = Array.from({ length: 2 ** l - before }, normal);
      before = 2 ** l;
      return (z = z.map((s) => s + Math.sqrt(dot(q, q)) * normal()));
    });
  });

  let draw = 0, level = 6, root = false, T = 1;
  const weights = (draw, level, root) => softmax(scores[draw][level].map((z) => z / (root ? Math.sqrt(2 ** level) : 1) / T));
  const curve = (root) => LEVELS.map((l) => [l, sum(scores.map((_, draw) => entropy(weights(draw, l, root)))) / DRAWS]);
  const d_k = () => element("span", {}, "d", element("sub", {}, "k"));
  const size = { width: 320, height: 230, margin: [16, 12, 24, 30] };

  // ---- the bars
  const bars = plane({ ...size, frame: [0, N, 0, 1], label: "The weights of the eight keys" });
  const axis = (p, ticks, right) => {
    for (const tick of ticks) {
      p.node.append(line(p, [0, tick], [right, tick], { class: "faint" }), text(p, [0, tick], String(tick), { dx: -6, dy: 4, "text-anchor": "end" }));
    }
  };
  axis(bars, [0, 0.5, 1], N);
  const columns = Array.from({ length: N }, (_, i) => {
    bars.node.append(text(bars, [i + 0.5, 0], `k${"₁₂₃₄₅₆₇₈"[i]}`, { dy: 18, "text-anchor": "middle" }));
    const bar = svg("rect", { x: bars.x(i + 0.12), width: bars.x(0.76) - bars.x(0) });
    const label = svg("text", { x: bars.x(i + 0.5), "text-anchor": "middle", class: "small" });
    bars.node.append(bar, label);
    return { bar, label };
  });

  // ---- the curves
  const end = LEVELS.at(-1), most = Math.log(N);
  const chart = plane({ ...size, frame: [0, end, 0, 2.3], label: "Entropy of the weights against the width" });
  axis(chart, [0, 1, 2], end);
  for (const l of LEVELS.filter((l) => l % 2 === 0)) {
    chart.node.append(text(chart, [l, 0], String(2 ** l), { dy: 18, "text-anchor": "middle" }));
  }
  chart.node.append(line(chart, [0, most], [end, most], { class: "dashed" }), text(chart, [end, most], "log 8", { dy: -5, "text-anchor": "end" }));
  const curves = [true, false].map((root) => ({ root, line: chart.node.appendChild(svg("path", { class: `line thick c${root ? 0 : 1}` })) }));
  const here = chart.node.appendChild(svg("circle", { r: 7, class: "context" }));
  const facts = element("p", { class: "picture-result" });

  const update = () => {
    const p = weights(draw, level, root), H = entropy(p);
    columns.forEach(({ bar, label }, i) => {
      set(bar, { y: bars.y(p[i]), height: bars.y(0) - bars.y(p[i]), class: `dot c${root ? 0 : 1}` });
      set(label, { y: bars.y(p[i]) - 4 });
      label.textContent = number(p[i]);
    });
    curves.forEach(({ root, line }) => set(line, { d: path(chart, curve(root)) }));
    set(here, { cx: chart.x(level), cy: chart.y(H) });
    const largest = Math.max(...p.map((x) => x * (1 - x))); // of diag(p) − ppᵀ; no entry beside the diagonal is larger
    facts.textContent =
      `Entropy H = ${number(H)} of log 8 = ${number(most)}. Keys looked at, e^H: ${number(Math.exp(H), 1)} of 8. ` +
      `Largest entry of the softmax’s Jacobian: ${number(largest, 3)} of at most 0.25.`;
    say(facts.textContent);
  };

  const width = slider({ label: element("span", {}, "width ", d_k()), min: 0, max: end, step: 1, value: level, show: (l) => String(2 ** l) }, (l) => {
    level = l;
    update();
  });
  const heat = slider({ label: "temperature T", min: -1, max: 2, step: 0.05, value: 0, show: (v) => number(10 ** v, v < 1 ? 2 : 1) }, (v) => {
    T = 10 ** v;
    update();
  });
  const divide = toggle(element("span", {}, "divide by √", d_k()), root, (on) => {
    root = on;
    update();
  });
  const again = button("other keys", () => {
    draw = (draw + 1) % DRAWS;
    update();
  });

  const panel = (title, p) => element("div", { class: "picture-panel" }, element("p", {}, ...title), p.node);
  const key = (c, ...words) => element("span", { class: `key ${c}` }, ...words);
  stage.append(
    element("div", { class: "picture-controls" }, width.node, heat.node, divide.node, again),
    element(
      "div",
      { class: "picture-row" },
      panel(["Weights p of eight keys"], bars),
      panel(["Mean entropy against ", d_k(), ": ", key("c0", "with √", d_k()), ", ", key("c1", "without"), "; ● these keys"], chart),
    ),
    facts,
  );
  update();
});
