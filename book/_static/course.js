// Sets the formulas a few at a time, so that the page answers while a chapter's hundreds are being set; and lets the keyboard scroll
// what scrolls sideways. `window.formulasSet` is a promise that is kept when the last formula is set.
window.formulasSet = (async () => {
  const SLICE = 30; // milliseconds of work before the page gets a turn

  await new Promise((done) => window.addEventListener("load", done));
  if (window.MathJax?.startup) {
    await MathJax.startup.promise; // does not set anything: mathjax3_config in _config.yml says startup.typeset: false
    const formulas = [...document.querySelectorAll(".math")];
    const turn = () => new Promise((done) => setTimeout(done));
    for (let i = 0; i < formulas.length; ) {
      const start = performance.now();
      while (i < formulas.length && performance.now() - start < SLICE) {
        await MathJax.typesetPromise(formulas.slice(i, (i += 4)));
      }
      await turn();
    }
  }

  // A part that overflows takes part in the tab order, as the theme does it for code and tables.
  const reach = () => {
    for (const box of document.querySelectorAll('mjx-container[display="true"], .figure-frame')) {
      if (box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
      } else {
        box.removeAttribute("tabindex");
      }
    }
  };
  reach();
  window.addEventListener("resize", reach);
})();
