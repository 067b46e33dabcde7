//! People and programs that look at lists and pages meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::interval;

use crate::server::get;
use crate::world::{Delays, World, id};

const OFTEN: Duration = Duration::from_millis(500);

/// Reads the newest jobs over some pages: none twice.
pub async fn of_lists(world: Arc<World>) {
    let (mut ticks, mut times) = (interval(OFTEN), Delays::default());
    while !world.over.is_cancelled() && !world.is_broken() {
        ticks.tick().await;
        let (mut seen, mut path) = (HashSet::new(), "/api/v1/jobs?limit=50".to_owned());
        for _page in 0..4 {
            let began = Instant::now();
            let Some(body) = world.send(&get(&path), 200).await else { break };
            times.note(began.elapsed().as_millis() as u64);
            let list: Value = serde_json::from_slice(&body).unwrap();
            for job in list["items"].as_array().unwrap() {
                if !seen.insert(job["id"].as_str().unwrap().to_owned()) {
                    world.fault(format!("job {} stands twice in a list", job["id"]));
                }
            }
            let Some(cursor) = list["next"].as_str() else { break };
            path = format!("/api/v1/jobs?limit=50&cursor={cursor}");
        }
    }
    world.measured("time of lists", times);
}

/// Looks at the page of all jobs, and at that of a job.
pub async fn of_pages(world: Arc<World>) {
    let (mut ticks, mut times) = (interval(OFTEN), Delays::default());
    while !world.over.is_cancelled() && !world.is_broken() {
        ticks.tick().await;
        let job = id(*world.talker.borrow());
        for path in ["/".to_owned(), format!("/jobs/{job}")] {
            let began = Instant::now();
            if world.send(&get(&path), 200).await.is_some() {
                times.note(began.elapsed().as_millis() as u64);
            }
        }
    }
    world.measured("time of pages", times);
}
