//! Nothing outlives the service.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use jobwright::executor::Executor;
use jobwright::executor::process::ProcessExecutor;

use crate::house::{TOO_LONG, config, intent, job, script};

/// Where the process that is killed finds its folder.
const HOST_FOLDER: &str = "HOST_FOLDER";

pub(crate) fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The reading end of a pipe whose other end is held by processes: it ends with the last of them.
pub(crate) struct Held {
    ready: mpsc::Receiver<()>,
    ended: mpsc::Receiver<()>,
}

impl Held {
    pub(crate) fn new(pipe: &Path) -> Self {
        make_fifo(pipe);
        let (tell_ready, ready) = mpsc::channel();
        let (tell_ended, ended) = mpsc::channel();
        let pipe = PathBuf::from(pipe);
        std::thread::spawn(move || {
            let mut pipe = std::fs::File::open(pipe).unwrap();
            pipe.read_exact(&mut [0; b"ready\n".len()]).unwrap();
            tell_ready.send(()).ok();
            pipe.read_to_end(&mut Vec::new()).unwrap();
            tell_ended.send(()).ok();
        });
        Self { ready, ended }
    }

    pub(crate) fn ready(&self) {
        self.ready.recv_timeout(TOO_LONG).unwrap();
    }

    pub(crate) fn all_ended(&self) {
        self.ended.recv_timeout(TOO_LONG).unwrap();
    }
}

/// A script whose processes take no SIGTERM, leave their group and session, and hold the pipe for ever.
fn stubborn(pipe: &Path) -> String {
    format!(
        "trap '' TERM HUP INT; exec 3> {}; \
         setsid sh -c 'sleep 1000; sleep 1000' & \
         (setsid sh -c '(sleep 1000 &) ; sleep 1000' &) ; \
         echo ready >&3; sleep 1000; sleep 1000",
        pipe.display()
    )
}

/// Not a test of its own: the service that the next test kills.
#[test]
#[ignore = "is started by another test"]
fn host() {
    let Some(folder) = std::env::var_os(HOST_FOLDER).map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut config = config(&folder);
        config.grace = std::time::Duration::from_millis(100);
        let executor = ProcessExecutor::open(config).unwrap();
        let text = stubborn(&folder.join("pipe"));
        executor.create(&intent("k1", "it", job(script(&text)))).await;
        std::future::pending::<()>().await;
    });
}

#[test]
fn no_process_outlives_a_service_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let held = Held::new(&folder.path().join("pipe"));
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "orphans::host", "--ignored"])
        .env(HOST_FOLDER, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    held.ready();
    host.kill().unwrap();
    host.wait().unwrap();
    held.all_ended();
}

#[test]
fn cancelling_ends_every_process_however_it_hides() {
    let house = crate::house::House::with(|config| {
        config.grace = std::time::Duration::from_millis(100);
    });
    let pipe = house.root().join("pipe");
    let held = Held::new(&pipe);
    let object = house.create(&intent("k1", "it", job(script(&stubborn(&pipe)))));
    held.ready();
    house.wait(house.executor.cancel(&object)).unwrap();
    held.all_ended();
    assert_eq!(crate::house::conclusion(&house.ended(&object)), "Stopped");
}
