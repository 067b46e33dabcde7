// The form that launches a job. Without it the form works as well; with it the manifest is shown as it is typed, faults
// stand beside the fields as soon as these are left, and a list has a row for each of its items.
"use strict";

(() => {
  const { $, shown, replace } = window.jobwright;

  const form = $("form");
  // A template that is broken has none.
  if (!form) return;

  // ---- Lists ----

  const make = (name, given = {}, ...inside) => {
    const element = Object.assign(document.createElement(name), given);
    element.append(...inside);
    return element;
  };

  // Rows over a text with one item a line. The text stays what is sent.
  function rows(text) {
    // A list as JSON has items that no row could hold.
    if (text.value.trimStart().startsWith("[")) return;
    const { id } = text;
    const label = form.querySelector(`label[for="${CSS.escape(id)}"]`);
    const name = label.textContent.replace("*", "").trim();
    const options = text.dataset.options?.split("\n");
    const list = make("ol", { className: "items" });
    const add = make("button", { type: "button", className: "low", textContent: "Add an item" });
    const box = make("div", { className: "rows", tabIndex: -1 }, list, add);
    add.setAttribute("aria-label", `Add an item to ${name}`);
    box.setAttribute("role", "group");
    label.id = `${id}-label`;
    label.removeAttribute("for");
    box.setAttribute("aria-labelledby", label.id);
    // What leads to the field leads to its rows.
    text.id = `${id}-text`;
    box.id = id;
    text.hidden = true;
    text.after(box);
    // What is said of one a line is of no use here.
    const rule = $(`${id}-rule`);
    if (rule) rule.textContent = rule.textContent.replace("One a line.", "").trim();

    const inputs = () => [...list.querySelectorAll("input, select")];
    const number = () => {
      inputs().forEach((input, i) => {
        input.setAttribute("aria-label", `${name}, item ${i + 1}`);
        input.nextElementSibling.setAttribute("aria-label", `Remove item ${i + 1} of ${name}`);
      });
    };
    const tell = (kind) => {
      text.value = inputs().map((input) => input.value).filter((value) => value.trim()).join("\n");
      text.dispatchEvent(new Event(kind, { bubbles: true }));
    };
    function put(value, after = null) {
      const input = options ? make("select") : make("input", { type: text.dataset.rows, autocomplete: "off" });
      if (options) for (const option of new Set(["", ...options, value])) input.append(make("option", { value: option, textContent: option || "Choose…" }));
      if (input.type === "number") input.step = "any";
      input.value = value;
      const remove = make("button", { type: "button", className: "low", textContent: "×" });
      const row = make("li", {}, input, remove);
      remove.addEventListener("click", () => {
        const next = (row.nextElementSibling || row.previousElementSibling)?.querySelector("input, select");
        row.remove();
        (next || add).focus();
        number();
        tell("input");
        tell("change");
      });
      input.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || options) return;
        event.preventDefault();
        put("", row).focus();
      });
      // Several lines are several items.
      input.addEventListener("paste", (event) => {
        const lines = event.clipboardData.getData("text").split(/\r?\n/).filter((line) => line.trim());
        if (lines.length < 2 || options) return;
        event.preventDefault();
        let last = row;
        input.value = lines[0];
        for (const line of lines.slice(1)) last = put(line, last).parentElement;
        tell("input");
      });
      if (after) after.after(row); else list.append(row);
      number();
      return input;
    }
    list.addEventListener("input", (event) => { event.stopPropagation(); tell("input"); });
    list.addEventListener("change", (event) => { event.stopPropagation(); tell("change"); });
    add.addEventListener("click", () => put("").focus());
    text.value.split("\n").filter((line) => line.trim()).forEach((line) => put(line));
    // Shows which of the items are wrong, by the text of a page that the server made.
    box.mark = (of) => {
      const wrong = new Set((of.dataset.wrong || "").split(" "));
      const all = of.getAttribute("aria-invalid");
      const filled = inputs().filter((input) => input.value.trim());
      for (const input of inputs()) {
        const here = wrong.has(String(filled.indexOf(input))) || (all && !of.dataset.wrong);
        if (here) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
      }
      const said = of.getAttribute("aria-describedby");
      if (said) box.setAttribute("aria-describedby", said); else box.removeAttribute("aria-describedby");
    };
    box.mark(text);
    text.removeAttribute("aria-invalid");
  }
  form.querySelectorAll("[data-rows]").forEach(rows);

  // ---- Faults ----

  if ($("wrongs")) {
    const place = form.querySelector(".wrongs, .wrong")?.closest(".field, .group");
    const first = place?.querySelector("[aria-invalid=true]:not([hidden])") || place?.querySelector("input:not([type=hidden]), select, .rows button");
    (first || $("wrongs")).focus();
  }

  // The fields that were left after a change.
  const left = new Set();
  form.addEventListener("change", (event) => {
    const control = event.target.closest("[id]");
    left.add(control.id.replace(/-text$/, ""));
    soon();
  });

  // Brings what is wrong with a field up to what a page that the server made says of it.
  function mark(id, page) {
    const control = $(id);
    const now = page.getElementById(id);
    const place = control?.closest(".field, .group");
    if (!now || !place) return;
    const old = $(`${id}-wrong`);
    const wrong = page.getElementById(`${id}-wrong`);
    if (old && wrong) { if (old.textContent !== wrong.textContent) old.replaceWith(document.importNode(wrong, true)); } else if (old) old.remove();
    else if (wrong) place.insertBefore(document.importNode(wrong, true), place.querySelector(":scope > .help"));
    if (control.mark) { control.mark(now); return; }
    for (const name of ["aria-invalid", "aria-describedby"]) {
      if (now.hasAttribute(name)) control.setAttribute(name, now.getAttribute(name)); else control.removeAttribute(name);
    }
  }

  // ---- Sending ----

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
    const values = new URLSearchParams(new FormData(form, button));
    values.set("part", "preview");
    try {
      const answer = await fetch(form.dataset.preview, { method: "POST", body: values, headers: { Accept: "text/html" }, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (own !== turn) return;
      const next = page.getElementById("preview");
      if (next && shown($("preview")) !== shown(next)) replace($("preview"), document.importNode(next, true));
      if (next) left.forEach((id) => mark(id, page));
      note.textContent = next ? "live" : "no preview";
      if (asked) $("preview").scrollIntoView({ block: "nearest" });
    } catch {
      if (own === turn) note.textContent = "no connection";
    }
  }
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(preview, 150, false);
  }
  form.addEventListener("input", soon);
  preview(false);
})();
