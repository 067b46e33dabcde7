//! The scripts that tests run in a page.

/// Finds what a reader would call by these words: a link, a button, a tab or a heading that opens. First those that are
/// called just so, then those whose name begins so. Of several the first that is seen, within what a selector gives.
pub(crate) const CALLED: &str = r#"
    const [words, within] = arguments;
    const root = within ? document.querySelector(within) : document;
    if (!root) return null;
    const plain = (text) => (text || "").replace(/\s+/g, " ").trim();
    const all = [...root.querySelectorAll("a, button, summary, [role=button], [role=tab], label")]
        .filter((it) => it.getClientRects().length);
    const names = (it) => [it.getAttribute("aria-label"), it.innerText, it.title].map(plain);
    return all.find((it) => names(it).includes(words)) || all.find((it) => names(it).some((name) => name.startsWith(words))) || null;
"#;

/// Finds the field of a form by its label.
pub(crate) const LABELLED: &str = r#"
    const [words] = arguments;
    const plain = (text) => (text || "").replace(/\s+/g, " ").replace(/ \*$/, "").trim();
    const label = [...document.querySelectorAll("label, legend")].find((it) => plain(it.innerText) === words);
    if (label) return label.control || label.parentElement.querySelector("input, select, textarea");
    return [...document.querySelectorAll("input, select, textarea")].find((it) => plain(it.getAttribute("aria-label")) === words) || null;
"#;

/// Finds by a selector.
pub(crate) const SELECTED: &str = "return document.querySelector(arguments[0]);";

/// Waits, frame by frame, until an expression is true; gives its value, or nothing when the time is over. The page's own
/// policy forbids to compile text, so the expression is part of the script.
pub(crate) fn until(condition: &str) -> String {
    format!(
        r#"
        const [patience] = args;
        const end = performance.now() + patience;
        return await new Promise((done) => {{
            const turn = () => {{
                let value = null;
                try {{ value = ({condition}); }} catch {{ value = null; }}
                if (value) done(value === true || typeof value !== "object" ? value : true);
                else if (performance.now() > end) done(null);
                else requestAnimationFrame(turn);
            }};
            turn();
        }});
    "#
    )
}

/// Watches what a reader would feel, from before the page's own scripts on: layout shifts that no input has caused, and
/// tasks that hold the page up.
pub(crate) const WATCH: &str = r#"
    window.__felt = { shifts: [], long: [], errors: [] };
    addEventListener("error", (event) => __felt.errors.push(String(event.message)));
    addEventListener("unhandledrejection", (event) => __felt.errors.push(String(event.reason)));
    new PerformanceObserver((list) => {
        for (const it of list.getEntries()) if (!it.hadRecentInput) __felt.shifts.push({
            value: it.value,
            what: it.sources.map((s) => s.node ? s.node.id || s.node.className || s.node.nodeName : "gone").join(" "),
        });
    }).observe({ type: "layout-shift", buffered: true });
    new PerformanceObserver((list) => {
        for (const it of list.getEntries()) __felt.long.push(it.duration);
    }).observe({ type: "longtask", buffered: true });
"#;
