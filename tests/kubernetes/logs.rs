//! Logs: every line once, for as long as there are lines, whatever becomes of the connection.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jobwright::executor::{Executor, ExecutorError, LogLine, LogOptions};
use jobwright::job::ObjectRef;
use serde_json::json;

use crate::api_server::{Fault, Kind};
use crate::house::{House, TOO_LONG, exited, main_in, running};

const LOGS: &str = "GET /pods/p1/log?";

type Lines = BoxStream<'static, Result<LogLine, ExecutorError>>;

async fn follow(house: &House, object: &ObjectRef) -> Lines {
    let options = LogOptions { follow: true, ..LogOptions::default() };
    house.executor.logs(object, options).await.unwrap()
}

async fn next(lines: &mut Lines) -> Option<String> {
    let line = tokio::time::timeout(TOO_LONG, lines.next()).await.expect("no line came");
    line.map(|line| line.unwrap().text)
}

async fn all(mut lines: Lines) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(text) = next(&mut lines).await {
        texts.push(text);
    }
    texts
}

/// A line of the pod `p1` at that many milliseconds after nine.
fn write(house: &House, milliseconds: u32, text: &str) {
    let at = format!("2026-01-31T09:00:{:02}.{:03}000001Z", milliseconds / 1000, milliseconds % 1000);
    house.server.log("p1", "main", &at, text);
}

/// A Job with one pod, whose container runs and has a log.
async fn started() -> (House, ObjectRef) {
    let house = House::new();
    let object = house.launch("k1").await;
    house.server.add_pod(&object.name, "p1", running());
    (house, object)
}

/// Another one, whose log is followed by a connection that is dead after the line `one`; then it writes `two`.
async fn cut_without_a_word() -> (House, ObjectRef, Lines) {
    let (house, object) = started().await;
    write(&house, 100, "one");
    house.server.script(LOGS, Fault::SilentAfter(1));
    let mut lines = follow(&house, &object).await;
    assert_eq!(next(&mut lines).await.as_deref(), Some("one"));
    write(&house, 200, "two");
    (house, object, lines)
}

/// Everything ends well.
fn end(house: &House, object: &ObjectRef) {
    house.server.end_log("p1", "main");
    house.server.set_pod("p1", exited(0));
    house.server.conclude(&object.name, "Complete", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_to_its_end() {
    let (house, object) = started().await;
    write(&house, 100, "one");
    let mut lines = follow(&house, &object).await;
    assert_eq!(next(&mut lines).await.as_deref(), Some("one"));
    write(&house, 200, "two");
    assert_eq!(next(&mut lines).await.as_deref(), Some("two"));
    end(&house, &object);
    assert_eq!(next(&mut lines).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_loses_no_line_and_doubles_none() {
    let (house, object) = started().await;
    for (at, text) in [(100, "a"), (1100, "b"), (1500, "c"), (1500, "d"), (1900, "e")] {
        write(&house, at, text);
    }
    // In the middle of a second, and between two lines of one moment.
    house.server.script(&format!("{LOGS} follow=true"), Fault::CutAfter(3));
    house.server.script(&format!("{LOGS} follow=true"), Fault::CutAfter(2));
    house.server.script(&format!("{LOGS} follow=true"), Fault::Cut);
    let mut lines = follow(&house, &object).await;
    for text in ["a", "b", "c", "d", "e"] {
        assert_eq!(next(&mut lines).await.as_deref(), Some(text));
    }
    write(&house, 1950, "f");
    end(&house, &object);
    assert_eq!(all(lines).await, ["f"]);
    let asked = house.server.arrived(&format!("{LOGS} follow=true"));
    assert!(asked.len() >= 3, "{asked:?}");
    assert!(!asked[0].line.contains("sinceTime"), "{asked:?}");
    assert!(asked[1].line.contains("sinceTime=2026-01-31T09:00:01Z"), "a whole second, rounded down: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_may_be_silent_for_longer_than_any_answer_may() {
    let (house, object) = started().await;
    write(&house, 100, "one");
    let mut lines = follow(&house, &object).await;
    assert_eq!(next(&mut lines).await.as_deref(), Some("one"));
    // Each of these lasts a second; the client would have given up an answer that is silent for so long.
    let watches = house.server.arrived("GET /pods? watch=true").len();
    house.server.wait_for(watches + 4, "GET /pods? watch=true");
    write(&house, 200, "two");
    assert_eq!(next(&mut lines).await.as_deref(), Some("two"));
    assert_eq!(house.server.arrived(LOGS).len(), 1, "and it is still the same answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_without_a_word_goes_on_when_the_watch_shows_the_cut() {
    let (house, _, mut lines) = cut_without_a_word().await;
    house.server.script("GET /pods? watch=true", Fault::Cut);
    assert_eq!(next(&mut lines).await.as_deref(), Some("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_interrupts_a_log_and_no_more() {
    let (mut house, object) = started().await;
    write(&house, 100, "one");
    let mut lines = follow(&house, &object).await;
    assert_eq!(next(&mut lines).await.as_deref(), Some("one"));
    house.server.go_away();
    write(&house, 200, "two");
    house.server.come_back();
    assert_eq!(next(&mut lines).await.as_deref(), Some("two"));
    end(&house, &object);
    assert_eq!(all(lines).await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_has_not_started_is_waited_for() {
    let house = House::new();
    let object = house.launch("k1").await;
    let mut lines = follow(&house, &object).await;
    house.server.add_pod(&object.name, "p1", main_in(json!({"waiting": {"reason": "ContainerCreating"}})));
    // The pod shows that it runs before the log can be asked for.
    house.server.set_pod("p1", running());
    house.server.wait_for(1, LOGS);
    write(&house, 100, "one");
    assert_eq!(next(&mut lines).await.as_deref(), Some("one"));
    end(&house, &object);
    assert_eq!(next(&mut lines).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_what_has_ended_is_read_once() {
    let (house, object) = started().await;
    for (at, text) in [(100, "a"), (200, "b"), (1300, "c")] {
        write(&house, at, text);
    }
    end(&house, &object);
    let lines = house.executor.logs(&object, LogOptions::default()).await.unwrap();
    assert_eq!(all(lines).await, ["a", "b", "c"]);
    let tail = LogOptions { tail: Some(2), ..LogOptions::default() };
    assert_eq!(all(house.executor.logs(&object, tail).await.unwrap()).await, ["b", "c"]);
    let since = LogOptions { since: Some("2026-01-31T09:00:00.15Z".parse().unwrap()), ..LogOptions::default() };
    assert_eq!(all(house.executor.logs(&object, since).await.unwrap()).await, ["b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_longer_than_is_held_at_once_is_given_in_pieces() {
    let (house, object) = started().await;
    let long = "x".repeat(300 * 1024);
    write(&house, 100, &long);
    write(&house, 200, "next");
    end(&house, &object);
    let texts = all(house.executor.logs(&object, LogOptions::default()).await.unwrap()).await;
    assert!(texts.len() > 2 && texts.last().unwrap() == "next");
    assert_eq!(texts[..texts.len() - 1].concat().len(), long.len(), "nothing of it is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_had_is_an_error_that_says_so() {
    let (house, object) = started().await;
    write(&house, 100, "one");
    house.server.script(LOGS, Fault::Refuse(403, "Forbidden", "may not"));
    let mut lines = house.executor.logs(&object, LogOptions::default()).await.unwrap();
    let error = lines.next().await.unwrap().unwrap_err();
    assert!(matches!(&error, ExecutorError::Refused(said) if said == "may not"), "{error:?}");
    house.server.remove(Kind::Pod, "p1");
    let gone = house.executor.logs(&object, LogOptions::default()).await.err();
    let message = "no pod is left of hello-k1, and no log with it".to_owned();
    assert_eq!(gone, Some(ExecutorError::NotFound(message)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_on_when_nobody_takes_the_lines() {
    let (house, object) = started().await;
    write(&house, 100, "one");
    let mut lines = follow(&house, &object).await;
    next(&mut lines).await;
    drop(lines);
    house.server.wait_for_streams(0);
}

/// As where the log comes by way of one API server, which is gone, and the watch of another, which is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_without_a_word_goes_on_some_time_after_its_container_has_ended() {
    let (house, object, lines) = cut_without_a_word().await;
    end(&house, &object);
    assert_eq!(all(lines).await, ["two"]);
}
