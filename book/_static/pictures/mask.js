// Which word may look at which: α under a mask of the reader's, and whose outputs change when one word changes.
// Self-attention of five tokens, the last of them padding: Q = X W_Q, K = X W_K, V = X W_V, A = softmax(Q Kᵀ / √d), C = A V.
"use strict";

Pictures.add("mask", ({ stage, say }) => {
  const { choice, element, matmul, normals, number, set, softmax, sum, transpose } = Pictures;
  const WORDS = ["我", "想", "吃", "汉堡", "PAD"];
  const PAD = 4, n = WORDS.length, d = 4;
  const PRESETS = {
    none: ["none", () => true],
    padding: ["padding", (i, j) => j !== PAD],
    causal: ["causal", (i, j) => j <= i],
    both: ["causal + padding", (i, j) => j <= i && j !== PAD],
    shifted: ["causal, off by one", (i, j) => j <= i + 1],
    transposed: ["causal, transposed", (i, j) => j >= i],
  };

  const normal = normals(1);
  const random = (rows, columns) => Array.from({ length: rows }, () => Array.from({ length: columns }, normal));
  const X = random(n, d), others = random(n, d); // [5, 4]; a word is changed by another vector in its place
  const [W_Q, W_K, W_V] = [random(d, d), random(d, d), random(d, d)].map((W) => W.map((row) => row.map((w) => w / Math.sqrt(d))));

  let mask = WORDS.map(() => WORDS.map(() => true)); // [5, 5], row: query, column: key, true: may look
  let changed = 3;

  const attend = (X) => {
    const [Q, K, V] = [W_Q, W_K, W_V].map((W) => matmul(X, W));
    const A = matmul(Q, transpose(K)).map((row, i) => softmax(row.map((s, j) => (mask[i][j] ? s / Math.sqrt(d) : -Infinity))));
    return { A, C: matmul(A, V) };
  };
  const without = (j) => X.map((x, i) => (i === j ? others[i] : x));
  // How far each output moves when word j changes; NaN where a row has no key.
  const moves = (C, j) => attend(without(j)).C.map((c, i) => Math.hypot(...c.map((x, k) => x - C[i][k])));

  const name = (i) => (i === PAD ? "PAD" : WORDS[i]);
  const list = (a) => (a.length < 2 ? a.join("") : `${a.slice(0, -1).join(", ")} and ${a.at(-1)}`);
  const real = WORDS.map((_, i) => i).filter((i) => i !== PAD);

  const verdict = (C) => {
    const found = WORDS.map((_, j) => moves(C, j));
    const reach = (j) => real.filter((i) => i < j && found[j][i] > 1e-12);
    const leaks = real.filter((j) => reach(j).length).map((j) => `${name(j)} into ${list(reach(j).map(name))}`);
    const padded = reach(PAD).map(name);
    const empty = WORDS.map((_, i) => i).filter((i) => !mask[i].includes(true)).map(name);
    return [
      leaks.length ? `The future leaks into earlier outputs: ${leaks.join("; ")}.` : "No output depends on a later word.",
      padded.length ? `PAD leaks into the outputs of ${list(padded)}.` : "PAD reaches no word's output.",
      ...(empty.length ? [`${list(empty)} may look at nothing: a softmax over no key is NaN.`] : []),
    ].join(" ");
  };

  // ---- the table: a button a cell; one of them is in the tab order, the arrow keys move among them
  let current = [0, 0];
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const focus = (i, j) => {
    set(cells[current[0]][current[1]], { tabindex: -1 });
    current = [i, j];
    set(cells[i][j], { tabindex: 0 });
  };
  const cells = WORDS.map((_, i) =>
    WORDS.map((_, j) =>
      element("button", {
        type: "button",
        class: "picture-cell",
        tabindex: i + j ? -1 : 0,
        click: () => {
          focus(i, j);
          mask[i][j] = !mask[i][j];
          presets.set(null);
          update();
        },
        keydown: (event) => {
          if (event.key in step) {
            const [di, dj] = step[event.key];
            focus(Math.min(n - 1, Math.max(0, i + di)), Math.min(n - 1, Math.max(0, j + dj)));
            cells[current[0]][current[1]].focus();
            event.preventDefault();
          }
        },
      }),
    ),
  );
  const sums = WORDS.map(() => element("td", { class: "picture-sum" }));
  const outputs = WORDS.map(() => element("td", { class: "picture-output" }));
  const head = (words, scope) => element("th", { scope, ...(words === "PAD" ? {} : { lang: "zh" }) }, words);
  const columns = WORDS.map((word) => head(word, "col"));
  const corner = element("td", {}, "query \\ key");
  const table = element(
    "table",
    { class: "picture-mask" },
    element("thead", {}, element("tr", {}, corner, ...columns, ...["sum", "c moves by"].map((h) => element("th", { scope: "col" }, h)))),
    element("tbody", {}, ...WORDS.map((word, i) => element("tr", {}, head(word, "row"), ...cells[i].map((c) => element("td", {}, c)), sums[i], outputs[i]))),
  );
  const sentence = element("p", { class: "picture-result" });
  const presets = choice("Mask", Object.entries(PRESETS).map(([key, [text]]) => [key, text]), "none", (key) => {
    mask = WORDS.map((_, i) => WORDS.map((_, j) => PRESETS[key][1](i, j)));
    update();
  });
  const words = choice("Change the word", WORDS.map((word, j) => [j, word]), changed, (j) => {
    changed = j;
    update();
  });

  const update = () => {
    const { A, C } = attend(X);
    const moved = moves(C, changed);
    A.forEach((row, i) => {
      row.forEach((a, j) => {
        const on = mask[i][j];
        cells[i][j].textContent = on ? number(a) : "–";
        cells[i][j].style.setProperty("--alpha", on ? `${Math.round(40 * a)}%` : "0%");
        set(cells[i][j], {
          "aria-pressed": String(on),
          "aria-label": `query ${name(i)}, key ${name(j)}: ${on ? `may look, α = ${number(a)}` : "blocked"}`,
        });
      });
      sums[i].textContent = mask[i].includes(true) ? number(sum(row)) : "NaN";
      const shift = moved[i];
      outputs[i].textContent = Number.isNaN(shift) ? "NaN" : shift > 1e-12 ? number(shift) : "0";
      outputs[i].className = `picture-output ${shift > 1e-12 ? (i < changed && i !== PAD ? "leaked" : "moved") : ""}`;
    });
    columns.forEach((column, j) => column.classList.toggle("changed", j === changed));
    sentence.textContent = verdict(C);
    const touched = WORDS.map((_, i) => i).filter((i) => moved[i] > 1e-12).map(name);
    say(`${sentence.textContent} Changing ${name(changed)} changes the outputs of ${list(touched) || "no word"}.`);
  };

  stage.append(element("div", { class: "picture-controls" }, presets.node, words.node), element("div", { class: "picture-scroll" }, table), sentence);
  update();
});
