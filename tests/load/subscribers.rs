//! Subscribers that read what they are told: none of them may lose, double or wait.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::Plan;
use crate::launches::lines;
use crate::server::Failure;
use crate::stream::{Read, Stream, Told};
use crate::world::{PATIENCE, QUIET, Times, World, id, number};

pub const ALL: &str = "/api/v1/events";

/// How long a stream may be silent: the service promises a comment every fifteen seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// Whether this is how a job that was launched may end.
fn may_end(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Pending" | "Waiting" | "Running")
}

/// Follows everything from the first job to the last: every event once, in order, and the end of every job.
pub async fn of_all_jobs(world: Arc<World>) {
    let who = "a subscriber to all jobs";
    let (mut times, mut ended, mut reports) = (Times::default(), HashSet::new(), 0);
    let (mut last, mut quiet_ended, mut checked, mut settled) = (world.seen.load(Ordering::SeqCst), false, 0, 0);
    let outcome: Result<(), Failure> = async {
        'open: loop {
            let mut stream = Stream::open(&world.address, ALL, Some(last)).await?;
            loop {
                if quiet_ended
                    && ended.len() as u64 >= world.launched.load(Ordering::SeqCst)
                    && reports >= world.reported.load(Ordering::SeqCst)
                {
                    return Ok(());
                }
                let event = match timeout(SILENCE, stream.next()).await?? {
                    Told::Comment => continue,
                    Told::Cut => {
                        world.add("subscribers that read, cut off and resumed", 1);
                        continue 'open;
                    }
                    Told::Event(event) => event,
                };
                if event.id != last + 1 {
                    return Err(format!("event {} came after {last}", event.id).into());
                }
                last = event.id;
                checked += 1;
                world.seen.fetch_max(event.id, Ordering::SeqCst);
                world.told(who, &event, &mut times);
                reports += u64::from(event.kind == "report");
                if event.kind == "containerStarted"
                    && let Some(number) = number(&event.job)
                {
                    world.talks(number);
                }
                match (number(&event.job), event.to.as_deref()) {
                    (None, Some("Cancelled")) => quiet_ended = true,
                    (Some(number), Some("Succeeded")) if !ended.insert(number) => {
                        return Err(format!("job {number} ended twice").into());
                    }
                    (Some(number), Some(to)) if !may_end(to) => {
                        return Err(format!("job {number} is {to}").into());
                    }
                    _ => {}
                }
                settled += u64::from(event.kind == "objectDeleted");
                world.settled.fetch_max(settled, Ordering::SeqCst);
            }
        }
    }
    .await;
    if let Err(error) = outcome {
        world.fault(format!("{who}: {error}; {} ends and {reports} reports seen", ended.len()));
    }
    world.add("events that subscribers to all jobs have checked", checked);
    world.most("ends that each subscriber to all jobs has seen", ended.len() as u64);
    world.subscribed("subscribers to all jobs", times);
}

/// Follows the one job that hardly ever has anything to tell, among all the others.
pub async fn of_the_quiet_job(world: Arc<World>) {
    let path = format!("{ALL}?job={QUIET}&after=0");
    let (mut times, mut last, mut comments) = (Times::default(), None, 0);
    let outcome: Result<(), Failure> = async {
        'open: loop {
            let mut stream = Stream::open(&world.address, &path, last).await?;
            loop {
                let event =
                    match timeout(SILENCE, stream.next()).await.map_err(|_| "nothing came, not even a comment")?? {
                        Told::Comment => {
                            comments += 1;
                            continue;
                        }
                        Told::Cut => {
                            world.add("subscribers that read, cut off and resumed", 1);
                            continue 'open;
                        }
                        Told::Event(event) => event,
                    };
                if event.job != QUIET || last.is_some_and(|last| event.id <= last) {
                    return Err(format!("after {last:?} came {event:?}").into());
                }
                last = Some(event.id);
                world.told("a subscriber to a quiet job", &event, &mut times);
                if event.to.as_deref() == Some("Cancelled") {
                    return Ok(());
                }
            }
        }
    }
    .await;
    if let Err(error) = outcome {
        world.fault(format!("a subscriber to a quiet job: {error}"));
    }
    world.add("comments on streams of a quiet job", comments);
    world.subscribed("subscribers to a quiet job", times);
}

/// Follows one job after another, each from before it is launched until it has ended and all was said.
pub async fn of_single_jobs(world: Arc<World>, plan: Plan, turn: u64) {
    let mut times = Times::default();
    for round in 0_u64.. {
        let ahead = (turn * 7919 + round * 104_729) % (plan.rate * 8) + plan.rate;
        let job = world.next.load(Ordering::SeqCst) + ahead;
        let followed = tokio::select! {
            followed = single(&world, job, &mut times) => followed,
            () = never_launched(&world, job) => break,
        };
        match followed {
            Ok(()) => world.add("jobs followed alone from before their launch", 1),
            Err(error) => world.fault(format!("a subscriber to job {job}: {error}")),
        }
        if world.over.is_cancelled() || world.is_broken() {
            break;
        }
    }
    world.subscribed("subscribers to single jobs", times);
}

/// Returns when it is certain that a job is never launched.
async fn never_launched(world: &World, job: u64) {
    world.over.cancelled().await;
    if job < world.next.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}

async fn single(world: &World, job: u64, times: &mut Times) -> Result<(), Failure> {
    let wanted = id(job);
    let path = format!("{ALL}?job={wanted}&after=0");
    let (mut last, mut reports, mut ended, mut recorded) = (None, 0, false, false);
    let mut due = None;
    'open: loop {
        let mut stream = Stream::open(&world.address, &path, last).await?;
        loop {
            if world.next.load(Ordering::SeqCst) > job && due.is_none() {
                due = Some(Instant::now() + PATIENCE);
            }
            if due.is_some_and(|due| due < Instant::now()) {
                return Err(format!("{reports} reports, ended {ended}, recorded {recorded}, {PATIENCE:?} after").into());
            }
            let event =
                match timeout(SILENCE, stream.next()).await.map_err(|_| "nothing came, not even a comment")?? {
                    Told::Event(event) => event,
                    Told::Comment => continue,
                    Told::Cut => {
                        world.add("subscribers that read, cut off and resumed", 1);
                        continue 'open;
                    }
                };
            if event.job != wanted || last.is_some_and(|last| event.id <= last) {
                return Err(format!("after {last:?} came {event:?}").into());
            }
            last = Some(event.id);
            world.told("a subscriber to one job", &event, times);
            reports += u64::from(event.kind == "report");
            recorded |= event.kind == "recorded";
            match event.to.as_deref() {
                Some("Succeeded") if !std::mem::replace(&mut ended, true) => {}
                Some(to) if ended || !may_end(to) => return Err(format!("it is {to}").into()),
                _ => {}
            }
            if ended && recorded && reports == 2 {
                return Ok(());
            }
        }
    }
}

/// Follows the logs of some of the jobs that write one: every line, once, to the end.
pub async fn of_logs(world: Arc<World>) {
    let mut talkers = world.talker.subscribe();
    loop {
        let job = tokio::select! {
            changed = talkers.changed() => changed.map(|()| *talkers.borrow_and_update()).unwrap(),
            () = world.over.cancelled() => return,
        };
        match log(&world, job).await {
            Ok(()) => world.add("logs followed to their end", 1),
            Err(error) => world.fault(format!("the log of job {job}: {error}")),
        }
        if world.is_broken() {
            return;
        }
    }
}

/// What a job writes.
pub fn written(job: u64) -> String {
    let numbers = (1..=lines(job).unwrap_or(0)).map(|line| format!("{line}\n"));
    numbers.chain(["end\n".to_owned()]).collect()
}

async fn log(world: &World, job: u64) -> Result<(), Failure> {
    let path = format!("/api/v1/jobs/{}/logs?follow=true", id(job));
    let mut stream = Stream::open(&world.address, &path, None).await?;
    let end = loop {
        match timeout(PATIENCE, stream.read(65_536)).await?? {
            Read::More => {}
            end => break end,
        }
    };
    if end != Read::End || stream.body() != written(job).as_bytes() {
        return Err(format!("{end:?} after {:?}", String::from_utf8_lossy(stream.body())).into());
    }
    Ok(())
}

/// Comes, catches up with a little of the past, and goes without a word.
pub async fn that_come_and_go(world: Arc<World>, turn: u64) {
    for round in 0_u64.. {
        let stay = Duration::from_millis((turn * 37 + round * 613) % 2_000);
        let after = world.seen.load(Ordering::SeqCst).saturating_sub(100);
        let visit = async {
            let mut stream = Stream::open(&world.address, ALL, Some(after)).await?;
            let mut last = after;
            loop {
                match stream.next().await? {
                    Told::Event(event) if last == 0 => last = event.id,
                    Told::Event(event) if event.id > last => {
                        world.lacks("a subscriber that comes and goes", last, event.id);
                        last = event.id;
                    }
                    Told::Event(event) => return Err::<(), Failure>(format!("{} after {last}", event.id).into()),
                    Told::Comment => {}
                    Told::Cut => return Ok(()),
                }
            }
        };
        tokio::select! {
            () = sleep(stay) => world.add("subscribers that came and went", 1),
            outcome = visit => match outcome {
                Ok(()) => world.add("subscribers that came, and were cut off", 1),
                Err(error) => world.fault(format!("a subscriber that comes and goes: {error}")),
            },
            () = world.over.cancelled() => return,
        }
        if world.is_broken() {
            return;
        }
    }
}
