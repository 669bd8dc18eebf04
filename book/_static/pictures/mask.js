// Which word may look at which: α under a mask of the reader's, and whose outputs change when one word changes.
// Chapter 5's example by hand, one PAD behind it: A = softmax of X W_Q (X W_K)ᵀ where the mask is True, C = A X W_V.
"use strict";

Pictures.add("mask", ({ stage, say }) => {
  const { choice, element, matmul, number, set, softmax, sum, toggle, transpose } = Pictures;
  const WORDS = ["我", "想", "吃", "汉堡", "PAD"];
  const X = [[1, 0], [0, 1], [1, 1], [-1, 1], [0.5, -0.5]]; // [5, 2]
  const W_Q = [[1, 0], [1, 1]], W_K = [[1, 1], [-1, 0]], W_V = [[1, 0], [0, 2]];
  const CHANGE = [2, -1]; // moves the score of every query
  const PAD = 4;
  const PRESETS = {
    none: ["none", () => true],
    padding: ["padding", (i, j) => j !== PAD],
    causal: ["causal", (i, j) => j <= i],
    both: ["causal + padding", (i, j) => j <= i && j !== PAD],
    shifted: ["causal, off by one", (i, j) => j <= i + 1],
    transposed: ["causal, transposed", (i, j) => j >= i],
  };
  const all = WORDS.map((_, i) => i);
  const real = all.filter((i) => i !== PAD);

  let mask = all.map(() => all.map(() => true)); // [5, 5]; row: query, column: key; true: may look
  let late = false; // the mask is applied after the softmax, which is wrong
  let changed = 3; // the word that changes: CHANGE is added to its x

  const attend = (X) => {
    const [Q, K, V] = [W_Q, W_K, W_V].map((W) => matmul(X, W));
    const A = matmul(Q, transpose(K)).map((scores, i) =>
      late ? softmax(scores).map((a, j) => (mask[i][j] ? a : 0)) : softmax(scores.map((s, j) => (mask[i][j] ? s : -Infinity))),
    );
    return { A, C: matmul(A, V) };
  };
  const distance = (a, b) => Math.hypot(...a.map((x, k) => x - b[k]));
  // How far each output moves when word j changes; NaN where a row has no key.
  const moves = (j) => {
    const { C } = attend(X), other = attend(X.map((x, i) => (i === j ? x.map((v, k) => v + CHANGE[k]) : x)));
    return other.C.map((c, i) => distance(c, C[i]));
  };
  const moved = (distance) => distance > 1e-12; // not rounding; false for NaN

  const list = (rows) => {
    const words = rows.map((i) => WORDS[i]);
    return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
  };
  const verdict = () => {
    const found = all.map(moves);
    const reach = (j) => real.filter((i) => i < j && moved(found[j][i]));
    const leaks = real.filter((j) => reach(j).length);
    const empty = all.filter((i) => Number.isNaN(found[0][i]));
    return [
      leaks.length
        ? `The future leaks into earlier outputs: ${leaks.map((j) => `${WORDS[j]} into ${list(reach(j))}`).join("; ")}.`
        : "No output depends on a later word.",
      reach(PAD).length ? `PAD leaks into the outputs of ${list(reach(PAD))}.` : "PAD reaches no word’s output.",
      ...(empty.length ? [`${list(empty)} may look at nothing: the softmax is 0/0, NaN.`] : []),
    ].join(" ");
  };

  // ---- the table: each cell is a button. One of them is in the tab order, and the arrow keys move among them.
  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  let current = [0, 0];
  const settle = (i, j) => {
    set(cells[current[0]][current[1]], { tabindex: -1 });
    current = [i, j];
    set(cells[i][j], { tabindex: 0 });
  };
  const cell = (i, j) => {
    const click = () => {
      settle(i, j);
      mask[i][j] = !mask[i][j];
      presets.set(null);
      update();
    };
    const keydown = (event) => {
      if (event.key in STEPS) {
        const [down, right] = STEPS[event.key];
        const inside = (k) => Math.min(all.length - 1, Math.max(0, k));
        settle(inside(i + down), inside(j + right));
        cells[current[0]][current[1]].focus();
        event.preventDefault();
      }
    };
    return element("button", { type: "button", tabindex: i + j ? -1 : 0, click, keydown });
  };
  const cells = all.map((i) => all.map((j) => cell(i, j)));
  const sums = all.map(() => element("td"));
  const outputs = all.map(() => element("td"));
  const head = (words, scope) => element("th", { scope, lang: words === "PAD" ? null : "zh" }, words);
  const columns = WORDS.map((word) => head(word, "col"));
  const rest = ["sum", "c moves"].map((words) => element("th", { scope: "col" }, words));
  const rows = all.map((i) => element("tr", {}, head(WORDS[i], "row"), ...cells[i].map((c) => element("td", {}, c)), sums[i], outputs[i]));
  const table = element(
    "table",
    { class: "picture-mask" },
    element("thead", {}, element("tr", {}, element("td", {}, "query \\ key"), ...columns, ...rest)),
    element("tbody", {}, ...rows),
  );
  const sentence = element("p", { class: "picture-result" });

  // ---- controls
  const presets = choice("Mask", Object.entries(PRESETS).map(([key, [words]]) => [key, words]), "none", (key) => {
    mask = all.map((i) => all.map((j) => PRESETS[key][1](i, j)));
    update();
  });
  const after = toggle("after the softmax (wrong)", late, (on) => {
    late = on;
    update();
  });
  const words = choice("Change the word", WORDS.map((word, j) => [j, word]), changed, (j) => {
    changed = j;
    update();
  });

  const update = () => {
    const { A } = attend(X);
    const far = moves(changed);
    all.forEach((i) => {
      const leak = moved(far[i]) && i < changed && i !== PAD;
      all.forEach((j) => {
        const on = mask[i][j], share = on ? number(A[i][j]) : "–";
        cells[i][j].textContent = share;
        cells[i][j].className = `picture-cell ${leak && j === changed && on ? "leaked" : ""}`;
        cells[i][j].style.setProperty("--alpha", on ? `${Math.round(40 * A[i][j])}%` : "0%");
        const state = on ? `may look, α = ${share}` : "blocked";
        set(cells[i][j], { "aria-pressed": String(on), "aria-label": `query ${WORDS[i]}, key ${WORDS[j]}: ${state}` });
      });
      sums[i].textContent = number(sum(A[i]));
      outputs[i].textContent = far[i] <= 1e-12 ? "0" : `${far[i] < 0.005 ? "<0.01" : number(far[i])}${leak ? " leak" : ""}`;
      outputs[i].className = leak ? "leaked" : moved(far[i]) ? "moved" : "";
    });
    columns.forEach((column, j) => column.classList.toggle("changed", j === changed));
    sentence.textContent = verdict();
    say(`${sentence.textContent} Changing ${WORDS[changed]} moves ${list(all.filter((i) => moved(far[i]))) || "nothing"}.`);
  };

  stage.append(
    element("div", { class: "picture-controls" }, presets.node, after.node, words.node),
    element("div", { class: "picture-scroll" }, table),
    sentence,
  );
  update();
});
