// The log on the page of a job. Without it the page shows the last lines of what there was when it was made.
"use strict";

(() => {
  const { $, job } = window.jobwright;

  const ESCAPE = /\x1b(?:\[([0-9;:?]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;

  // A line with its colours; every other control sequence is dropped.
  function paint(text) {
    const line = document.createDocumentFragment();
    let style = new Set();
    let at = 0;
    const put = (part) => {
      part = part.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "");
      if (!part) return;
      if (!style.size) { line.append(part); return; }
      const span = document.createElement("span");
      span.className = [...style].join(" ");
      span.textContent = part;
      line.append(span);
    };
    for (const match of text.matchAll(ESCAPE)) {
      put(text.slice(at, match.index));
      at = match.index + match[0].length;
      if (match[2] !== "m") continue;
      for (const code of (match[1] || "0").split(/[;:]/).map(Number)) {
        const without = (kind) => { style = new Set([...style].filter((it) => it[0] !== kind)); };
        if (code === 0) style = new Set();
        else if (code >= 1 && code <= 4) style.add(`a${code}`);
        else if (code === 22) { style.delete("a1"); style.delete("a2"); } else if (code === 23) style.delete("a3");
        else if (code === 24) style.delete("a4");
        else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) { without("f"); style.add(`f${code % 10}`); } else if (code === 39) without("f");
      }
    }
    put(text.slice(at));
    line.append("\n");
    return line;
  }

  const log = document.querySelector("[data-log]");
  const MOST = 5000;

  function startLog() {
    const note = $("log-state");
    const follow = $("log-follow");
    const wrap = $("log-wrap");
    let following = true;
    let lines = [];
    let count = 0;
    let frame = 0;
    let afresh = false;
    let delay = 1000;

    $("log-tools").hidden = false;
    const remark = () => (count < MOST ? "" : `The last ${MOST} lines; the download has what there is`);
    const setFollowing = (on) => {
      following = on;
      follow.setAttribute("aria-pressed", String(on));
      note.textContent = on ? remark() : "Paused";
      if (!on) return;
      draw();
      log.scrollTop = log.scrollHeight;
    };
    follow.addEventListener("click", () => setFollowing(!following));
    wrap.addEventListener("click", () => {
      const on = log.classList.toggle("nowrap");
      wrap.setAttribute("aria-pressed", String(!on));
    });
    // Scrolling up pauses; scrolling back to the end goes on.
    log.addEventListener("scroll", () => {
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
      if (following !== atEnd && !frame) setFollowing(atEnd);
    });

    function draw() {
      frame = 0;
      if (!following || !lines.length) return;
      if (afresh) { log.textContent = ""; count = 0; afresh = false; }
      const block = document.createDocumentFragment();
      for (const line of lines) {
        const row = document.createElement("span");
        row.append(paint(line));
        block.append(row);
      }
      count += lines.length;
      lines = [];
      log.append(block);
      while (count > MOST && log.firstChild) { log.firstChild.remove(); count -= 1; }
      note.textContent = remark();
      log.scrollTop = log.scrollHeight;
    }

    const add = (line) => {
      lines.push(line);
      if (lines.length > 2 * MOST) lines = lines.slice(-MOST);
      if (!frame) frame = requestAnimationFrame(draw);
    };

    async function read() {
      let first = true;
      try {
        const answer = await fetch(`/api/v1/jobs/${encodeURIComponent(job)}/logs?follow=true&tail=${MOST}`, { headers: { Accept: "text/plain" }, credentials: "same-origin" });
        if (answer.status === 404 || answer.status === 409) return "none";
        if (!answer.ok || !answer.body) return "lost";
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        for (;;) {
          const { done, value } = await reader.read();
          const parts = (rest + (value || "")).split("\n");
          rest = parts.pop();
          if (done && rest) parts.push(rest);
          // What the page came with is in the stream too.
          if (first && parts.length) { first = false; afresh = true; lines = []; delay = 1000; }
          parts.forEach(add);
          if (done) return "ended";
        }
      } catch { return "lost"; }
    }

    async function run() {
      for (;;) {
        const result = await read();
        const over = document.querySelector("[data-terminal]");
        if (result === "ended" && over) return;
        if (result === "none" && over) return;
        await new Promise((done) => setTimeout(done, delay));
        delay = Math.min(delay * 2, 5000);
      }
    }
    run();
  }

  // A job that ended without a line has nothing to follow.
  const silent = log?.querySelector(".none") && document.querySelector("[data-terminal]");
  if (log && job && !silent && window.TextDecoderStream) startLog();
})();
