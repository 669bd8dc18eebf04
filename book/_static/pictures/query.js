// α and c as the query moves: four keys in a plane, their values in another. α = softmax(q Kᵀ), c = α V.
"use strict";

Pictures.add("query", ({ stage, say }) => {
  const { choice, dot, element, handle, line, matmul, number, path, plane, set, slider, softmax, sum, svg, text } = Pictures;
  const WORDS = [["我", "I"], ["想", "want"], ["吃", "eat"], ["汉堡", "hamburger"]];
  const K = [[1.6, 0.8], [-0.4, 1.8], [-1.8, 0], [0.6, -1.6]]; // [4, 2]
  const V = [[-1.8, -1.4], [-1.2, 1.6], [1.4, 1.8], [1.8, -1.2]]; // [4, 2], in the order of their hull
  const LONGEST = 3;
  let q = [-1, 0.8]; // between two keys
  let angle = 0; // of q, in radians; kept while q is 0 and has no direction

  // ---- two planes
  const keys = plane({ width: 320, height: 300, frame: [-3.2, 3.2, -3, 3], label: "The keys and the query", parts: true });
  const values = plane({ width: 320, height: 300, frame: [-2.56, 2.56, -2.4, 2.4], label: "The values and their mixture c" });
  for (const p of [keys, values]) {
    const [left, right, bottom, top] = p.frame;
    p.node.append(line(p, [left, 0], [right, 0], { class: "faint" }), line(p, [0, bottom], [0, top], { class: "faint" }));
  }
  const disc = (p, [x, y], attributes) => p.node.appendChild(svg("circle", { cx: p.x(x), cy: p.y(y), ...attributes }));
  const name = (p, at, words, attributes) => p.node.append(text(p, at, words, { "text-anchor": "middle", class: "name", ...attributes }));

  K.forEach((k, i) => {
    keys.node.append(line(keys, [0, 0], k, { class: `line c${i}` }));
    disc(keys, k, { r: 6, class: `dot c${i}` });
    name(keys, k, WORDS[i][0], { dy: k[1] < 0 ? 24 : -12, class: `name c${i}` });
  });
  const shaft = keys.node.appendChild(line(keys, [0, 0], q, { class: "query-arrow" }));
  const letter = keys.node.appendChild(svg("text", { class: "name", "text-anchor": "middle", dy: 5 }, "q"));
  const knob = handle(keys, "Query q: the arrow keys move it", q, (to) => move(to));
  keys.node.append(knob.node);

  values.node.append(svg("path", { d: `${path(values, V)}Z`, class: "area" }));
  const pulls = V.map((v, i) => values.node.appendChild(line(values, v, v, { class: `line c${i}` })));
  const dots = V.map((v, i) => disc(values, v, { class: `dot c${i}` }));
  V.forEach((v, i) => name(values, v, WORDS[i][0], { dy: v[1] < 0 ? 36 : -26, class: `name c${i}` }));
  const mixture = disc(values, [0, 0], { r: 7, class: "context" });
  const mixtureName = values.node.appendChild(svg("text", { class: "name", "text-anchor": "middle", dy: 24 }, "c"));

  // ---- the table
  const rows = WORDS.map(([word, meaning], i) => {
    const score = element("td"), bar = element("span", { class: `bar c${i}` }), weight = element("td");
    const head = element("th", { scope: "row" }, element("span", { lang: "zh" }, word), ` ${meaning}`);
    return { score, bar, weight, row: element("tr", {}, head, score, element("td", { class: "picture-bars" }, bar), weight) };
  });
  const heads = ["key", "q·k", "", "α"].map((head) => (head ? element("th", { scope: "col" }, head) : element("td")));
  const total = element("td");
  const last = element("tr", {}, element("th", { scope: "row" }, "sum"), element("td"), element("td"), total);
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows.map((r) => r.row), last));
  const result = element("p", { class: "picture-result" });

  // ---- controls
  const ask = choice("Point q at the key of", WORDS.map(([word], i) => [i, word]), null, (i) => {
    q = K[i];
    draw();
  });
  const show = (v) => number(v);
  const length = slider({ label: "length of q", min: 0, max: LONGEST, step: 0.05, show }, (r) => polar(r, angle));
  const direction = slider({ label: "direction of q", min: -180, max: 180, step: 1, show: (v) => `${number(v, 0)}°` }, (degrees) => {
    angle = (degrees * Math.PI) / 180;
    polar(Math.hypot(...q), angle);
  });
  const polar = (r, a) => move([r * Math.cos(a), r * Math.sin(a)]);
  const move = (to) => {
    const r = Math.hypot(...to);
    q = r > LONGEST ? to.map((x) => (x * LONGEST) / r) : to;
    ask.set(null);
    draw();
  };

  const draw = () => {
    const scores = K.map((k) => dot(q, k));
    const alpha = softmax(scores);
    const [c] = matmul([alpha], V);
    const r = Math.hypot(...q);
    angle = r > 1e-9 ? Math.atan2(q[1], q[0]) : angle;
    length.set(r);
    direction.set((angle * 180) / Math.PI);
    knob.set(q);
    set(shaft, { x2: keys.x(q[0]), y2: keys.y(q[1]) });
    set(letter, { x: keys.x(q[0]) + 20 * Math.cos(angle), y: keys.y(q[1]) - 20 * Math.sin(angle) });
    rows.forEach(({ score, bar, weight }, i) => {
      score.textContent = number(scores[i]);
      weight.textContent = number(alpha[i], 3);
      bar.style.width = `${100 * alpha[i]}%`;
      set(dots[i], { r: 3 + 15 * Math.sqrt(alpha[i]) });
      set(pulls[i], { x2: values.x(c[0]), y2: values.y(c[1]), style: `stroke-width: ${0.5 + 6 * alpha[i]}px` });
    });
    total.textContent = number(sum(alpha), 3);
    set(mixture, { cx: values.x(c[0]), cy: values.y(c[1]) });
    set(mixtureName, { x: values.x(c[0]), y: values.y(c[1]) });
    result.textContent = `c = Σ αᵢ vᵢ = (${c.map((x) => number(x)).join(", ")})`;
    say(`${WORDS.map(([, meaning], i) => `${meaning} ${number(alpha[i])}`).join(", ")}. ${result.textContent}`);
  };

  const panel = (title, p) => element("div", { class: "picture-panel" }, element("p", {}, title), p.node);
  stage.append(
    element("div", { class: "picture-row" }, panel("Keys, and the query q: drag it", keys), panel("Values, and their mixture c", values)),
    element("div", { class: "picture-controls" }, ask.node, length.node, direction.node),
    table,
    result,
  );
  draw();
});
