// What the heads of a trained model look at: for one written word, all heads; for one head, all words.
// The numbers are from the page: `sentences`, a list of { source: [m words], target: [t words], links: pairs [i, j] of a source word i and
// a target word j that mean the same }, and `runs`, a list of { name, alpha }, where alpha[sentence] is [h][t][m] in thousandths.
"use strict";

Pictures.add("heads", ({ stage, say, numbers }) => {
  const { choice, element, line, number, plane, sum, svg, text } = Pictures;
  const { sentences, runs } = numbers;
  const H = runs[0].alpha[0].length;
  const MEAN = H; // the mean of the heads stands behind the last
  const NAMES = [...Array.from({ length: H }, (_, a) => `head ${a + 1}`), "mean"];
  const COLOURS = ["c0", "c1", "c2", "c3"]; // the mean has the colour of the text
  const ROW = 30; // between two words of the drawing
  const most = Math.max(...sentences.map(({ source, target }) => Math.max(source.length, target.length)));

  let run = 0, s = numbers.first ?? 0, head = 0, word = 0;

  // alpha: [h + 1][t][m], the last of them the mean; rows sum to 1 up to the rounding to thousandths
  const weights = () => {
    const alpha = runs[run].alpha[s].map((rows) => rows.map((row) => row.map((a) => a / 1000)));
    return [...alpha, alpha[0].map((row, j) => row.map((_, i) => sum(alpha.map((rows) => rows[j][i])) / H))];
  };
  const sources = (j) => sentences[s].links.filter(([, k]) => k === j).map(([i]) => i);
  const listed = (items) => (items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`);
  const heaviest = (row) => row.indexOf(Math.max(...row));

  // ---- the drawing: written words on the left, source words on the right, lines as thick as the weights
  const size = { width: 320, height: ROW * most + 4 };
  const drawing = plane({ ...size, frame: [0, 1, most, 0], label: "Lines from the written words to the source words, as thick as the weights" });
  const LEFT = 0.42, RIGHT = 0.72;

  const draw = (alpha) => {
    const { source, target } = sentences[s];
    const middle = (k) => k + 0.5;
    const lines = alpha[head].flatMap((row, j) =>
      row.map((a, i) => {
        const style = `line ${head < H ? COLOURS[head] : ""} ${j === word ? "" : "behind"}`;
        return line(drawing, [LEFT + 0.02, middle(j)], [RIGHT - 0.02, middle(i)], { class: style, style: `stroke-width: ${(8 * a).toFixed(2)}px` });
      }),
    );
    const written = target.map((english, j) => {
      const place = { y: drawing.y(j), height: ROW, x: 0, width: drawing.x(LEFT) };
      const label = text(drawing, [LEFT, middle(j)], english, { dy: 5, "text-anchor": "end", class: j === word ? "name" : "" });
      return svg("g", { class: "picture-word", click: () => ask(j) }, svg("rect", { ...place, class: "picture-touch" }), label);
    });
    const keys = source.map((chinese, i) =>
      text(drawing, [RIGHT, middle(i)], chinese, { dy: 5, lang: "zh", class: sources(word).includes(i) ? "name true" : "" }),
    );
    drawing.node.replaceChildren(...lines, ...written, ...keys);
  };

  // ---- the table: a row for each source word, a column for each head
  const table = element("table", { class: "picture-heads" });
  const tabulate = (alpha) => {
    const { source, target } = sentences[s];
    const columns = NAMES.map((name, a) => element("th", { scope: "col", class: `${COLOURS[a] ?? ""} ${a === head ? "chosen" : ""}` }, name.replace("head ", "")));
    const rows = source.map((chinese, i) => {
      const cells = alpha.map((rows, a) => {
        const right = sources(word).includes(i);
        const style = `--alpha: ${Math.round(50 * rows[word][i])}%`;
        return element("td", { class: `shade ${COLOURS[a] ?? ""} ${right ? "true" : ""}`, style }, number(rows[word][i]));
      });
      return element("tr", {}, element("th", { scope: "row", lang: "zh" }, chinese), ...cells);
    });
    const linked = target.map((_, j) => j).filter((j) => sources(j).length);
    const hits = alpha.map((rows) => linked.filter((j) => sources(j).includes(heaviest(rows[j]))).length);
    const last = hits.map((n) => element("td", {}, `${n}/${linked.length}`));
    table.replaceChildren(
      element("thead", {}, element("tr", {}, element("td", {}, "head"), ...columns)),
      element("tbody", {}, ...rows),
      element("tfoot", {}, element("tr", {}, element("th", { scope: "row", class: "picture-note" }, "heaviest on a true source"), ...last)),
    );
  };
  const sentence = element("p", { class: "picture-result" });

  // ---- controls
  const update = () => {
    const alpha = weights();
    const { source, target } = sentences[s];
    draw(alpha);
    tabulate(alpha);
    const top = heaviest(alpha[head][word]), right = sources(word);
    const agree = NAMES.slice(0, H).map((_, a) => a + 1).filter((a) => right.includes(heaviest(alpha[a - 1][word])));
    const who = head < H ? `Head ${head + 1} looks` : "The mean of the heads looks";
    sentence.textContent =
      `${who} most at ${source[top]} (${number(alpha[head][word][top])}) before “${target[word]}” is written. ` +
      (right.length
        ? `True source: ${listed(right.map((i) => source[i]))}. Heads with their heaviest weight there: ${listed(agree) || "none"}.`
        : "It has no true source.");
    say(sentence.textContent);
  };
  const words = element("div");
  let asked;
  const ask = (j) => {
    word = j;
    asked.set(j);
    update();
  };
  const list = () => {
    asked = choice("Word being written", sentences[s].target.map((english, j) => [j, english]), word, ask);
    words.replaceChildren(asked.node);
  };
  const which = choice("Sentence", sentences.map(({ source }, k) => [k, element("span", { lang: "zh" }, source.join(" "))]), s, (k) => {
    s = k;
    word = 0;
    list();
    update();
  });
  const models = choice("Model", runs.map(({ name }, r) => [r, name]), run, (r) => {
    run = r;
    update();
  });
  const heads = choice("Head", NAMES.map((name, a) => [a, name.replace("head ", "")]), head, (a) => {
    head = a;
    update();
  });

  list();
  const panel = (title, node) => element("div", { class: "picture-panel" }, element("p", {}, title), node);
  stage.append(
    element("div", { class: "picture-controls" }, which.node, models.node, heads.node, words),
    element("div", { class: "picture-row picture-pair" }, panel("One head, all words", drawing.node), panel("One word, all heads", element("div", { class: "picture-scroll" }, table))),
    sentence,
  );
  update();
});
