/* The colour scheme: the system's, or what the reader chose. Runs before anything is painted. */
(() => {
  "use strict";
  const CHOICES = ["auto", "light", "dark"];
  const root = document.documentElement;
  const read = () => {
    try { return CHOICES.includes(localStorage.getItem("vlmbench-theme")) ? localStorage.getItem("vlmbench-theme") : "auto"; }
    catch { return "auto"; } // some browsers store nothing for files
  };
  const apply = (choice) => {
    if (choice === "auto") delete root.dataset.theme;
    else root.dataset.theme = choice;
    document.dispatchEvent(new Event("themechange"));
  };
  let choice = read();
  apply(choice);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(choice));
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = button.querySelector("span");
    label.textContent = choice;
    button.hidden = false;
    button.addEventListener("click", () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      label.textContent = choice;
      try { localStorage.setItem("vlmbench-theme", choice); } catch { /* the choice then lasts for this page */ }
      apply(choice);
    });
  });
})();
