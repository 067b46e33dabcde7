//! What campaigns have found, each told to happen.

use std::time::Duration;

use jobwright::crash::Point;
use serde_json::json;

use crate::fake::Fake;
use crate::instance::{At, Instance, pause, was_killed};
use crate::journal::Journal;
use crate::process::Processes;
use crate::support::TestApp;
use crate::world::World;

fn launch(app: &TestApp, id: &str, code: i32, pause: &str) {
    let parameters = json!({"code": code, "pause": pause, "secret": format!("s-{id}")});
    let answer = app.try_post("/api/v1/jobs", &json!({"template": "steady", "id": id, "parameters": parameters}));
    assert_eq!(answer.unwrap().status, 201);
}

/// How a job ended, as exit code and phase.
fn end(app: &TestApp, id: &str) -> (String, Option<i64>) {
    let job = app.wait(id, |job| !job["ended"].is_null());
    (job["phase"].as_str().unwrap().to_owned(), job["exit_code"].as_i64())
}

/// Asks for a job to be deleted; gives the status, if there is an answer.
fn delete(app: &TestApp, id: &str) -> Option<u16> {
    Some(app.request("DELETE", &format!("/api/v1/jobs/{id}")).try_send()?.status)
}

#[test]
fn the_object_of_a_job_outlives_a_crash_before_its_end_is_on_record() {
    let world = Processes::new();
    // While the record of the first is deleted, nothing else gets on record.
    let held = At { hold: Duration::from_secs(2), ..At::first(Point::SweepBegun) };
    let instance = Instance::start(world.setup(), Some(held)).unwrap();
    let app = &instance.app;
    launch(app, "first", 0, "0");
    end(app, "first");
    launch(app, "second", 3, "0.3");
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(delete(app, "first"), None));
        // As soon as it has ended, its deletion is begun; there is no answer, since the service dies.
        while delete(app, "second").is_some() {
            pause(Duration::from_millis(10));
        }
    });
    drop(instance);
    let instance = Instance::start(world.setup(), None).unwrap();
    assert_eq!(end(&instance.app, "second"), ("Failed".to_owned(), Some(3)));
}

#[test]
fn an_object_is_on_record_before_it_is_deleted() {
    let world = Fake::new();
    // The third thing to be written, after the launch and its cancellation, is that the object exists.
    let held = At { time: 3, hold: Duration::from_millis(1500), ..At::first(Point::WriterTook) };
    let instance = Instance::start(world.setup(), Some(held)).unwrap();
    world.put_off_the_next_creation();
    std::thread::scope(|scope| {
        let parameters = json!({"code": 0, "pause": "600", "secret": "s-a"});
        let job = json!({"template": "steady", "id": "a", "parameters": parameters});
        let app = &instance.app;
        scope.spawn(move || app.try_post("/api/v1/jobs", &job));
        world.hangs(Duration::from_secs(10));
        assert_eq!(app.try_post("/api/v1/jobs/a/cancel", &json!(null)).unwrap().status, 200);
    });
    assert!(was_killed(instance.wait()));
    let instance = Instance::start(world.setup(), None).unwrap();
    assert_eq!(end(&instance.app, "a"), ("Cancelled".to_owned(), None));
    let journal = Journal::default();
    world.look(&journal);
    assert_eq!(journal.entries().len(), 1, "{:?}", journal.entries());
}

fn end_after_death_of_a_guard(point: Point, code: i32) -> (String, Option<i64>) {
    let world = Processes::new();
    let instance = Instance::start(world.setup(), Some(At::first(point))).unwrap();
    launch(&instance.app, "a", code, "0");
    end(&instance.app, "a")
}

#[test]
fn an_end_that_a_guard_put_on_record_stands_even_if_it_died_before_it_told() {
    assert_eq!(end_after_death_of_a_guard(Point::GuardWritten, 0), ("Succeeded".to_owned(), Some(0)));
    assert_eq!(end_after_death_of_a_guard(Point::GuardWritten, 3), ("Failed".to_owned(), Some(3)));
}

#[test]
fn an_end_that_no_guard_saw_is_told_as_such() {
    for point in [Point::GuardReady, Point::GuardTold, Point::GuardReaped] {
        assert_eq!(end_after_death_of_a_guard(point, 0), ("Failed".to_owned(), Some(137)), "{point:?}");
    }
}
