//! The commands of the documentation, run as they stand there.
//!
//! In a page, a block of ` ```console ` holds commands, each after `$ ` (a line that ends with `\` goes on in the next one),
//! and below each what it writes, if the page shows that: then it has to be so, but for words with a digit in them (times,
//! IDs), and `…` alone on a line stands for any lines. A command that shows an `error:` must fail, every other one must
//! succeed. A block in any other language below a line that ends with a file's name and a colon, `` `NAME`: ``, is put into
//! that file when its turn comes. `jobwright serve` goes on in the background until the page ends. All commands of a page are of one
//! shell, in a folder of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that need more than a test has: the page, how they begin, and what runs them instead or keeps them from it.
const ELSEWHERE: [(&str, &str, &str); 11] = [
    ("docs/authentication.md", "jobwright serve --listen 0.0.0.0:8080", "needs a cluster: tests/cluster/auth.rs"),
    ("docs/authentication.md", "kubectl", "needs a cluster"),
    ("docs/authentication.md", "TOKEN=$(kubectl", "needs a cluster"),
    ("docs/authentication.md", "curl", "needs a server with a name of its own"),
    ("docs/authentication.md", "JOBWRIGHT_TOKEN=$TOKEN jobwright", "needs a server with a name of its own"),
    ("docs/deployment.md", "kubectl", "needs a cluster"),
    ("docs/kubernetes.md", "kubectl", "needs a cluster"),
    ("docs/worker.md", "jobwright-worker", "another program: worker/tests"),
    ("docs/worker.md", "cargo build", "builds the worker: .ci/run"),
    ("docs/worker.md", "RUSTFLAGS=", "builds the worker: .ci/run"),
    ("docs/how-to/", "kubectl", "needs a cluster"),
];

/// Something that a page has done.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    File { path: String, text: String },
    Run { command: String, shown: Vec<String> },
}

/// The steps of a page.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut lines, mut before) = (page.lines(), "");
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                before = line;
            }
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let named = before.split('`').nth(1).filter(|name| before.contains(&format!("`{name}`:")));
        match (language, named) {
            ("console", _) => commands(&block, &mut steps),
            (_, Some(path)) => steps.push(Step::File { path: path.to_owned(), text: block.join("\n") + "\n" }),
            _ => {}
        }
        before = "";
    }
    steps
}

fn commands(block: &[&str], steps: &mut Vec<Step>) {
    let mut goes_on = false;
    for line in block {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (_, Some(Step::Run { command, .. })) if goes_on => *command += &format!("\n{line}"),
            (Some(command), _) => steps.push(Step::Run { command: command.to_owned(), shown: Vec::new() }),
            (None, Some(Step::Run { shown, .. })) => shown.push((*line).to_owned()),
            (None, _) => panic!("a console block does not begin with a command: {line}"),
        }
        goes_on = line.ends_with('\\');
    }
}

fn reason(page: &str, command: &str) -> Option<usize> {
    ELSEWHERE.iter().position(|(of, begin, _)| page.starts_with(of) && command.starts_with(begin))
}

/// Words that differ from run to run are not compared: those with a digit in them.
fn comparable(line: &str) -> String {
    let word = |word: &str| if word.contains(|c: char| c.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Whether lines are as a page shows them.
fn fits(shown: &[String], written: &[String]) -> bool {
    match shown.split_first() {
        None => written.is_empty(),
        Some((any, rest)) if any == "…" => (0..=written.len()).any(|skipped| fits(rest, &written[skipped..])),
        Some((line, rest)) => written.split_first().is_some_and(|(first, more)| line == first && fits(rest, more)),
    }
}

/// Waits until a server that runs has seen the templates as they stand in its folder now, as it does by itself in a moment.
const SEEN: &str = r#"
digests() { grep --only-matching 'sha256:[0-9a-f]*' | sort; }
seen() {
    [ -z "$WATCHES" ] && return
    until [ "$(curl --silent "$JOBWRIGHT_SERVER/api/v1/templates" | digests)" = "$(jobwright templates list -o json | digests)" ]; do
        sleep 0.02
    done
}
"#;

/// The shell script of a page, which leaves what command N wrote in `N.out` and its exit code in `N.code`.
fn script(steps: &[Step]) -> String {
    let mut script = format!("trap '[ -z \"$SERVER\" ] || {{ kill $SERVER; wait $SERVER; }}' EXIT\n{SEEN}");
    for (number, step) in steps.iter().enumerate() {
        let command = match step {
            Step::Run { command, .. } => command.trim_end_matches(" &"),
            Step::File { path, .. } => {
                script += &format!("mkdir -p \"$(dirname {path})\"; cp ../{number}.file {path}\n");
                continue;
            }
        };
        script += &if command.starts_with("jobwright serve") {
            format!(
                "[ ! -d job-templates ] || WATCHES=yes\nmkfifo ../pipe; {command} > ../pipe 2> ../{number}.out & SERVER=$!\nexec 3< ../pipe; read -r line <&3\n\
                 export JOBWRIGHT_SERVER=${{line##* }}; echo 0 > ../{number}.code\n"
            )
        } else {
            // Those that speak to the server by its usual address find it at the one that it has here.
            let command = command.replace("http://127.0.0.1:8080", "$JOBWRIGHT_SERVER");
            format!("seen; {{ {command}\n}} > ../{number}.out 2>&1; echo $? > ../{number}.code\n")
        };
    }
    script
}

/// Runs what a page says, and gives what is not as it says.
fn try_page(name: &str, text: &str) -> Vec<String> {
    let runs = |step: &Step| !matches!(step, Step::Run { command, .. } if reason(name, command).is_some());
    let steps: Vec<Step> = steps(text).into_iter().filter(runs).collect();
    if !steps.iter().any(|step| matches!(step, Step::Run { .. })) {
        return Vec::new();
    }
    let dir = tempfile::tempdir().unwrap();
    let (programs, work) = (dir.path().join("bin"), dir.path().join("work"));
    fs::create_dir(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_jobwright"), programs.join("jobwright")).unwrap();
    fs::create_dir(&work).unwrap();
    for (number, step) in steps.iter().enumerate() {
        if let Step::File { text, .. } = step {
            fs::write(dir.path().join(format!("{number}.file")), text).unwrap();
        }
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("timeout");
    shell.args(["120", "bash", "-c", &script(&steps)]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("JOBWRIGHT_") || name.starts_with("GIT_")) {
        shell.env_remove(name);
    }
    let output = shell
        .current_dir(&work)
        .env("PATH", path)
        .env("HOME", dir.path())
        .env_remove("XDG_CONFIG_HOME")
        .envs([("JOBWRIGHT_LISTEN", "127.0.0.1:0"), ("NO_COLOR", "1")])
        .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.org")])
        .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.org")])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let mut wrong = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let Step::Run { command, shown } = step else { continue };
        let left = |what: &str| fs::read_to_string(dir.path().join(format!("{number}.{what}"))).unwrap_or_default();
        let (written, code) = (left("out"), left("code"));
        let shown: Vec<_> = shown.iter().map(|line| comparable(line)).collect();
        let lines: Vec<_> = written.lines().map(comparable).collect();
        let fails = shown.iter().any(|line| line.starts_with("error:"));
        let ended = !code.is_empty() && (code.trim() == "0") != fails;
        if !ended || !(shown.is_empty() || fits(&shown, &lines)) {
            let end = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{name}: $ {command}\n(exit code {}) {written}{end}", code.trim()));
        }
    }
    wrong
}

fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_folder = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
    };
    let mut paths = [in_folder("docs"), in_folder("docs/how-to"), vec![root.join("README.md")]].concat();
    paths.sort();
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        (name, fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(named).collect()
}

#[test]
fn every_command_in_the_documentation_does_what_its_page_says() {
    let wrong: Vec<String> = pages().iter().flat_map(|(name, text)| try_page(name, text)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_run_elsewhere_is_still_there() {
    let mut stale: Vec<usize> = (0..ELSEWHERE.len()).collect();
    for (name, text) in pages() {
        for step in steps(&text) {
            if let Step::Run { command, .. } = step {
                stale.retain(|index| Some(*index) != reason(&name, &command));
            }
        }
    }
    let stale: Vec<_> = stale.iter().map(|index| ELSEWHERE[*index]).collect();
    assert!(stale.is_empty(), "no page has these commands any more: {stale:?}");
}

#[test]
fn a_page_is_read_as_it_is_written() {
    let page = "In `a/b.yaml`:\n\n```yaml\nx: 1\n```\n\n```console\n$ one \\\n  two\nshown\n$ three\n```\n";
    let run = |command: &str, shown: &[&str]| Step::Run {
        command: command.to_owned(),
        shown: shown.iter().map(ToString::to_string).collect(),
    };
    let file = Step::File { path: "a/b.yaml".to_owned(), text: "x: 1\n".to_owned() };
    assert_eq!(steps(page), [file, run("one \\\n  two", &["shown"]), run("three", &[])]);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(fits(&lines("a\n…\nd"), &lines("a\nb\nc\nd")));
    assert!(!fits(&lines("a\n…\nd"), &lines("a\nb\nc")));
    assert_eq!(comparable("   +0.02s  Running (x)"), "# Running (x)");
}
