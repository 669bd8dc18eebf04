// Sets formulas with MathJax: a line of JSON in, { tex, display }, and a line of JSON out, { html } or { error }. Started by
// book_formulas.py. The first line out is { css }: the styles of everything that a formula may use.
"use strict";

const path = require("path");
const readline = require("readline");

const home = path.join(__dirname, "mathjax");
global.MathJax = {
  loader: {
    paths: { mathjax: home },
    require,
    load: ["adaptors/liteDOM", "core", "input/tex", "output/chtml", "a11y/assistive-mml"],
  },
  startup: { typeset: false },
  tex: { packages: { "[-]": ["noundefined"] } }, // an unknown command is an error, not red text
  chtml: { adaptiveCSS: false, fontURL: "FONTS" },
};
require(path.join(home, "startup.js"));

(async () => {
  await MathJax.startup.promise;
  const { adaptor } = MathJax.startup;
  const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  answer({ css: adaptor.textContent(MathJax.chtmlStylesheet()) });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { tex, display } = JSON.parse(line);
    try {
      const html = adaptor.outerHTML(await MathJax.tex2chtmlPromise(tex, { display }));
      const error = /data-mjx-error="([^"]*)"/.exec(html);
      answer(error ? { error: error[1] } : { html });
    } catch (problem) {
      answer({ error: String(problem) });
    }
  }
})();
