//! The README's way from a cluster and two images to a finished job: its very commands.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::{Undertaker, kubectl, provide_volume};
use crate::house::Hold;

const README: &str = include_str!("../../../README.md");

/// What the README installs.
const OVERLAY: &str = "kustomize/overlays/local";

/// The texts of the README's blocks of commands in the section with this heading.
fn commands(heading: &str) -> Vec<String> {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split_once("\n```").unwrap().0.to_owned()).collect()
}

/// A shell that runs a block, with the built program on its path.
fn shell(block: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_jobwright")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euc", block]).env("PATH", path).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs a block to its end, and gives what it said.
fn run(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    told
}

/// A command that runs until it is interrupted, as Ctrl-C does it.
struct Running {
    child: Child,
    /// Kept open: who writes to a pipe that nobody reads from ends.
    _output: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::INT);
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs a cluster"]
fn four_commands_lead_from_a_cluster_to_a_finished_job() {
    let _hold = Hold::shared();
    let blocks = commands("On Kubernetes");
    let [install, tunnel, launch] = &blocks[..] else {
        panic!("the section has other blocks than this test knows: {blocks:#?}");
    };
    assert_eq!(blocks.iter().map(|block| block.lines().count()).sum::<usize>(), 4);
    let there = kubectl(&["get", "namespace", "jobwright", "jobwright-jobs", "--ignore-not-found", "--output=name"]);
    assert!(there.is_empty(), "there is an installation on this cluster, which this test would remove: {there}");

    let _undertaker = Undertaker::for_overlay(OVERLAY, "jobwright");
    provide_volume("jobwright");
    let told = run(shell(install));
    assert!(told.contains("successfully rolled out"), "{told}");

    // Port 8080 may be somebody else's here.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tunnel = tunnel.replace("8080:80", &format!("{port}:80"));
    let mut tunnel = shell(&tunnel).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(tunnel.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let _tunnel = Running { child: tunnel, _output: output };
    assert!(line.starts_with("Forwarding from"), "{line}");

    let mut launch = shell(launch);
    launch.env("JOBWRIGHT_SERVER", format!("http://127.0.0.1:{port}"));
    let told = run(launch);
    assert!(told.contains("Hello, Ada!") && told.contains("succeeded"), "{told}");
    // What it says of removing it is true as well.
    let remove = format!("kubectl delete --kustomize {OVERLAY}");
    assert!(README.contains(&format!("`{remove}`")));
    run(shell(&remove));
}
