//! How long lint takes over 1,000 templates, beside the promise of 150 ms.
//!
//! Run with `cargo bench --bench lint`. Every figure is the median of several runs over the same
//! folder of files, which differ in their names, parameters and texts as a team's templates would.
//! The promise is for one example a template, which is one manifest a file, as other linters count;
//! with two examples whose blocks go different ways there are twice as many manifests to check.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jobwright::template::lint::{Level, Report, lint_paths, lint_template};
use jobwright::template::validate::validate;
use jobwright::template::{Context, Partials, Settings, Template};

const TEMPLATES: usize = 1_000;
const RUNS: usize = 9;
const PROMISE: Duration = Duration::from_millis(150);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let cores = std::thread::available_parallelism()?;
    writeln!(out, "lint of {TEMPLATES} templates on {cores} cores; median of {RUNS} runs")?;
    let one = measure(1, &mut out)?;
    measure(2, &mut out)?;
    let verdict = if one <= PROMISE { "kept" } else { "missed" };
    let promise = PROMISE.as_millis();
    writeln!(out, "\npromise: {promise} ms for the whole process, one example each: {verdict}")?;
    Ok(())
}

/// Writes a table for templates with so many examples; gives the time of the whole process.
fn measure(examples: usize, out: &mut impl std::io::Write) -> Result<Duration, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let sources: Vec<(String, String)> = (0..TEMPLATES).map(|n| template(n, examples)).collect();
    for (name, source) in &sources {
        std::fs::write(folder.path().join(format!("{name}.yaml")), source)?;
    }
    let bytes: usize = sources.iter().map(|(_, source)| source.len()).sum();
    let none = Settings::new();
    let partials = Partials::new();

    let whole = median(|| process(folder.path()))?;
    let inside = median(|| clean(&lint_paths(&[folder.path().to_owned()], &none)?))?;
    let single = median(|| {
        sources.iter().try_for_each(|(name, source)| clean(&lint_template("", name, source, &partials, &none)))
    })?;
    let loading = median(|| sources.iter().try_for_each(|(name, source)| load(name, source).map(drop)))?;
    let manifests = sources.iter().map(|(name, source)| manifest(name, source)).collect::<Result<Vec<_>, _>>()?;
    let validating = median(|| match manifests.iter().find_map(|manifest| validate(manifest).into_iter().next()) {
        Some(finding) => Err(finding.to_string().into()),
        None => Ok(()),
    })?;

    let plural = if examples == 1 { "" } else { "s" };
    writeln!(
        out,
        "\n{:<36}{:>10}{:>15}",
        format!("{examples} example{plural} each, {} KiB", bytes / 1024),
        "all",
        "one"
    )?;
    for (what, took) in [
        ("`jobwright lint`, whole process", whole),
        ("in this process, from files", inside),
        ("one thread, from memory", single),
        ("  of that: loading", loading),
        ("  of that: validating one manifest", validating),
    ] {
        let each = took.as_secs_f64() * 1e6 / TEMPLATES as f64;
        writeln!(out, "{what:<36}{:>7.1} ms{each:>12.1} µs", ms(took))?;
    }
    Ok(whole)
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn median(mut run: impl FnMut() -> Outcome) -> Result<Duration, Box<dyn std::error::Error>> {
    run()?;
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[RUNS / 2])
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn process(folder: &Path) -> Outcome {
    let status = Command::new(env!("CARGO_BIN_EXE_jobwright"))
        .arg("lint")
        .arg(PathBuf::from(folder))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("lint ended with {status}").into()) }
}

/// A benchmark over templates with findings would measure something else.
fn clean(report: &Report) -> Outcome {
    match (report.count(Level::Error) + report.count(Level::Warning), report.diagnostics.first()) {
        (0, _) => Ok(()),
        (_, first) => Err(format!("{}: {first:?}", report.summary()).into()),
    }
}

fn load(name: &str, source: &str) -> Result<Template, Box<dyn std::error::Error>> {
    Ok(Template::load(name, source, &Partials::new(), &Settings::new())?)
}

fn manifest(name: &str, source: &str) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let template = load(name, source)?;
    let example = template.examples().values().next().cloned().unwrap_or_default();
    let checked = template.check(&example).map_err(|faults| format!("{faults:?}"))?;
    Ok(template.render(&checked, &Context::example())?.into_manifest())
}

/// A template of the size and kind that teams have: some parameters, two blocks, an example or two.
fn template(number: usize, examples: usize) -> (String, String) {
    let name = format!("report-{number:04}");
    let second = match examples {
        1 => "",
        _ => "  large: {day: 2026-02-28, copies: 3, dry_run: true, to: [ada@example.com, bob@example.com]}\n",
    };
    let source = format!(
        r#"---
title: Report {number}
description: Builds report {number} for one day and mails it.
parameters:
  type: object
  required: [day]
  properties:
    day: {{type: string, format: date, description: The day to report on}}
    copies: {{type: integer, minimum: 1, maximum: {most}, default: 1, description: How many}}
    format: {{enum: [pdf, html, csv], default: pdf, description: What to write}}
    dry_run: {{type: boolean, default: false, description: Write nothing}}
    to: {{type: array, items: {{type: string}}, default: [], description: Who gets it}}
settings:
  registry: {{type: string, default: registry.example}}
examples:
  small: {{day: 2026-01-31}}
{second}---
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  labels: {{team: reports, app.kubernetes.io/name: "{name}"}}
spec:
  backoffLimit: 2
  activeDeadlineSeconds: 3600
  ttlSecondsAfterFinished: 300
  template:
    spec:
      restartPolicy: Never
      securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: report
          image: "{{{{settings.registry}}}}/report:{number}"
          args: ["--day", "{{{{params.day}}}}", "--copies", "{{{{params.copies}}}}", "--format", "{{{{params.format}}}}"]
          env:
            - {{name: STATUS_URL, value: "{{{{callback.url}}}}"}}
            {{{{#each params.to}}}}
            - {{name: "TO_{{{{@index}}}}", value: "{{{{this}}}}"}}
            {{{{/each}}}}
            {{{{#if params.dry_run}}}}
            - {{name: DRY_RUN, value: "1"}}
            {{{{/if}}}}
          resources:
            requests: {{cpu: 100m, memory: 64Mi}}
            limits: {{memory: 256Mi}}
          volumeMounts:
            - {{name: work, mountPath: /work}}
      volumes:
        - name: work
          emptyDir: {{sizeLimit: 1Gi}}
"#,
        most = number % 50 + 3,
    );
    (name, source)
}
