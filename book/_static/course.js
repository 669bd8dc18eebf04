// Formulas and figures that scroll sideways can be scrolled with the keyboard: they take part in the tab order while they overflow.
(() => {
  const update = () => {
    for (const box of document.querySelectorAll('mjx-container[display="true"], .figure-frame')) {
      if (box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
      } else {
        box.removeAttribute("tabindex");
      }
    }
  };
  const start = async () => {
    await window.MathJax?.startup?.promise;
    update();
    window.addEventListener("resize", update);
  };
  window.addEventListener("load", start);
})();
