// The script of every page. Every page works without it; with it a page stays true by itself: when the stream of
// changes says that something happened, the page's own address is fetched again and the parts marked `data-live` take
// over what is new. So the server alone knows how a job looks, which jobs a view holds and in which order, and a
// missed, doubled or late event can never show a wrong state.
//
// Pages that do more load a further script after this one, which finds what they share in `jobwright`.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const body = document.body;

  // ---- Times: in the reader's zone on hover, and true as time goes by ----

  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

  function age(seconds, date) {
    if (seconds < 5) return "just now";
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    if (seconds < 2592000) return `${Math.floor(seconds / 86400)} d ago`;
    return date.toISOString().slice(0, 10);
  }

  function span(s) {
    if (s < 1) return `${Math.max(0, Math.floor(s * 1000))} ms`;
    if (s < 10) return `${(Math.floor(s * 10) / 10).toFixed(1)} s`;
    s = Math.floor(s);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  }

  function tell(root) {
    const now = Date.now();
    for (const time of root.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      if (Number.isNaN(date.getTime())) continue;
      const kind = time.dataset.as;
      const seconds = (now - date) / 1000;
      const words = kind === "clock" ? clock.format(date) : kind === "span" ? span(seconds) : age(Math.floor(seconds), date);
      if (time.textContent !== words) time.textContent = words;
      const title = exact.format(date);
      if (time.title !== title) time.title = title;
    }
  }

  tell(document);
  setInterval(() => { if (!document.hidden) tell(document); }, 1000);

  // ---- Taking over what is new ----

  // What a part shows, apart from times that only go by and from what this script has done to it.
  const shown = (element) => element.outerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1").replace(/ (open|data-new)=""(?=[ >])/g, "");

  function keep(from, to) {
    for (const old of from.querySelectorAll("details[open][id]")) {
      const next = to.querySelector(`#${CSS.escape(old.id)}`);
      if (next) next.open = true;
    }
    for (const old of from.querySelectorAll("input[type=checkbox][id]")) {
      const next = to.querySelector(`#${CSS.escape(old.id)}`);
      if (next) next.checked = old.checked;
    }
  }

  // Puts `next` in the place of `old`, with the focus and what was opened by hand.
  function replace(old, next) {
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    const scroll = [...old.querySelectorAll("pre")].map((pre) => [pre.scrollTop, pre.scrollLeft]);
    keep(old, next);
    old.replaceWith(next);
    [...next.querySelectorAll("pre")].forEach((pre, i) => { if (scroll[i]) [pre.scrollTop, pre.scrollLeft] = scroll[i]; });
    if (!active) return;
    const same = active.id ? $(active.id) : [...next.querySelectorAll(active.tagName)].find((it) => it.getAttribute("href") === active.getAttribute("href") && it.textContent === active.textContent);
    if (same) same.focus({ preventScroll: true });
  }

  // Brings a list with an ID on every entry up to date: each entry is there once, in the order of the new list.
  function takeList(list, next) {
    const known = new Map([...list.children].map((child) => [child.id, child]));
    const fresh = [];
    let place = list.firstElementChild;
    for (const child of [...next.children]) {
      const old = known.get(child.id);
      known.delete(child.id);
      let now = old;
      if (!old) {
        now = child;
        child.dataset.new = "";
        fresh.push(child);
      } else if (shown(old) !== shown(child)) {
        if (place === old) place = child;
        replace(old, child);
        now = child;
      }
      if (now === place) place = place.nextElementSibling;
      else list.insertBefore(now, place);
    }
    for (const gone of known.values()) gone.remove();
    return fresh.length;
  }

  function take(page) {
    tell(page);
    let fresh = 0;
    for (const part of document.querySelectorAll("[data-live]")) {
      if (!part.isConnected || !part.id) continue;
      const next = page.getElementById(part.id);
      if (!next) continue;
      const inner = part.querySelector("[data-live=list]");
      if (part.dataset.live === "list") fresh += takeList(part, next);
      else if (inner && page.getElementById(inner.id)) takeAround(part, next, inner);
      else if (shown(part) !== shown(next)) {
        if (next.dataset.told && next.dataset.told !== part.dataset.told) say(next.dataset.told);
        replace(part, document.importNode(next, true));
      }
    }
    if (page.title) document.title = page.title;
    return fresh;
  }

  // A part that holds a list: its other children are replaced, the list itself is brought up to date by its own turn.
  function takeAround(part, next, inner) {
    for (const name of ["nav.pager"]) {
      const old = part.querySelector(name);
      const now = next.querySelector(name);
      if (old && now) { if (shown(old) !== shown(now)) replace(old, now); } else if (old) old.remove();
      else if (now) part.append(now);
    }
    return inner;
  }

  let lastSaid = 0;
  function say(words) {
    lastSaid = Date.now();
    const told = $("told");
    if (told) told.textContent = words;
  }

  // ---- Following the stream of changes ----

  // The kinds of change that the stream names.
  const KINDS = ["recorded", "rebuilt", "created", "warning", "phase", "containerStarted", "containerEnded", "report", "cancelRequested", "disputed", "logKept", "objectDeleted", "deleted"];

  const job = body.dataset.job;
  const link = $("link");
  let source = null;
  let running = false;
  let again = false;
  let wait = 500;
  let retry = 0;

  function state(name, words) {
    if (!link) return;
    link.hidden = false;
    if (link.dataset.state === name) return;
    link.dataset.state = name;
    link.textContent = words;
  }

  // One fetch at a time, and at most five a second however many events come: a flood of jobs costs no more than that.
  // Three may follow each other at once: a job's end is several events, and the last of them is the one that counts.
  const BURST = 3;
  const PACE = 200;
  let credit = BURST;
  let counted = 0;
  async function refresh() {
    if (running) { again = true; return; }
    running = true;
    credit = Math.min(BURST, credit + (performance.now() - counted) / PACE) - 1;
    counted = performance.now();
    try {
      const answer = await fetch(location.href.split("#")[0], { headers: { Accept: "text/html", "Jobwright-Live": "1" }, credentials: "same-origin" });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.assign(answer.url); return; }
      if (answer.ok) {
        const fresh = take(new DOMParser().parseFromString(await answer.text(), "text/html"));
        if (fresh && !job && Date.now() - lastSaid > 10000) say(fresh === 1 ? "One new job" : `${fresh} new jobs`);
      } else if (answer.status === 401) location.reload();
      else if (job && answer.status === 404) { close(); state("gone", "Record deleted"); say("The record of this job was deleted"); }
    } catch { setTimeout(() => { if (source) refresh(); }, 2000); }
    const pause = counted + (1 - credit) * PACE - performance.now();
    if (pause > 0) await new Promise((done) => setTimeout(done, pause));
    running = false;
    if (again && !document.hidden && source) { again = false; refresh(); }
  }

  function close() {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  }

  function open() {
    close();
    const own = new EventSource(`/api/v1/events${job ? `?job=${encodeURIComponent(job)}` : ""}`);
    source = own;
    own.onopen = () => { wait = 500; state("live", "Live"); refresh(); };
    for (const kind of KINDS) own.addEventListener(kind, refresh);
    own.onerror = () => {
      if (source !== own) return;
      state("waiting", "Reconnecting…");
      // The browser tries again by itself, from the last event on, unless it was refused.
      if (own.readyState !== EventSource.CLOSED) return;
      close();
      refresh();
      retry = setTimeout(open, wait);
      wait = Math.min(wait * 2, 10000);
    };
  }

  if ("stream" in body.dataset && window.EventSource) {
    open();
    // A page that nobody sees holds no connection; it catches up when it is looked at again.
    document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
    addEventListener("pagehide", close);
    addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  }

  // ---- Copying ----

  for (const place of document.querySelectorAll("[data-copies]")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "low";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText($(place.dataset.copies).querySelector("pre")?.textContent || "");
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    place.append(button);
  }

  // ---- Filters and menus ----

  document.querySelector("[data-filters]")?.addEventListener("submit", (event) => {
    // Short addresses: what is empty is left out.
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  });
  addEventListener("pageshow", () => { for (const field of document.querySelectorAll("[data-filters] :disabled")) field.disabled = false; });

  // The menus that ask close by Escape, and when something else is clicked.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.ask[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
  });
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details.ask[open]")) if (!open.contains(event.target)) open.open = false;
  });

  // What the further scripts share.
  window.jobwright = { $, job, say, shown, replace };
})();
