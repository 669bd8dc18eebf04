// Lets the keyboard scroll what scrolls sideways: a part that overflows takes part in the tab order, as the theme does it for code
// and tables.
"use strict";

const reach = () => {
  for (const box of document.querySelectorAll('mjx-container[display="true"], .figure-frame, .picture-scroll')) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }
};
window.addEventListener("load", reach);
window.addEventListener("resize", reach);
