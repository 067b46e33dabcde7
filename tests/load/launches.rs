//! Launches by a schedule, and the reports of what was launched.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::Plan;
use crate::server::{Failure, get, post};
use crate::world::{LATE, LEFT_OUT, QUIET, World, id};

/// A log that is long, and just short enough to be kept whole.
pub const MANY: u64 = 40_000;

/// How many lines a job writes: every tenth one some, and every hundredth many.
pub fn lines(number: u64) -> Option<u64> {
    match number % 100 {
        50 => Some(MANY),
        0 | 10 | 20 | 30 | 40 | 60 | 70 | 80 | 90 => Some(200),
        _ => None,
    }
}

/// How much later than planned a launch may begin without being counted as late.
const IN_TIME: Duration = Duration::from_millis(100);
/// How many jobs may be under way, those among them whose objects wait for their time to be deleted. With more of them the
/// service does not keep up, and the run would show nothing but that.
const UNDER_WAY: u64 = 600;

/// Launches so many jobs a second, whatever becomes of those before; never returns.
pub async fn steadily(world: &Arc<World>, plan: Plan) {
    let begun = Instant::now();
    for turn in 0_u64.. {
        let due = begun + Duration::from_nanos(turn * 1_000_000_000 / plan.rate);
        sleep_until(due.into()).await;
        if due.elapsed() > IN_TIME {
            world.add(LATE, 1);
        }
        world.most("launches begun late at most, ms", due.elapsed().as_millis() as u64);
        if world.under_way() > UNDER_WAY {
            world.add(LEFT_OUT, 1);
            continue;
        }
        let number = world.next.fetch_add(1, Ordering::SeqCst);
        let (world, place) = (world.clone(), world.begin());
        tokio::spawn(async move {
            one(&world, number).await;
            world.launch_took(due.elapsed());
            drop(place);
        });
    }
}

/// Launches a job, reports for it twice, and lets go.
pub async fn one(world: &Arc<World>, number: u64) {
    let id = id(number);
    let body = match lines(number) {
        None => json!({"template": "stub", "id": id, "parameters": {}}),
        Some(lines) => json!({"template": "talker", "id": id, "parameters": {"lines": lines}}),
    };
    if world.send(&post("/api/v1/jobs", "application/json", &body.to_string()), 201).await.is_none() {
        return;
    }
    world.launched.fetch_add(1, Ordering::SeqCst);
    let place = world.begin();
    let world = world.clone();
    tokio::spawn(async move {
        report(&world, &id, 1, "Processing...").await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        report(&world, &id, 2, "Done").await;
        drop(place);
    });
}

/// The number of the last event of a job that is done with.
pub async fn last_event_of(world: &World, number: u64) -> Result<u64, Failure> {
    let request = get(&format!("/api/v1/jobs/{}/events?limit=500", id(number)));
    let body = world.send(&request, 200).await.ok_or("no events")?;
    let events: Value = serde_json::from_slice(&body)?;
    let last = events["items"].as_array().and_then(|events| events.last()?["sequence"].as_u64());
    Ok(last.ok_or("no event")?)
}

async fn report(world: &World, id: &str, sequence: u64, words: &str) {
    let path = format!("/callback/{}", world.secrets.callback_token(&id.parse().unwrap()));
    let form = format!("status={words}&sequence={sequence}");
    if world.send(&post(&path, "application/x-www-form-urlencoded", &form), 200).await.is_some() {
        world.reported.fetch_add(1, Ordering::SeqCst);
    }
}

/// The job that runs all the time, and says something once a minute.
pub struct Quiet {
    stop: CancellationToken,
    reporter: JoinHandle<()>,
}

impl Quiet {
    pub async fn launch(world: &Arc<World>) -> Self {
        let body = json!({"template": "stub", "id": QUIET, "parameters": {"seconds": "1000000"}});
        world.send(&post("/api/v1/jobs", "application/json", &body.to_string()), 201).await;
        let (world, stop) = (world.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let reporter = tokio::spawn(async move {
            let mut minutes = tokio::time::interval(Duration::from_secs(60));
            for sequence in 1.. {
                tokio::select! {
                    _ = minutes.tick() => {}
                    () = stopped.cancelled() => return,
                }
                report(&world, QUIET, sequence, "still here").await;
            }
        });
        Self { stop, reporter }
    }

    /// Ends it.
    pub async fn cancel(self, world: &World) -> Result<(), Failure> {
        self.stop.cancel();
        self.reporter.await?;
        let path = format!("/api/v1/jobs/{QUIET}/cancel");
        world.send(&post(&path, "application/json", "{}"), 200).await;
        Ok(())
    }
}
