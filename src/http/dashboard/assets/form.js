// The form that launches a job. Without it the form works as well; with it the manifest is shown as it is typed.
"use strict";

(() => {
  const { $, shown, replace } = window.jobwright;

  const form = $("form");
  // A template that is broken has none.
  if (!form) return;

  ($("wrongs") && form.querySelector("[aria-invalid=true]"))?.focus();

  // A second click while the first one is on its way sends nothing; were it to, the token makes it the same launch.
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("formaction")) {
      event.preventDefault();
      preview(true, event.submitter);
    } else if (sent) event.preventDefault();
    else sent = true;
  });
  addEventListener("pageshow", () => { sent = false; });

  let turn = 0;
  let timer = 0;
  async function preview(asked, button = null) {
    const own = ++turn;
    const note = $("preview-state");
    note.textContent = "…";
    try {
      const answer = await fetch(form.dataset.preview, { method: "POST", body: new URLSearchParams(new FormData(form, button)), headers: { Accept: "text/html" }, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (own !== turn) return;
      const next = page.getElementById("preview");
      if (next && shown($("preview")) !== shown(next)) replace($("preview"), document.importNode(next, true));
      note.textContent = next ? "live" : "no preview";
      if (asked) $("preview").scrollIntoView({ block: "nearest" });
    } catch {
      if (own === turn) note.textContent = "no connection";
    }
  }
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(preview, 150, false); });
  preview(false);
})();
