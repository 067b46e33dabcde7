//! Load and leaks: the real program with the process executor, under a steady load of launches, reports and subscribers.
//!
//! `MALLOC_ARENA_MAX=2 JOBWRIGHT_TEST_LOAD=300 cargo test --release --test load -- --ignored` for five minutes; an hour is 3600.
//! `JOBWRIGHT_TEST_LOAD_RATE` (50 jobs a second) and `JOBWRIGHT_TEST_LOAD_SUBSCRIBERS` (500) change the load.
//!
//! Jobs begin by a schedule that waits for nobody: what could not begin in time is late, and is counted. There is no
//! seed: who comes when follows from numbers, and what comes of it from the clock.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

mod gauges;
mod launches;
mod readers;
mod slow;
mod stream;
mod subscribers;
#[path = "../support/tally.rs"]
mod tally;
mod world;

/// The real program, and connections to it.
#[path = "../../benches/support/server.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use jobwright::service::secrets::Secrets;
use jobwright::store::{Options, Store};
use tokio::task::JoinSet;

use self::gauges::Gauges;
use self::launches::Quiet;
use self::server::{Failure, Server, asked};
use self::world::World;

/// What most jobs are: one short process.
const STUB: &str = "---
title: Stub
parameters: {type: object, properties: {seconds: {type: string, default: '0.2'}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: stub}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 5
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: main, image: sleep, command: [sleep], args: ['{{params.seconds}}']}
";

/// One that writes a log while it is followed.
const TALKER: &str = "---
title: Talker
parameters: {type: object, properties: {lines: {type: integer, default: 200}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: talker}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 5
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: sh
          command: [sh, -c, 'seq 1 \"$LINES\"; sleep 0.2; echo end']
          env: [{name: LINES, value: '{{params.lines}}'}]
";

/// The length and the size of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How long jobs are launched.
    pub seconds: u64,
    /// Jobs a second.
    pub rate: u64,
    /// How many follow, read, or pretend to.
    pub subscribers: u64,
}

impl Plan {
    fn asked() -> Self {
        Self {
            seconds: asked("JOBWRIGHT_TEST_LOAD", 60),
            rate: asked("JOBWRIGHT_TEST_LOAD_RATE", 50),
            subscribers: asked("JOBWRIGHT_TEST_LOAD_SUBSCRIBERS", 500),
        }
    }

    /// So many of a hundred subscribers, one at least.
    fn share(self, of_a_hundred: u64) -> u64 {
        (self.subscribers * of_a_hundred / 100).max(1)
    }

    /// How many records are kept: those of the last minute or two. A steady load needs records that go as they come.
    fn kept(self) -> u64 {
        self.rate * 75
    }
}

#[test]
#[ignore = "takes minutes"]
fn nothing_leaks_starves_or_gets_lost_under_a_steady_load() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(Plan::asked())).unwrap();
}

async fn run(plan: Plan) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let secrets = {
        let store = Store::open(&folder.path().join("data"), Options::default())?;
        Secrets::new(store.key(), store.installation().clone())
    };
    let (kept, streams) = (plan.kept().to_string(), (plan.subscribers + 100).to_string());
    let mut flags = vec!["--retention-count", &kept, "--max-streams", &streams];
    flags.extend(["--image", "sleep=/bin/sleep", "--image", "sh=/bin/sh"]);
    let server = Server::start(folder.path(), &[("stub", STUB), ("talker", TALKER)], &flags).await?;
    let world = Arc::new(World::new(server.address.clone(), secrets));
    let gauges = Gauges::new(&server, folder.path().join("data"));

    // Whatever is made once, and kept, is there from here on.
    launches::one(&world, 0).await;
    world.settle().await?;
    let base = gauges.rest(&world).await?;
    world.begin_to_count(launches::last_event_of(&world, 0).await?);

    let subscribers = subscribe(&world, plan);
    let quiet = Quiet::launch(&world).await;
    let samples = tokio::select! {
        samples = gauges.watch(&world, Duration::from_secs(plan.seconds)) => samples?,
        () = launches::steadily(&world, plan) => unreachable!("they go on"),
    };
    world.settle().await?;
    quiet.cancel(&world).await?;
    world.over.cancel();
    subscribers.join_all().await;
    let end = gauges.rest(&world).await?;

    world.check(gauges::all_ended(&end));
    samples.count(&world, &base, &end);
    world.check(samples.flat(world.was_steady()));
    world.check(end.is_as(&base));
    world.finish();
    Ok(())
}

/// Everybody who follows, reads, or pretends to.
fn subscribe(world: &Arc<World>, plan: Plan) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let all = |of_a_hundred| (0..plan.share(of_a_hundred)).map(|number| (number, world.clone()));
    all(4).for_each(|(_, world)| drop(tasks.spawn(subscribers::of_all_jobs(world))));
    all(10).for_each(|(_, world)| drop(tasks.spawn(subscribers::of_the_quiet_job(world))));
    all(62).for_each(|(number, world)| drop(tasks.spawn(subscribers::of_single_jobs(world, plan, number))));
    all(8).for_each(|(_, world)| drop(tasks.spawn(subscribers::of_logs(world))));
    all(10).for_each(|(number, world)| drop(tasks.spawn(subscribers::that_come_and_go(world, number))));
    all(2).for_each(|(_, world)| drop(tasks.spawn(slow::that_stop(world))));
    all(2).for_each(|(_, world)| drop(tasks.spawn(slow::that_trickle(world))));
    all(2).for_each(|(_, world)| drop(tasks.spawn(slow::of_logs(world))));
    tasks.spawn(readers::of_lists(world.clone()));
    tasks.spawn(readers::of_pages(world.clone()));
    tasks
}
