"use strict";
// What a person selects in the cleaned text goes into the form above it.
(() => {
  const whole = document.getElementById("whole");
  const typed = document.getElementById("typed");
  if (!whole || !typed) return;
  document.addEventListener("selectionchange", () => {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed || !whole.contains(selection.anchorNode)) return;
    const line = selection.toString().split("\n").map((part) => part.trim()).find((part) => part);
    if (line && line.length <= typed.maxLength) typed.value = line;
  });
})();
