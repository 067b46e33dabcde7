//! Runs one pod: its init containers in order, then its containers at once, each under a guard.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::guard::{Exit, Instructions, Notice, Order};
use super::invocation::PodIdentity;
use super::object::Object;
use super::progress::backoff;
use super::spec::{ContainerSpec, PodTemplate};
use super::{Context, NAMESPACE, disk};
use crate::crash::{self, Point};
use crate::job::{ContainerState, ContainerStatus, PodStatus};

/// The longest wait before a container is started again in its pod, as the kubelet's.
const LONGEST_RESTART_WAIT: Duration = Duration::from_secs(5 * 60);

/// A pod that is to run.
pub(super) struct Pod {
    pub(super) context: Arc<Context>,
    pub(super) object: Arc<Object>,
    pub(super) template: Arc<PodTemplate>,
    pub(super) name: String,
    pub(super) index: Option<u32>,
    /// Ends it.
    pub(super) stop: CancellationToken,
    /// How often failed containers may still be started again, over all pods of the object.
    pub(super) restarts_left: Arc<AtomicU32>,
}

impl Pod {
    /// Runs it to its end, and answers whether it succeeded. `None`: it was stopped before it started.
    pub(super) async fn run(self) -> Option<bool> {
        let _slot = self.take_slot().await?;
        for container in &self.template.init {
            let exit = self.run_container(container).await;
            if exit.exit_code != 0 || self.stop.is_cancelled() {
                return Some(false);
            }
        }
        let runs = self.template.containers.iter().map(|it| self.run_container(it));
        let exits = join_all(runs).await;
        Some(exits.iter().all(|exit| exit.exit_code == 0))
    }

    /// Waits until there is room for one more pod, and shows that it waits.
    async fn take_slot(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let slots = Arc::clone(&self.context.slots);
        if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            self.show(None);
            return Some(slot);
        }
        let message =
            format!("{} pods run at once, which is the limit of this executor", self.context.config.max_running);
        self.show(Some(("Unschedulable".to_owned(), message)));
        let slot = tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            slot = slots.acquire_owned() => slot.ok()?,
        };
        self.object.update_pod(&self.name, |pod| {
            pod.reason = None;
            pod.message = None;
            pod.node = Some(self.context.node.clone());
        });
        Some(slot)
    }

    fn show(&self, waits: Option<(String, String)>) {
        let (reason, message) = waits.unzip();
        let scheduled = reason.is_none();
        let waiting = |container: &ContainerSpec, init| {
            let status = ContainerStatus::new(init, ContainerState::Waiting { reason: None, message: None });
            (container.name.clone(), status)
        };
        let init = self.template.init.iter().map(|it| waiting(it, true));
        let main = self.template.containers.iter().map(|it| waiting(it, false));
        let containers = init.chain(main).collect();
        let pod = PodStatus {
            node: scheduled.then(|| self.context.node.clone()),
            index: self.index,
            reason,
            message,
            containers,
            ..PodStatus::new(0, Timestamp::now())
        };
        self.object.add_pod(&self.name, pod);
    }

    /// Runs a container until it has ended for good.
    async fn run_container(&self, container: &ContainerSpec) -> Exit {
        let mut run = 0;
        loop {
            let exit = self.run_once(container, run).await;
            self.object.update_container(&self.name, &container.name, run, terminated(&exit));
            let again = exit.exit_code != 0
                && self.template.restart_on_failure
                && !self.stop.is_cancelled()
                && take_one(&self.restarts_left);
            if !again {
                return exit;
            }
            run += 1;
            let wait = backoff(self.context.config.backoff, run).min(LONGEST_RESTART_WAIT);
            let state = ContainerState::Waiting {
                reason: Some("CrashLoopBackOff".to_owned()),
                message: Some(format!(
                    "it ended with exit code {}, and is started again after {} s",
                    exit.exit_code,
                    wait.as_secs_f32()
                )),
            };
            self.object.update_container(&self.name, &container.name, run, state);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return exit,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Runs a container once, under a guard.
    async fn run_once(&self, container: &ContainerSpec, run: u32) -> Exit {
        let folder = disk::container_folder(&self.object.folder, &self.name, &container.name);
        let instructions = self.instructions(container, run, folder);
        match self.start_guard(&instructions).await {
            Ok(guard) => self.attend(guard, container, &instructions).await,
            Err(error) => {
                let message = format!("its guard cannot be started: {error}");
                self.conclude(&instructions, Exit::start_error(Timestamp::now(), message)).await
            }
        }
    }

    fn instructions(&self, container: &ContainerSpec, run: u32, folder: std::path::PathBuf) -> Instructions {
        let identity = PodIdentity {
            job_name: &self.object.reference.name,
            job_uid: &self.object.reference.uid,
            name: &self.name,
            namespace: NAMESPACE,
            node: &self.context.node,
            index: self.index,
        };
        let invocation = self.template.invocation(container, &identity, &self.context.environment);
        let own = || self.context.config.program.clone();
        Instructions {
            program: invocation.program.unwrap_or_else(own),
            arg0: invocation.arg0,
            args: invocation.args,
            env: invocation.env,
            folder,
            run,
            grace_ms: u64::try_from(self.template.grace.as_millis()).unwrap_or(u64::MAX),
        }
    }

    async fn start_guard(&self, instructions: &Instructions) -> std::io::Result<Guard> {
        std::fs::create_dir_all(&instructions.folder)?;
        crash::reached(Point::ContainerBegun);
        let mut child = Command::new(&self.context.config.program)
            .arg("guard")
            .env_clear()
            .envs(crash::for_guard())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        crash::reached(Point::GuardSpawned);
        let missing = || std::io::Error::other("it has no pipe");
        let mut orders = child.stdin.take().ok_or_else(missing)?;
        let notices = child.stdout.take().ok_or_else(missing)?;
        send(&mut orders, instructions).await?;
        crash::reached(Point::GuardInstructed);
        Ok(Guard { child, orders, notices: BufReader::new(notices).lines() })
    }

    /// Listens to a guard until it has told the end.
    async fn attend(&self, mut guard: Guard, container: &ContainerSpec, instructions: &Instructions) -> Exit {
        let log = disk::log_file(&instructions.folder, instructions.run);
        let (sender, mut orders) = mpsc::unbounded_channel();
        self.object.guard_started(log.clone(), sender);
        let mut stopping = false;
        let mut running = None;
        let exit = loop {
            tokio::select! {
                line = guard.notices.next_line() => match read_notice(line) {
                    Some(Notice::Started { at, pid }) => {
                        crash::reached(Point::StartHeard);
                        running = Some((at, pid));
                        let state = ContainerState::Running { started: at };
                        self.object.update_container(&self.name, &container.name, instructions.run, state);
                    }
                    Some(Notice::Log) => self.object.beat(),
                    Some(Notice::Ended(exit)) => {
                        crash::reached(Point::EndHeard);
                        break Some(exit);
                    }
                    None => break None,
                },
                Some(order) = orders.recv() => guard.order(order).await,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    guard.order(Order::Stop).await;
                }
            }
        };
        let exit = match exit {
            Some(exit) => exit,
            None => self.guard_died(&mut guard, running, instructions).await,
        };
        self.object.guard_ended(&log);
        exit
    }

    /// Ends what a guard left behind that ended before its time.
    async fn guard_died(
        &self,
        guard: &mut Guard,
        running: Option<(Timestamp, i32)>,
        instructions: &Instructions,
    ) -> Exit {
        let how = match guard.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        if let Some(group) = running.and_then(|(_, pid)| rustix::process::Pid::from_raw(pid)) {
            // If it is gone already, that is what is wanted.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        if let Some(exit) = self.on_record(instructions).await {
            return exit;
        }
        let exit = Exit {
            started: running.map(|(at, _)| at),
            finished: Timestamp::now(),
            exit_code: 137,
            signal: None,
            reason: "GuardLost".to_owned(),
            message: Some(format!(
                "its guard ended before it ({how}), so it was killed; how it would have ended is unknown"
            )),
        };
        self.conclude(instructions, exit).await
    }

    /// How a run ended, if its guard put that on record before it could tell.
    async fn on_record(&self, instructions: &Instructions) -> Option<Exit> {
        let (folder, run) = (instructions.folder.clone(), instructions.run);
        tokio::task::spawn_blocking(move || disk::read_exit(&folder, run)).await.ok()?.ok()?
    }

    /// Makes an end durable that no guard could.
    async fn conclude(&self, instructions: &Instructions, exit: Exit) -> Exit {
        let (folder, run, written) = (instructions.folder.clone(), instructions.run, exit.clone());
        let write = move || disk::write_exit(&folder, run, &written);
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(object = %self.object.reference.name, %error, "how a container ended cannot be recorded")
            }
            Err(error) => tracing::error!(%error, "recording how a container ended was broken off"),
        }
        exit
    }
}

/// A guard that runs.
struct Guard {
    child: Child,
    orders: ChildStdin,
    notices: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Guard {
    async fn order(&mut self, order: Order) {
        // If the guard has just ended, its last notice says more than this failure.
        let _ = send(&mut self.orders, &order).await;
    }
}

async fn send(pipe: &mut ChildStdin, message: &impl serde::Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    pipe.write_all(&line).await
}

/// `None` at the end of what a guard says.
fn read_notice(line: std::io::Result<Option<String>>) -> Option<Notice> {
    serde_json::from_str(&line.ok()??).ok()
}

fn take_one(budget: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    budget.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
}

pub(super) fn terminated(exit: &Exit) -> ContainerState {
    ContainerState::Terminated {
        exit_code: exit.exit_code,
        signal: exit.signal,
        reason: exit.reason.clone(),
        message: exit.message.clone(),
        started: exit.started,
        finished: exit.finished,
    }
}
