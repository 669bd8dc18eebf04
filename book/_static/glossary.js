// Terms of the glossary: what a word means appears beside it, under the pointer and on keyboard focus; Escape hides it.
// Without this script the browser shows the link's title.
"use strict";

(() => {
  const WAIT = 200; // milliseconds in which the pointer can cross from the word to the note
  const note = document.createElement("span");
  note.id = "term-note";
  note.className = "term-note";
  note.setAttribute("role", "tooltip");
  note.hidden = true;
  document.querySelector(".bd-article").append(note);
  let shown = null; // the link whose note is open
  let leaving = 0;

  const hide = () => {
    clearTimeout(leaving);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    note.hidden = true;
  };

  const hideSoon = () => {
    clearTimeout(leaving);
    leaving = setTimeout(hide, WAIT);
  };

  const show = (link) => {
    clearTimeout(leaving);
    if (shown !== link) {
      hide();
      shown = link;
      note.textContent = link.dataset.definition;
      note.hidden = false;
      link.setAttribute("aria-describedby", note.id);
    }
    const word = link.getClientRects()[0];
    const width = document.documentElement.clientWidth;
    note.style.left = `${Math.max(8, Math.min(word.left, width - note.offsetWidth - 8))}px`;
    const below = word.bottom + 4;
    const fits = below + note.offsetHeight < window.innerHeight;
    note.style.top = `${fits ? below : word.top - note.offsetHeight - 4}px`;
  };

  for (const link of document.querySelectorAll("a.term[title]")) {
    link.dataset.definition = link.title;
    link.removeAttribute("title"); // or the browser would show it, too
    link.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(link));
    link.addEventListener("pointerleave", hideSoon);
    link.addEventListener("focus", () => show(link));
    link.addEventListener("blur", hide);
  }
  note.addEventListener("pointerenter", () => clearTimeout(leaving));
  note.addEventListener("pointerleave", hideSoon);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("scroll", () => shown && show(shown), { passive: true });
})();
