//! How fast holes render, beside what others do with the same manifest, and how long the whole of `jobwright render` takes.
//!
//! Run with `cargo bench --bench render`. Everything is measured on one core in the same run. A render of ours is all of
//! it: filling, strict decoding, validation. The peers only render text and parse it: Handlebars with serde_yaml here, and
//! Go's text/template with yaml.v3 where `go` is installed (`benches/peer-go`).

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jobwright::template::{Catalog, Checked, Context, Settings, Template, TemplateSource};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const LONG: Duration = Duration::from_secs(2);
const PROCESSES: usize = 300;

/// What Go's text/template with a YAML parse was measured to do when the promise was made.
const GO_THEN: f64 = 11_800.0;
const TIMES: f64 = 20.0;
const PROCESS_PROMISE: Duration = Duration::from_millis(5);

fn main() -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    let catalog = Catalog::load(&TemplateSource::Embedded, &Settings::new())?;
    let nightly = json!({
        "day": "2026-02-28", "format": "csv", "copies": 3,
        "to": ["ada@example.org", "grace@example.org"],
    });
    let fan_out = json!({"shards": 100, "at_once": 25});
    writeln!(out, "renders a second on one core\n")?;
    writeln!(out, "{:<44} {:>16} {:>16}", "", "nightly-report", "fan-out")?;
    writeln!(out, "{:<44} {:>16} {:>16}", "", "(with blocks)", "(without)")?;
    let cases = [("nightly-report", nightly), ("fan-out", fan_out)];
    let mut rows: [(&str, Vec<f64>); 4] = [
        ("holes: fill, decode, validate", Vec::new()),
        ("the same, with parameters checked each time", Vec::new()),
        ("the same, and written as YAML", Vec::new()),
        ("plain Handlebars and a serde_yaml parse", Vec::new()),
    ];
    for (name, given) in &cases {
        let template = catalog.get(name)?;
        let given = given.as_object().ok_or("an object")?;
        let context = Context::example();
        let checked = template.check(given).map_err(|faults| format!("{faults:?}"))?;
        let plain = Plain::new(&template, &catalog)?;
        let data = plain_data(&template, &checked, &context);
        let ours = template.render(&checked, &context)?;
        if ours.manifest() != &plain.render(&data)? {
            return Err(format!("{name}: both ways have to give the same manifest").into());
        }
        rows[0].1.push(rate(|| Ok(template.render(&checked, &context).map(drop)?))?);
        rows[1].1.push(rate(|| {
            let checked = template.check(given).map_err(|faults| format!("{faults:?}"))?;
            Ok(template.render(&checked, &context).map(drop)?)
        })?);
        rows[2].1.push(rate(|| {
            let checked = template.check(given).map_err(|faults| format!("{faults:?}"))?;
            std::hint::black_box(template.render(&checked, &context)?.to_yaml());
            Ok(())
        })?);
        rows[3].1.push(rate(|| plain.render(&data).map(drop))?);
    }
    for (what, rates) in &rows {
        write!(out, "{what:<44}")?;
        for rate in rates {
            write!(out, " {rate:>16.0}")?;
        }
        writeln!(out)?;
    }
    let go = go()?;
    match go {
        Some(rate) => writeln!(out, "{:<44} {rate:>16.0}", "Go's text/template and a yaml.v3 parse")?,
        None => writeln!(out, "Go's text/template: not measured, `go` is not installed")?,
    }
    let limit = go.unwrap_or(GO_THEN);
    let times = rows[0].1[0] / limit;
    let verdict = if times >= TIMES { "kept" } else { "missed" };
    writeln!(out, "\npromise: {TIMES} times Go's {limit:.0}: {times:.1} times, {verdict}")?;
    processes(&mut out)
}

/// How often a second, after a warm-up.
fn rate(mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    for _ in 0..500 {
        work()?;
    }
    let begin = Instant::now();
    let mut times = 0u32;
    while begin.elapsed() < LONG {
        for _ in 0..100 {
            work()?;
        }
        times += 100;
    }
    Ok(f64::from(times) / begin.elapsed().as_secs_f64())
}

/// The same template by Handlebars alone, as one would write it without holes.
struct Plain(handlebars::Handlebars<'static>);

impl Plain {
    fn new(template: &Template, catalog: &Catalog) -> Outcome<Self> {
        let mut registry = handlebars::Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(handlebars::no_escape);
        for (name, text) in catalog.partials() {
            registry.register_partial(name, text)?;
        }
        let lines = template.source().split_inclusive('\n');
        let body: String = lines.skip(template.body_line() - 1).collect();
        registry.register_template_string("body", body)?;
        Ok(Self(registry))
    }

    fn render(&self, data: &Value) -> Outcome<Value> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the peer reads its text as anybody would, without the limits of this project's reader"
        )]
        Ok(serde_yaml::from_str(&self.0.render("body", data)?)?)
    }
}

fn plain_data(template: &Template, checked: &Checked, context: &Context) -> Value {
    json!({
        "params": checked.values(),
        "settings": template.settings(),
        "job": {"id": context.job_id, "name": context.job_name},
        "callback": {"url": context.callback_url},
    })
}

/// Go's rate, measured by a program of its own; none without Go.
fn go() -> Outcome<Option<f64>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer-go");
    let output = Command::new("go").args(["run", "."]).current_dir(folder).stderr(Stdio::inherit()).output();
    match output {
        Ok(output) if output.status.success() => Ok(Some(String::from_utf8(output.stdout)?.trim().parse()?)),
        _ => Ok(None),
    }
}

fn processes(out: &mut impl std::io::Write) -> Outcome<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/job-templates");
    let render = |name: &str, params: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobwright"));
        command.args(["render", name, "--templates", folder]).args(params);
        command
    };
    writeln!(out, "\nwhole processes, {PROCESSES} of each: median and 99th percentile")?;
    let mut worst = Duration::ZERO;
    for (what, mut command) in [
        ("jobwright render nightly-report", render("nightly-report", &["-p", "day=2026-02-28"])),
        ("jobwright render hello", render("hello", &["-p", "name=Ada"])),
        ("true (what any process takes)", Command::new("true")),
    ] {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut times = Vec::with_capacity(PROCESSES);
        for _ in 0..PROCESSES {
            let begin = Instant::now();
            if !command.status()?.success() {
                return Err(format!("{what} failed").into());
            }
            times.push(begin.elapsed());
        }
        times.sort();
        let (median, late) = (times[PROCESSES / 2], times[PROCESSES * 99 / 100]);
        writeln!(out, "{what:<44} {median:>13.2?} {late:>13.2?}")?;
        if what.starts_with("jobwright") {
            worst = worst.max(median);
        }
    }
    let verdict = if worst <= PROCESS_PROMISE { "kept" } else { "missed" };
    writeln!(out, "\npromise: {PROCESS_PROMISE:?} for the whole process: {verdict}")?;
    Ok(())
}
