// The log on the page of a job. Without it the page shows the last lines of what there was when it was made; with it
// the log is followed, searched and coloured. Lines are kept in blocks, and only the blocks near what is seen are in
// the page, so that a long log costs no more to show than a short one.
"use strict";

(() => {
  const { $, job, say } = window.jobwright;

  const log = document.querySelector("[data-log]");
  const ended = () => document.querySelector("[data-terminal]") !== null;
  if (!log || !window.TextDecoderStream) return;

  // How many lines a block has, and how many lines and characters are kept. The download has what there is.
  const BLOCK = 200;
  const MOST = 100000;
  const MOST_TEXT = 50e6;

  const ESCAPE = /\x1b(?:\[([0-9;:?]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
  const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;

  // ---- One line ----

  // The parts of a line with the classes of their colours; every other control sequence is dropped.
  function parts(text) {
    if (!text.includes("\x1b")) return [[text.replace(CONTROL, ""), ""]];
    const found = [];
    let style = new Set();
    let at = 0;
    const put = (part) => { if (part) found.push([part.replace(CONTROL, ""), [...style].join(" ")]); };
    const without = (kind) => { style = new Set([...style].filter((it) => it[0] !== kind)); };
    const colour = (kind, number) => { without(kind); style.add(kind + number); };
    for (const match of text.matchAll(ESCAPE)) {
      put(text.slice(at, match.index));
      at = match.index + match[0].length;
      if (match[2] !== "m") continue;
      const codes = (match[1] || "0").split(/[;:]/).map(Number);
      for (let i = 0; i < codes.length; i += 1) {
        const code = codes[i];
        if (code === 0) style = new Set();
        else if (code >= 1 && code <= 4) style.add(`a${code}`);
        else if (code === 22) { style.delete("a1"); style.delete("a2"); } else if (code === 23 || code === 24) style.delete(`a${code - 20}`);
        else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) colour("f", code % 10);
        else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) colour("b", code % 10);
        else if (code === 39) without("f");
        else if (code === 49) without("b");
        else if (code === 38 || code === 48) {
          // One of 256 colours, or one of three numbers: of these, the first sixteen have a class.
          const few = codes[i + 1] === 5;
          if (few && codes[i + 2] < 16) colour(code === 38 ? "f" : "b", codes[i + 2] % 8);
          i += few ? 2 : 4;
        }
      }
    }
    put(text.slice(at));
    return found;
  }

  const plain = (text) => (text.includes("\x1b") ? text.replace(ESCAPE, "") : text).replace(CONTROL, "");

  // A line as it is shown, with what is searched for marked.
  function paint(text) {
    const line = document.createElement("span");
    const whole = needle ? plain(text).toLowerCase() : "";
    const hits = [];
    for (let at = needle ? whole.indexOf(needle) : -1; at >= 0; at = whole.indexOf(needle, at + needle.length)) hits.push(at, at + needle.length);
    let from = 0;
    for (const [part, style] of parts(text)) {
      const to = from + part.length;
      const cuts = [from, ...hits.filter((hit) => hit > from && hit < to), to];
      for (let i = 0; i + 1 < cuts.length; i += 1) {
        if (cuts[i] === cuts[i + 1]) continue;
        const words = part.slice(cuts[i] - from, cuts[i + 1] - from);
        const within = hits.some((hit, k) => k % 2 === 0 && hit <= cuts[i] && cuts[i] < hits[k + 1]);
        if (!style && !within) { line.append(words); continue; }
        const piece = document.createElement(within ? "mark" : "span");
        piece.className = style;
        piece.textContent = words;
        line.append(piece);
      }
      from = to;
    }
    // An empty line has its height, and is copied.
    if (!line.firstChild) line.append(document.createElement("br"));
    return line;
  }

  // ---- All lines, in blocks ----

  let blocks = [];
  let count = 0;
  let text = 0;
  // How many lines were dropped at the beginning: with them every line keeps its number.
  let dropped = 0;
  let following = true;
  let started = false;
  // What is searched for, the numbers of the lines that match, and the one that was gone to.
  let needle = "";
  let found = [];
  let current = -1;

  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const block = target.block;
      if (isIntersecting) fill(block);
      else if (block.filled) clear(block);
    }
    if (following) toEnd();
  }, { root: log, rootMargin: "800px 0px" });

  function fill(block) {
    if (block.filled) return;
    block.filled = true;
    block.element.style.height = "";
    block.element.replaceChildren(...block.lines.map(paint));
    const chosen = current - dropped - blocks.indexOf(block) * BLOCK;
    block.element.children[chosen]?.classList.add("at");
  }

  function clear(block) {
    block.element.style.height = `${block.element.getBoundingClientRect().height}px`;
    block.element.replaceChildren();
    block.filled = false;
  }

  // How high a line is, and how many characters go into one.
  let metrics = null;
  function measure() {
    const probe = document.createElement("span");
    probe.textContent = "0".repeat(100);
    probe.style.cssText = "position:absolute;visibility:hidden;white-space:pre";
    log.append(probe);
    const box = probe.getBoundingClientRect();
    const style = getComputedStyle(log);
    probe.remove();
    const width = log.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    metrics = { line: parseFloat(style.lineHeight) || box.height, columns: Math.max(1, Math.floor(width / (box.width / 100))) };
  }

  // A block that is not in the page has the height that it will have, or nearly.
  function estimate(block) {
    if (!metrics) measure();
    const wraps = !log.classList.contains("nowrap");
    let rows = 0;
    for (const line of block.lines) rows += wraps ? Math.max(1, Math.ceil(line.length / metrics.columns)) : 1;
    block.element.style.height = `${rows * metrics.line}px`;
    block.stale = false;
  }

  function add(line) {
    let block = blocks.at(-1);
    if (!block || block.lines.length === BLOCK) {
      block = { lines: [], text: 0, element: document.createElement("span"), filled: false, stale: true };
      block.element.className = "lines";
      block.element.block = block;
      blocks.push(block);
      log.append(block.element);
      near.observe(block.element);
    }
    block.lines.push(line);
    block.text += line.length;
    text += line.length;
    if (block.filled) block.element.append(paint(line));
    else block.stale = true;
    if (needle && plain(line).toLowerCase().includes(needle)) found.push(dropped + count);
    count += 1;
  }

  function drop() {
    while (blocks.length > 1 && (count - blocks[0].lines.length >= MOST || text > MOST_TEXT)) {
      const block = blocks.shift();
      near.unobserve(block.element);
      block.element.remove();
      count -= block.lines.length;
      text -= block.text;
      dropped += block.lines.length;
    }
    if (found.length && found[0] < dropped) found = found.filter((number) => number >= dropped);
  }

  // Starts over with these lines.
  function reset(lines) {
    near.disconnect();
    log.replaceChildren();
    [blocks, count, text, dropped, found, current] = [[], 0, 0, 0, [], -1];
    lines.forEach(add);
  }

  const lineAt = (index) => blocks[Math.floor(index / BLOCK)].lines[index % BLOCK];

  // ---- Following ----

  const note = $("log-state");
  const follow = $("log-follow");
  const wrap = $("log-wrap");
  let frame = 0;
  let waiting = [];
  let unseen = 0;
  let top = 0;

  function remark() {
    const cut = dropped || count >= MOST ? `The last ${count.toLocaleString("en")} lines; the download has what there is` : "";
    const paused = unseen ? `Paused, ${unseen.toLocaleString("en")} new line${unseen === 1 ? "" : "s"}` : "Paused";
    const words = following ? cut : paused;
    if (note.textContent !== words) note.textContent = words;
  }

  // Shows the end: its blocks are filled at once, so that nothing blank is seen.
  function toEnd() {
    let height = 0;
    for (let i = blocks.length - 1; i >= 0 && height < log.clientHeight; i -= 1) {
      fill(blocks[i]);
      height += blocks[i].element.offsetHeight;
    }
    log.scrollTop = log.scrollHeight;
    top = log.scrollTop;
  }

  function setFollowing(on) {
    following = on;
    unseen = 0;
    follow.setAttribute("aria-pressed", String(on));
    if (on) toEnd();
    remark();
  }

  function draw() {
    cancelAnimationFrame(frame);
    frame = 0;
    const lines = waiting;
    waiting = [];
    if (!started) { started = true; $("log-tools").hidden = false; reset([]); }
    lines.forEach(add);
    drop();
    for (const block of blocks) if (block.stale && !block.filled) estimate(block);
    if (following) toEnd();
    else unseen += lines.length;
    remark();
    if (needle) tellFound();
  }

  function resize() {
    measure();
    for (const block of blocks) if (!block.filled) estimate(block);
    if (following) toEnd();
  }

  follow.addEventListener("click", () => setFollowing(!following));
  wrap.addEventListener("click", () => {
    const on = log.classList.toggle("nowrap");
    wrap.setAttribute("aria-pressed", String(!on));
    resize();
  });
  // Scrolling up pauses; scrolling back to the end goes on.
  log.addEventListener("scroll", () => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    const up = log.scrollTop < top - 1;
    top = log.scrollTop;
    if (following ? up && !atEnd : atEnd && current < 0) setFollowing(!following);
  });
  let width = 0;
  new ResizeObserver(() => {
    if (log.clientWidth === width) return;
    width = log.clientWidth;
    if (blocks.length) resize();
  }).observe(log);

  // ---- Searching ----

  const find = $("log-find");
  const told = $("log-found");

  function tellFound() {
    const place = found.indexOf(current);
    const many = found.length.toLocaleString("en");
    const words = !needle ? "" : !found.length ? "No line matches" : place < 0 ? `${many} line${found.length === 1 ? "" : "s"}` : `${(place + 1).toLocaleString("en")} of ${many}`;
    if (told.textContent !== words) told.textContent = words;
    for (const id of ["log-previous", "log-next"]) $(id).disabled = !found.length;
    return words;
  }

  function search() {
    const wanted = find.value.toLowerCase();
    if (wanted === needle) return;
    needle = wanted;
    found = [];
    current = -1;
    for (let i = 0; needle && i < count; i += 1) if (plain(lineAt(i)).toLowerCase().includes(needle)) found.push(dropped + i);
    for (const block of blocks) if (block.filled) { block.filled = false; fill(block); }
    const words = tellFound();
    if (needle) say(`${words}${found.length ? " found" : ""}`);
  }

  function go(step) {
    search();
    if (!found.length) return;
    const place = found.indexOf(current);
    // From the end of the log, the last match is the nearest.
    const next = place < 0 ? (step < 0 || following ? found.length - 1 : 0) : (place + step + found.length) % found.length;
    if (following) setFollowing(false);
    log.querySelector(".at")?.classList.remove("at");
    current = found[next];
    const index = current - dropped;
    const block = blocks[Math.floor(index / BLOCK)];
    fill(block);
    const line = block.element.children[index % BLOCK];
    line.classList.add("at");
    const middle = () => { log.scrollTop += line.getBoundingClientRect().top - log.getBoundingClientRect().top - log.clientHeight / 2; top = log.scrollTop; };
    middle();
    // Once more, when the blocks around it have their true heights.
    requestAnimationFrame(() => requestAnimationFrame(middle));
    say(`${tellFound()}: ${plain(lineAt(index)).slice(0, 200)}`);
  }

  let timer = 0;
  find.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 200); });
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); go(event.shiftKey ? -1 : 1); }
    if (event.key === "Escape" && find.value) { event.preventDefault(); find.value = ""; search(); }
  });
  $("log-previous").addEventListener("click", () => go(-1));
  $("log-next").addEventListener("click", () => go(1));
  // While the log itself has the focus, as in a pager: / to search, n and N from match to match.
  log.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); find.focus(); }
    if (event.key === "n") go(1);
    if (event.key === "N") go(-1);
  });

  // ---- Reading ----

  // After a break the log comes from its beginning again: as long as it says the same, nothing on the page changes.
  let again = -1;
  function take(line) {
    if (again >= 0) {
      if (again < count && lineAt(again) === line) { again += 1; return; }
      if (again < count) reset(Array.from({ length: again }, (_, index) => lineAt(index)));
      again = -1;
    }
    waiting.push(line);
    // A page that nobody sees draws no frame.
    if (waiting.length >= MOST) draw();
    else if (!frame) frame = requestAnimationFrame(draw);
  }

  let delay = 1000;
  async function read() {
    try {
      const answer = await fetch(`/api/v1/jobs/${encodeURIComponent(job)}/logs?follow=true&tail=${MOST}`, { headers: { Accept: "text/plain" }, credentials: "same-origin" });
      if (answer.status === 404 || answer.status === 409) return "none";
      if (!answer.ok || !answer.body) return "lost";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      if (frame) draw();
      again = started ? 0 : -1;
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        const pieces = (rest + (value || "")).split("\n");
        rest = pieces.pop();
        if (done && rest) pieces.push(rest);
        if (pieces.length) delay = 1000;
        pieces.forEach(take);
        if (done) return "ended";
      }
    } catch { return "lost"; }
  }

  async function run() {
    for (;;) {
      const result = await read();
      if (result !== "lost" && ended()) return;
      await new Promise((done) => setTimeout(done, delay));
      delay = Math.min(delay * 2, 5000);
    }
  }

  // A job that ended without a line has nothing to follow or to search, unless there was no time to ask for it.
  $("log-tools").hidden = log.querySelector(".none") !== null && ended();
  tellFound();
  run();
})();
