// What flows through the Transformer of Vaswani and others (2017), figure 1: every arrow with its shape, every block with what goes in,
// what comes out and which weights it has. One vocabulary of V tokens on both sides, so that one matrix E embeds the source, embeds
// the target and gives the logits; the norms stand behind the residual connections. As autograder/reference/transformer.py, shared=True.
"use strict";

Pictures.add("flow", ({ stage, say }) => {
  const { button, element, select, set, svg } = Pictures;

  // ---- the sizes that the reader chooses
  const size = { batch: 2, m: 4, t: 7, d_model: 512, h: 8, d_ff: 2048, V: 37000, N: 6 };
  const CHOICES = {
    batch: [1, 2, 32], m: [4, 9, 25], t: [7, 11, 30], d_model: [64, 128, 256, 512, 1024], h: [1, 2, 4, 8, 16],
    d_ff: [256, 512, 1024, 2048, 4096], V: [1000, 8000, 37000], N: [1, 2, 6],
  };
  const value = (name) => (name === "d_k" ? size.d_model / size.h : (size[name] ?? name)); // a number in a shape is itself
  const letters = (shape) => `[${shape.join(", ")}]`;
  const numbers = (shape) => `[${shape.map(value).join(", ")}]`;
  const count = (shape) => shape.reduce((product, name) => product * value(name), 1);
  // What does not fit into a box, shorter.
  const SHORT = { "Target tokens, shifted": "Target, shifted", "Masked self-attention": "Masked self-att." };
  const grouped = (n) => n.toLocaleString("en");

  // ---- the blocks, in the order in which they work. Tensors and weights are pairs of a name and a shape.
  const X = ["batch", "m", "d_model"], Y = ["batch", "t", "d_model"];
  const SQUARE = ["d_model", "d_model"], WIDE = ["d_model"];
  const heads = (n) => ["batch", "h", n, "d_k"];
  const ATTENTION = ["Q", "K", "V", "O"].flatMap((name) => [[`W_${name}`, SQUARE], [`b_${name}`, WIDE]]);
  const FEED = [["W_1", ["d_model", "d_ff"]], ["b_1", ["d_ff"]], ["W_2", ["d_ff", "d_model"]], ["b_2", WIDE]];
  const NORM = [["gain", WIDE], ["shift", WIDE]];

  const attention = (title, [asks, A, t], [asked, B, m], mask, words) => ({
    title,
    in: asks === asked ? [[`${asks}: makes Q, K, V`, A]] : [[`${asks}: makes Q`, A], [`${asked}: makes K, V`, B]],
    inside: [["Q", heads(t)], ["K", heads(m)], ["V", heads(m)], ["mask", mask], ["weights α", ["batch", "h", t, m]], ["heads α V", heads(t)]],
    out: [["heads side by side, times W_O", A]],
    weights: ATTENTION,
    words,
  });
  const addNorm = (residual, A, below) => ({
    title: "Add & Norm",
    in: [[`${residual}, around ${below}`, A], [`what ${below} returned`, A]],
    inside: [["their sum", A], ["mean and variance", [...A.slice(0, 2), 1]]],
    out: [[`LayerNorm of the sum`, A]],
    weights: NORM,
    words: "Two whole tensors of one shape are added, entry by entry. Each position is then standardised over its d_model entries, by itself.",
  });
  const feedForward = (A) => ({
    title: "Feed-forward",
    in: [["X", A]],
    inside: [["max(0, X W₁ + b₁)", [...A.slice(0, 2), "d_ff"]]],
    out: [["the same, times W₂, plus b₂", A]],
    weights: FEED,
    words: "The same two layers at every position. No position sees another here.",
  });
  const tokens = (title, name, n, words) => ({ title, in: [], inside: [], out: [[name, ["batch", n]]], weights: [], words });
  const embedding = (name, n, A, weights, words) => ({
    title: "Embedding", in: [[name, ["batch", n]]], inside: [], out: [["√d_model · E[token]", A]], weights, words,
  });
  const position = (n, A) => ({
    title: "Add positions",
    in: [["embeddings", A], ["PE, one for all sentences", [n, "d_model"]]],
    inside: [],
    out: [["their sum", A]],
    weights: [],
    words: "The sines and cosines of chapter 8: nothing is learned here.",
  });
  const E = [["E", ["V", "d_model"]]];

  const ENCODER = [
    tokens("Source tokens", "x", "m", "Numbers of tokens, padded to the length of the longest sentence."),
    embedding("x", "m", X, E, "A row of E for each token. E is counted here, and used twice more."),
    position("m", X),
    attention("Self-attention", ["X", X, "m"], ["X", X, "m"], ["batch", 1, "m"],
      "Q, K and V are each made from the whole of X. Nothing is divided among the arrows, and the fourth, the residual, carries the whole of X past the attention. The mask hides padding."),
    addNorm("X", X, "self-attention"),
    feedForward(X),
    addNorm("X", X, "feed-forward"),
  ];
  const DECODER = [
    tokens("Target tokens, shifted", "y", "t", "<bos> and all target tokens but the last: at each position, what has been written before."),
    embedding("y", "t", Y, [], "The same E as for the source: no weights of its own."),
    position("t", Y),
    attention("Masked self-attention", ["Y", Y, "t"], ["Y", Y, "t"], [1, "t", "t"],
      "As in the encoder, but the mask is the causal one: position i sees positions 1 … i, and nothing that is still to be written."),
    addNorm("Y", Y, "masked self-attention"),
    attention("Cross-attention", ["Y", Y, "t"], ["encoder’s output", X, "m"], ["batch", 1, "m"],
      "The decoder asks: Q from Y. The encoder answers: K and V, each made from the whole of its output. The residual is the decoder’s. The mask hides the source’s padding."),
    addNorm("Y", Y, "cross-attention"),
    feedForward(Y),
    addNorm("Y", Y, "feed-forward"),
    { title: "Linear", in: [["Y", Y]], inside: [], out: [["logits Y Eᵀ", ["batch", "t", "V"]]], weights: [],
      words: "A score for each token of the vocabulary. The matrix is E once more, transposed: no weights of its own." },
    { title: "Softmax", in: [["logits", ["batch", "t", "V"]]], inside: [], out: [["probabilities of the next token", ["batch", "t", "V"]]], weights: [],
      words: "At each position a distribution over the vocabulary: the last dimension sums to 1." },
  ];
  const STACK = [3, 6, 8]; // a layer begins with block 3; it ends with block 6 in the encoder, with block 8 in the decoder
  const blocks = [...ENCODER.map((b, k) => ({ ...b, side: 0, k })), ...DECODER.map((b, k) => ({ ...b, side: 1, k }))];
  blocks.forEach((b) => (b.layers = b.k >= STACK[0] && b.k <= STACK[1 + b.side]));
  const at = (side, k) => blocks[side ? ENCODER.length + k : k];
  const parameters = (b) => b.weights.reduce((total, [, shape]) => total + count(shape), 0);

  // ---- the drawing: from the bottom up, as in the paper; the encoder on the left
  const W = 424, BOX = 128, HIGH = 30, GAP = 26, BRANCH = 40, FORK = 48, CENTRE = [98, 314], BESIDE = [18, 402], LANE = 218;
  const attends = (b) => b.weights === ATTENTION;
  const gap = (b) => (attends(b) ? FORK : b.weights === FEED ? BRANCH : GAP);
  let height = 0;
  for (const side of [0, 1]) {
    let y = 8; // from the bottom
    for (const b of blocks.filter((b) => b.side === side)) {
      y += b.k ? gap(b) : 0;
      b.low = y;
      y += HIGH;
      height = Math.max(height, y + GAP);
    }
  }
  for (const b of blocks) {
    b.bottom = height - b.low; // in the drawing, where y grows downwards
    b.top = b.bottom - HIGH;
    b.x = CENTRE[b.side];
  }
  const drawing = svg("svg", { viewBox: `0 0 ${W} ${height}`, role: "group", "aria-label": "The blocks of the Transformer, in their order" });

  // An arrow along points, with a head at its end, and the shape of its tensor beside it. `from` and `to` are blocks.
  const arrows = [];
  const arrow = (from, to, points, shape, label, name) => {
    const [[x0, y0], [x1, y1]] = points.slice(-2);
    const [dx, dy] = [Math.sign(x1 - x0), Math.sign(y1 - y0)];
    const tip = `M${x1} ${y1}l${-6 * dx - 3.5 * dy} ${-6 * dy - 3.5 * dx}l${7 * dy} ${7 * dx}z`;
    const node = svg(
      "g",
      {},
      svg("path", { d: `M${points.join("L")}`, class: "line" }),
      svg("path", { d: tip, class: "tip" }),
      ...(name ? [svg("text", { x: x1 + 5, y: y1 + 13, class: "small letter" }, name)] : []),
    );
    const text = svg("text", { class: "small shape", ...label });
    if (label) {
      node.append(text);
    }
    drawing.append(node);
    arrows.push({ from, to, node, shape, text });
  };

  const frames = [0, 1].map((side) => {
    const first = at(side, STACK[0]), last = at(side, STACK[1 + side]);
    const box = { x: first.x - BOX / 2 - 8, y: last.top - 7, width: BOX + 16, height: first.bottom + FORK - 10 - last.top + 7 };
    const times = svg("text", { x: first.x + (side ? -1 : 1) * (BOX / 2 + 14), y: last.top + 8, class: "name", "text-anchor": side ? "end" : "start" });
    drawing.append(svg("rect", { ...box, class: "area", rx: 6 }), times);
    return times;
  });

  // Around a sublayer: from the arrow into it to the side of Add & Norm, with the shape along it.
  const residual = (from, to, fork) => {
    const beside = BESIDE[to.side], level = to.top + HIGH / 2, middle = (fork + level) / 2;
    const label = { transform: `translate(${beside + (to.side ? 13 : -5)} ${middle}) rotate(-90)`, "text-anchor": "middle" };
    arrow(from, to, [[to.x, fork], [beside, fork], [beside, level], [to.x + (to.side ? 1 : -1) * (BOX / 2), level]], from.out[0][1], label);
  };
  for (const side of [0, 1]) {
    const column = blocks.filter((b) => b.side === side);
    for (const [before, b, after] of column.map((b, k) => [column[k - 1], b, column[k + 1]]).slice(1)) {
      const shape = before.out[0][1];
      if (attends(b)) {
        const fork = b.bottom + 24, crossed = b.title.startsWith("Cross");
        for (const [across, name] of crossed ? [[44, "Q"]] : [[-44, "Q"], [0, "K"], [44, "V"]]) {
          const points = [[b.x, before.top], [b.x, fork], [b.x + across, fork], [b.x + across, b.bottom]];
          arrow(before, b, points, shape, across === 44 ? { x: b.x + 6, y: before.top - 8 } : null, name);
        }
        residual(before, after, fork);
      } else {
        arrow(before, b, [[b.x, before.top], [b.x, b.bottom]], shape, { x: b.x + 6, y: b.bottom + 17 });
        if (b.weights === FEED) {
          residual(before, after, before.top - 8);
        }
      }
    }
  }
  // The encoder's output: up, over to the decoder, and into its second attention, as K and as V.
  const last = at(0, ENCODER.length - 1), cross = at(1, 5);
  const over = last.top - 16, under = cross.bottom + 16;
  for (const [across, name] of [[-44, "K"], [0, "V"]]) {
    const points = [[last.x, last.top], [last.x, over], [LANE, over], [LANE, under], [cross.x + across, under], [cross.x + across, cross.bottom]];
    arrow(last, cross, points, X, across ? { x: last.x + 4, y: over - 6 } : null, name);
  }
  const final = blocks.at(-1);
  arrow(final, null, [[final.x, final.top], [final.x, final.top - 18]], final.out[0][1], { x: final.x + 6, y: final.top - 8 });

  // ---- each block is a button. One of them is in the tab order; the arrow keys go along the flow.
  let current = 0;
  const boxes = blocks.map((b, i) => {
    const keydown = (event) => {
      const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
      if (step) {
        go(current + step);
        boxes[current].focus();
      }
      if (event.key === "Enter" || event.key === " ") {
        go(i);
      }
      if (step || event.key === "Enter" || event.key === " ") {
        event.preventDefault();
      }
    };
    const node = svg(
      "g",
      { class: "picture-block", role: "button", "aria-label": `${b.side ? "Decoder" : "Encoder"}: ${b.title}`, click: () => go(i), keydown },
      svg("rect", { x: b.x - BOX / 2, y: b.top, width: BOX, height: HIGH, rx: 4 }),
      svg("text", { x: b.x, y: b.top + 20, "text-anchor": "middle" }, SHORT[b.title] ?? b.title),
    );
    drawing.append(node);
    return node;
  });

  // ---- what the chosen block does
  const title = element("p", { class: "picture-result" });
  const words = element("p");
  const table = element("table", { class: "picture-tensors" });
  const total = element("p", { class: "picture-result" });

  const tabulate = (b) => {
    const row = (kind, [name, shape], last) =>
      element(
        "tr",
        {},
        element("th", { scope: "row", class: kind === "in" ? "c0" : kind === "out" ? "c1" : "" }, element("span", { class: "key" }, kind)),
        element("td", {}, name),
        element("td", {}, letters(shape)),
        element("td", {}, last),
      );
    const tensors = ["in", "inside", "out"].flatMap((kind) => b[kind].map((tensor) => row(kind, tensor, numbers(tensor[1]))));
    const weights = b.weights.map((weight) => row("weight", weight, grouped(count(weight[1]))));
    const head = element("tr", {}, ...["", "tensor", "shape", "here"].map((name) => (name ? element("th", { scope: "col" }, name) : element("td"))));
    table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...tensors, ...weights));
  };

  const update = () => {
    const b = blocks[current], mine = parameters(b);
    arrows.forEach(({ from, to, node, shape, text }) => {
      set(node, { class: `picture-arrow ${to === b ? "c0" : from === b ? "c1" : ""}` });
      text.textContent = numbers(shape);
    });
    boxes.forEach((node, i) => set(node, { tabindex: i === current ? 0 : -1, "aria-pressed": String(i === current) }));
    frames.forEach((times) => (times.textContent = `× ${size.N}`));
    title.textContent = `${current + 1} of ${blocks.length}. ${b.side ? "Decoder" : "Encoder"}: ${b.title}`;
    const each = b.layers ? ` in each of ${size.N} layer${size.N > 1 ? "s" : ""}` : "";
    words.textContent = `${b.words} ${mine ? `${grouped(mine)} parameters${each}.` : "No parameters."}`;
    tabulate(b);
    const all = blocks.reduce((sum, b) => sum + parameters(b) * (b.layers ? size.N : 1), 0);
    total.textContent = `All parameters: ${grouped(all)}. d_k = d_model / h = ${value("d_k")}.`;
    set(back, { disabled: current === 0 });
    set(next, { disabled: current === blocks.length - 1 });
    const told = (tensors) => tensors.map(([, shape]) => numbers(shape)).join(" and ");
    say(`${title.textContent}. ${b.in.length ? `In ${told(b.in)}, out` : "Out"} ${told(b.out)}. ${mine ? grouped(mine) : "No"} parameters. ${total.textContent}`);
  };
  const go = (i) => {
    current = Math.min(blocks.length - 1, Math.max(0, i));
    update();
  };

  // ---- controls
  const back = button("← previous", () => go(current - 1));
  const next = button("next →", () => go(current + 1));
  const sizes = Object.entries(CHOICES).map(([name, values]) =>
    select(name, values.map((v) => [v, grouped(v)]), size[name], (v) => {
      size[name] = v;
      update();
    }).node,
  );
  stage.append(
    element("div", { class: "picture-controls" }, ...sizes),
    element(
      "div",
      { class: "picture-row picture-flow" },
      element("div", { class: "picture-panel" }, drawing),
      element("div", { class: "picture-panel" }, element("div", { class: "picture-controls" }, back, next), title, words, element("div", { class: "picture-scroll" }, table), total),
    ),
  );
  go(0);
});
