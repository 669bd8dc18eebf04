// Lets the keyboard scroll what scrolls sideways: a part that overflows takes part in the tab order. Parts are measured when they are
// laid out, which on a phone is when the reader comes near them; asking for their size before would have the whole page laid out.
"use strict";

const reach = new ResizeObserver((parts) => {
  for (const { target } of parts) {
    if (target.scrollWidth > target.clientWidth) {
      target.tabIndex = 0;
    } else {
      target.removeAttribute("tabindex");
    }
  }
});
const SCROLLING = 'pre, .cell_output > .output, .pst-scrollable-table-container, mjx-container[display="true"], .figure-frame, .picture-scroll';
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(SCROLLING).forEach((part) => reach.observe(part)));
