// What the interactive pictures share. A picture is a file NAME.js beside this one that registers itself:
//
//     Pictures.add("NAME", ({ stage, say }) => { ... });
//
// The function is called once for each `{picture} NAME` of the page. It fills `stage`, an empty element, and calls
// `say(sentence)` when something changed: a screen reader hears the last sentence when the reader has come to rest.
// A third thing, `numbers`, is what a cell of the page computed for the picture (book_pictures.py says how).
// No modules and no fetch: the book also reads from the disk. Nothing moves by itself, and all randomness has a seed.
"use strict";

window.Pictures = (() => {
  const REST = 600; // milliseconds without a change after which a change is said
  const STEP = 0.1; // what an arrow key moves a dragged point by, in the units of its plane

  // ---- formulas, the ones of the chapters ------------------------------------------------------------------------

  const sum = (a) => a.reduce((total, x) => total + x, 0);
  const dot = (a, b) => sum(a.map((x, i) => x * b[i]));
  const transpose = (A) => A[0].map((_, j) => A.map((row) => row[j]));
  const matmul = (A, B) => A.map((row) => transpose(B).map((column) => dot(row, column)));

  // -Infinity gets weight 0. Where all are -Infinity, the weights are NaN, as in NumPy and torch.
  const softmax = (scores) => {
    const top = Math.max(...scores);
    const powers = scores.map((s) => Math.exp(s - top));
    return powers.map((p) => p / sum(powers));
  };

  const entropy = (p) => -sum(p.map((x) => (x > 0 ? x * Math.log(x) : 0))); // in nats

  // A generator of standard normal numbers: mulberry32, then Box and Muller.
  const normals = (seed) => {
    const uniform = () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
      t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  };

  // ---- elements --------------------------------------------------------------------------------------------------

  // make("button", { type: "button", click: f }, "text", child): functions are listeners, null and false are left out.
  const maker = (create) => (name, attributes = {}, ...children) => {
    const made = create(name);
    set(made, attributes);
    made.append(...children);
    return made;
  };
  const set = (node, attributes) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") {
        node.addEventListener(name, value);
      } else if (value === null || value === false) {
        node.removeAttribute(name);
      } else {
        node.setAttribute(name, value);
      }
    }
  };
  const element = maker((name) => document.createElement(name));
  const svg = maker((name) => document.createElementNS("http://www.w3.org/2000/svg", name));

  // Minus signs as in print, and no "-0.00".
  const number = (x, digits = 2) => {
    const text = x.toFixed(digits);
    return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
  };

  // ---- controls --------------------------------------------------------------------------------------------------

  let ids = 0;

  // slider({ label, min, max, step, value, show }, changed): `show` turns the value into words.
  const slider = ({ label, show = String, value = 0, ...range }, changed) => {
    const shown = element("span", { class: "picture-value" });
    const input = element("input", { type: "range", ...range, input: () => (tell(Number(input.value)), changed(Number(input.value))) });
    const tell = (v) => {
      shown.textContent = show(v);
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    const update = (to) => {
      input.value = to; // the slider stands on one of its steps; the words give the number itself
      tell(to);
    };
    update(value);
    return { node: element("label", { class: "picture-slider" }, element("span", {}, label), input, shown), set: update };
  };

  const toggle = (label, value, changed) => {
    const input = element("input", { type: "checkbox", change: () => changed(input.checked) });
    input.checked = value;
    return { node: element("label", { class: "picture-toggle" }, input, element("span", {}, label)) };
  };

  // One of several, as radio buttons; `options` is a list of [value, text]. `set(null)` chooses none.
  const choice = (legend, options, value, changed) => {
    const name = `picture-choice-${++ids}`;
    const inputs = options.map(([key]) => element("input", { type: "radio", name, value: key, change: () => changed(key) }));
    const update = (to) => inputs.forEach((input) => (input.checked = input.value === String(to)));
    update(value);
    const labels = options.map(([, text], i) => element("label", {}, inputs[i], element("span", {}, text)));
    const node = element("fieldset", { class: "picture-choice" }, element("legend", {}, legend), ...labels);
    return { node, set: update };
  };

  // One of several, as a list that unfolds, for where many stand side by side; `options` as above.
  const select = (label, options, value, changed) => {
    const list = element("select", { change: () => changed(options[list.selectedIndex][0]) }, ...options.map(([, text]) => element("option", {}, text)));
    list.selectedIndex = options.findIndex(([key]) => key === value);
    return { node: element("label", { class: "picture-select" }, element("span", {}, label), list) };
  };

  const button = (text, click) => element("button", { type: "button", class: "picture-button", click }, text);

  // ---- drawings --------------------------------------------------------------------------------------------------

  // A coordinate system. `x` and `y` turn numbers into places; `frame` is [left, right, bottom, top] in numbers. The label is for those
  // who cannot see; with `parts: true` what is inside can be reached, too.
  const plane = ({ width, height, frame, margin = [0, 0, 0, 0], label, parts = false }) => {
    const [left, right, bottom, top] = frame;
    const [mt, mr, mb, ml] = margin;
    const x = (v) => ml + ((v - left) / (right - left)) * (width - ml - mr);
    const y = (v) => height - mb - ((v - bottom) / (top - bottom)) * (height - mb - mt);
    const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: parts ? "group" : "img", "aria-label": label });
    const numbers = (event) => {
      const box = node.getBoundingClientRect();
      const across = ((event.clientX - box.left) / box.width) * width;
      const down = ((event.clientY - box.top) / box.height) * height;
      return [
        left + ((across - ml) / (width - ml - mr)) * (right - left),
        bottom + ((height - mb - down) / (height - mb - mt)) * (top - bottom),
      ];
    };
    return { node, x, y, numbers, frame };
  };

  const line = (p, [x1, y1], [x2, y2], attributes) =>
    svg("line", { x1: p.x(x1), y1: p.y(y1), x2: p.x(x2), y2: p.y(y2), ...attributes });
  const text = (p, [x, y], words, attributes) => svg("text", { x: p.x(x), y: p.y(y), ...attributes }, words);
  const path = (p, points) => points.map(([x, y], i) => `${i ? "L" : "M"}${p.x(x).toFixed(1)} ${p.y(y).toFixed(1)}`).join("");

  // A point of a plane that mouse, finger and arrow keys move; `moved([x, y])` says where to.
  const handle = (p, label, start, moved) => {
    const [left, right, bottom, top] = p.frame;
    const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
    let at = start;
    const go = ([x, y]) => moved([clamp(x, left, right), clamp(y, bottom, top)]);
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
    const node = svg(
      "g",
      {
        class: "picture-handle",
        tabindex: 0,
        role: "application",
        "aria-label": label,
        touchstart: (event) => event.preventDefault(), // or the page scrolls: touch-action is not enough inside an SVG
        pointerdown: (event) => {
          node.setPointerCapture(event.pointerId);
          node.focus({ preventScroll: true });
          event.preventDefault();
        },
        pointermove: (event) => node.hasPointerCapture(event.pointerId) && go(p.numbers(event)),
        keydown: (event) => {
          if (event.key in keys) {
            const step = STEP * (event.shiftKey ? 5 : 1);
            go(at.map((v, i) => Math.round((v + step * keys[event.key][i]) * 1e6) / 1e6));
            event.preventDefault();
          }
        },
      },
      svg("circle", { class: "picture-touch", r: 24 }),
      svg("circle", { class: "picture-knob", r: 8 }),
    );
    const place = (to) => {
      at = to;
      node.setAttribute("transform", `translate(${p.x(to[0])} ${p.y(to[1])})`);
    };
    place(start);
    return { node, set: place };
  };

  // ---- pictures --------------------------------------------------------------------------------------------------

  const add = (name, draw) => {
    const found = document.querySelector(`script[data-numbers="${name}"]`);
    const numbers = found && JSON.parse(found.textContent);
    for (const figure of document.querySelectorAll(`figure[data-picture="${name}"]`)) {
      const alt = figure.querySelector(".picture-alt");
      alt.id = `picture-alt-${++ids}`;
      const stage = element("div", { class: "picture-stage", role: "group", "aria-label": "Interactive picture", "aria-describedby": alt.id });
      const live = element("p", { class: "picture-live", "aria-live": "polite" });
      let waiting;
      const say = (sentence) => {
        clearTimeout(waiting);
        waiting = setTimeout(() => (live.textContent = sentence), REST);
      };
      draw({ stage, say, numbers });
      clearTimeout(waiting); // the start is nothing new
      figure.querySelector("figcaption").before(stage, live);
      figure.classList.add("live");
    }
  };

  return {
    add, button, choice, dot, element, entropy, handle, line, matmul, normals, number, path, plane, select, set, slider, softmax, sum, svg,
    text, toggle, transpose,
  };
})();
