// α and c as the query moves: four keys in a plane, their values in another. α = softmax(q Kᵀ), c = α V.
"use strict";

Pictures.add("query", ({ stage, say }) => {
  const { dot, element, handle, line, matmul, number, path, plane, set, slider, softmax, sum, svg, text } = Pictures;
  const WORDS = [["我", "I"], ["想", "want"], ["吃", "eat"], ["汉堡", "hamburger"]];
  const K = [[1.6, 0.8], [-0.4, 1.8], [-1.8, 0], [0.6, -1.6]]; // [4, 2]
  const V = [[-1.8, -1.4], [-1.2, 1.6], [1.4, 1.8], [1.8, -1.2]]; // [4, 2], in the order of their hull
  const START = [-1, 0.8];
  const LONGEST = 4;
  let q = START;

  const keys = plane({ width: 320, height: 320, frame: [-3, 3, -3, 3], label: "The keys and the query", parts: true });
  const values = plane({ width: 320, height: 320, frame: [-3, 3, -3, 3], label: "The values and the context vector" });
  for (const p of [keys, values]) {
    p.node.append(line(p, [-3, 0], [3, 0], { class: "faint" }), line(p, [0, -3], [0, 3], { class: "faint" }));
  }

  K.forEach((k, i) => {
    keys.node.append(line(keys, [0, 0], k, { class: `line c${i}` }), svg("circle", { cx: keys.x(k[0]), cy: keys.y(k[1]), r: 6, class: `dot c${i}` }));
    const below = k[1] < 0;
    keys.node.append(text(keys, k, WORDS[i][0], { dy: below ? 22 : -12, "text-anchor": "middle", class: `name c${i}` }));
  });
  const arrow = line(keys, [0, 0], q, { class: "query-arrow" });
  const knob = handle(keys, "Query q: the arrow keys move it", q, (to) => move(to));
  const letter = text(keys, q, "q", { class: "name", dx: 12, dy: 18 });
  keys.node.append(arrow, letter, knob.node);

  values.node.append(svg("path", { d: `${path(values, V)}Z`, class: "area" }));
  const pulls = V.map((v, i) => values.node.appendChild(line(values, v, v, { class: `line c${i}` })));
  const dots = V.map((v, i) => values.node.appendChild(svg("circle", { cx: values.x(v[0]), cy: values.y(v[1]), class: `dot c${i}` })));
  V.forEach((v, i) => {
    values.node.append(text(values, v, WORDS[i][0], { dy: v[1] < 0 ? 34 : -24, "text-anchor": "middle", class: `name c${i}` }));
  });
  const c = svg("circle", { r: 7, class: "context" });
  const cName = svg("text", { class: "name", dx: 10, dy: -8 }, "c");
  values.node.append(c, cName);

  const rows = WORDS.map(([word, meaning], i) => {
    const score = element("td"), bar = element("span", { class: `bar c${i}` }), weight = element("td");
    const name = element("th", { scope: "row" }, element("span", { lang: "zh" }, word), ` ${meaning}`);
    const row = element("tr", {}, name, score, element("td", { class: "picture-bars" }, bar), weight);
    return { row, score, bar, weight };
  });
  const heads = ["key", "score q·k", "", "α"].map((head) => (head ? element("th", { scope: "col" }, head) : element("td")));
  const total = element("td");
  const last = element("tr", {}, element("th", { scope: "row" }, "sum"), element("td"), element("td"), total);
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows.map((r) => r.row), last));
  const result = element("p", { class: "picture-result" });

  const long = slider(
    { label: "length of q", min: 0, max: LONGEST, step: 0.05, value: 0, show: (v) => number(v) },
    (length) => move([length * Math.cos(angle), length * Math.sin(angle)]),
  );
  const turn = slider(
    { label: "direction of q", min: -180, max: 180, step: 1, value: 0, show: (v) => `${number(v, 0)}°` },
    (degrees) => {
      angle = (degrees * Math.PI) / 180;
      const length = Math.hypot(...q);
      move([length * Math.cos(angle), length * Math.sin(angle)]);
    },
  );
  let angle = 0; // kept while q is 0 and has no direction

  const move = (to) => {
    const length = Math.hypot(...to);
    q = length > LONGEST ? to.map((x) => (x * LONGEST) / length) : to;
    draw();
    const best = alpha().indexOf(Math.max(...alpha()));
    say(`${rows.map((r, i) => `${WORDS[i][1]} ${r.weight.textContent}`).join(", ")}. Largest: ${WORDS[best][1]}. ${result.textContent}`);
  };
  const alpha = () => softmax(K.map((k) => dot(q, k)));

  const draw = () => {
    const a = alpha();
    const [context] = matmul([a], V);
    if (Math.hypot(...q) > 1e-9) {
      angle = Math.atan2(q[1], q[0]);
    }
    knob.set(q);
    set(arrow, { x2: keys.x(q[0]), y2: keys.y(q[1]) });
    set(letter, { x: keys.x(q[0]), y: keys.y(q[1]) });
    long.set(Math.hypot(...q));
    turn.set((angle * 180) / Math.PI);
    rows.forEach((r, i) => {
      r.score.textContent = number(dot(q, K[i]));
      r.weight.textContent = number(a[i], 3);
      r.bar.style.width = `${100 * a[i]}%`;
      set(dots[i], { r: 3 + 15 * Math.sqrt(a[i]) });
      set(pulls[i], { x2: values.x(context[0]), y2: values.y(context[1]), "stroke-width": 0.5 + 6 * a[i] });
    });
    total.textContent = number(sum(a), 3);
    set(c, { cx: values.x(context[0]), cy: values.y(context[1]) });
    set(cName, { x: values.x(context[0]), y: values.y(context[1]) });
    result.textContent = `c = Σ α v = (${number(context[0])}, ${number(context[1])})`;
  };

  const panel = (title, p) => element("div", { class: "picture-panel" }, element("p", {}, title), p.node);
  const panels = element("div", { class: "picture-row" }, panel("Keys, and the query q to drag", keys), panel("Values, and their mixture c", values));
  stage.append(panels, element("div", { class: "picture-controls" }, long.node, turn.node), table, result);
  draw();
});
