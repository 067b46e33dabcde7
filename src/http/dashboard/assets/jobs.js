// The selection on the jobs page. Without it the boxes are sent as they are; with it a selection is counted, and stays
// while the list changes: also of jobs that newer ones have moved to another page.
"use strict";

(() => {
  const { $, say } = window.jobwright;

  const form = $("selected");
  const jobs = $("jobs");
  if (!form || !jobs) return;

  const count = $("selected-count");
  const none = $("select-none");
  const chosen = new Set();
  const boxes = () => [...document.querySelectorAll("input[name=id][form=selected][type=checkbox]")];

  // Brings boxes, hidden fields and words into line with what is chosen.
  function show() {
    const here = boxes();
    for (const box of here) box.checked = chosen.has(box.value);
    const shown = new Set(here.map((box) => box.value));
    const elsewhere = [...chosen].filter((id) => !shown.has(id));
    // Nothing is touched that is right already: this is called for every change of the page, and must not be one itself.
    const fields = [...form.querySelectorAll("[data-elsewhere]")];
    for (const field of fields) if (!elsewhere.includes(field.value)) field.remove();
    for (const id of elsewhere) {
      if (fields.some((field) => field.value === id)) continue;
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "id", value: id });
      field.dataset.elsewhere = "";
      form.append(field);
    }
    const words = chosen.size ? `${chosen.size} selected${elsewhere.length ? `, ${elsewhere.length} of them no longer on this page` : ""}` : "None selected";
    if (count.textContent !== words) count.textContent = words;
    for (const button of form.querySelectorAll("button[formaction]")) button.disabled = !chosen.size;
    none.hidden = !chosen.size;
    form.hidden = !here.length && !chosen.size;
  }

  document.addEventListener("change", (event) => {
    if (event.target.form !== form || event.target.name !== "id") return;
    if (event.target.checked) chosen.add(event.target.value);
    else chosen.delete(event.target.value);
    show();
    say(count.textContent);
  });
  $("select-all").addEventListener("click", () => { for (const box of boxes()) chosen.add(box.value); show(); say(count.textContent); });
  none.addEventListener("click", () => { chosen.clear(); show(); say(count.textContent); $("select-all").focus(); });

  new MutationObserver(show).observe(jobs.parentNode, { childList: true, subtree: true });
  // What the browser has ticked again after a reload or on the way back.
  const restore = () => { for (const box of boxes()) if (box.checked) chosen.add(box.value); show(); };
  restore();
  addEventListener("pageshow", restore);
})();
