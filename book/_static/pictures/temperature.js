// The weights of eight random keys: p = softmax(q·k / (√d_k T)), for growing d_k, with and without the root.
"use strict";

Pictures.add("temperature", ({ stage, say }) => {
  const { element, entropy, line, normals, number, path, plane, set, slider, softmax, sum, svg, text, toggle } = Pictures;
  const n = 8; // keys
  const LEVELS = 11; // d_k = 2⁰ … 2¹⁰
  const DRAWS = 50; // the curves are means over so many; the bars show the first

  // scores[draw][level]: q·k_1 … q·k_8, q and k standard normal of width 2^level; a narrower one is a wider one cut short.
  const normal = normals(6);
  const scores = Array.from({ length: DRAWS }, () => {
    const now = new Array(n).fill(0), levels = [];
    for (let d = 1; d <= 2 ** (LEVELS - 1); d++) {
      const q = normal();
      for (let i = 0; i < n; i++) {
        now[i] += q * normal();
      }
      if (Number.isInteger(Math.log2(d))) {
        levels.push([...now]);
      }
    }
    return levels;
  });

  let level = 6, root = false, T = 1;

  const weights = (draw, level, root) => softmax(scores[draw][level].map((z) => z / (T * (root ? Math.sqrt(2 ** level) : 1))));
  const mean = (level, root) => sum(scores.map((_, draw) => entropy(weights(draw, level, root)))) / DRAWS;

  const bars = plane({ width: 320, height: 240, frame: [0, n, 0, 1], margin: [16, 4, 28, 30], label: "The weights of the eight keys" });
  const chart = plane({ width: 320, height: 240, frame: [0, LEVELS - 1, 0, Math.log(n) * 1.1], margin: [16, 12, 28, 30], label: "Entropy against the width" });
  for (const [p, ticks, end] of [[bars, [0, 0.5, 1], n], [chart, [0, 1, 2], LEVELS - 1]]) {
    for (const tick of ticks) {
      p.node.append(line(p, [0, tick], [end, tick], { class: "faint" }), text(p, [0, tick], String(tick), { dx: -6, dy: 4, "text-anchor": "end" }));
    }
  }
  const columns = Array.from({ length: n }, (_, i) => {
    bars.node.append(text(bars, [i + 0.5, 0], `k${"₁₂₃₄₅₆₇₈"[i]}`, { dy: 18, "text-anchor": "middle" }));
    return bars.node.appendChild(svg("rect", { x: bars.x(i + 0.12), width: bars.x(0.76) - bars.x(0), class: "dot c0" }));
  });
  const labels = columns.map((_, i) => bars.node.appendChild(svg("text", { x: bars.x(i + 0.5), "text-anchor": "middle", class: "small" })));

  const top = Math.log(n);
  chart.node.append(line(chart, [0, top], [LEVELS - 1, top], { class: "dashed" }), text(chart, [LEVELS - 1, top], "log 8", { dy: -5, "text-anchor": "end" }));
  for (const l of [0, 2, 4, 6, 8, 10]) {
    chart.node.append(text(chart, [l, 0], String(2 ** l), { dy: 18, "text-anchor": "middle" }));
  }
  const plain = svg("path", { class: "line thick c1" }), rooted = svg("path", { class: "line thick c0" });
  const here = svg("circle", { r: 7, class: "context" });
  chart.node.append(plain, rooted, here);

  const facts = element("p", { class: "picture-result" });
  const update = () => {
    const p = weights(0, level, root);
    p.forEach((x, i) => {
      set(columns[i], { y: bars.y(x), height: bars.y(0) - bars.y(x) });
      set(labels[i], { y: bars.y(x) - 4 });
      labels[i].textContent = number(x);
    });
    const range = Array.from({ length: LEVELS }, (_, l) => l);
    set(plain, { d: path(chart, range.map((l) => [l, mean(l, false)])) });
    set(rooted, { d: path(chart, range.map((l) => [l, mean(l, true)])) });
    set(here, { cx: chart.x(level), cy: chart.y(entropy(p)) });
    const jacobian = Math.max(...p.map((x) => x * (1 - x))); // its largest entry is on the diagonal
    facts.textContent = `Entropy ${number(entropy(p))} of log 8 = ${number(top)}. Largest entry of the softmax’s Jacobian: ${number(jacobian, 3)}. Largest weight: ${number(Math.max(...p), 3)}.`;
    say(facts.textContent);
  };

  const width = slider({ label: "width d_k", min: 0, max: LEVELS - 1, step: 1, value: level, show: (l) => String(2 ** l) }, (l) => {
    level = l;
    update();
  });
  const heat = slider({ label: "temperature T", min: -1, max: 1, step: 0.05, value: 0, show: (v) => number(10 ** v) }, (v) => {
    T = 10 ** v;
    update();
  });
  const divide = toggle("divide by √d_k", root, (on) => {
    root = on;
    update();
  });

  const panel = (title, p) => element("div", { class: "picture-panel" }, element("p", {}, ...title), p.node);
  const key = (c, words) => element("span", { class: `key ${c}` }, words);
  stage.append(
    element("div", { class: "picture-controls" }, width.node, heat.node, divide.node),
    element(
      "div",
      { class: "picture-row" },
      panel(["Weights p of the 8 keys"], bars),
      panel(["Entropy against d_k: ", key("c0", "with √d_k"), ", ", key("c1", "without")], chart),
    ),
    facts,
  );
  update();
});
