/* Opens the answer that a link names, and copies commands. Pages of models and records use it. */
(() => {
  "use strict";
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
  for (const button of document.querySelectorAll(".copy")) {
    const text = button.parentElement.querySelector("code").textContent;
    if (!navigator.clipboard) continue; // some browsers forbid it for files
    button.hidden = false;
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
      catch { button.textContent = "Not allowed"; }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
})();
