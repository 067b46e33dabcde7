//! Watches and logs: answers that go on.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{Method, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::http::{Asked, Body, full, selects, whole};
use super::state::{Fault, Kind, Shared, State, status};

pub(super) type Frames = mpsc::Sender<Result<Frame<Bytes>, io::Error>>;

/// How a stream of lines is to end before its time.
#[derive(Clone, Copy)]
struct Limit {
    lines: usize,
    silent: bool,
}

impl Limit {
    fn of(fault: Option<&Fault>) -> Option<Self> {
        match fault {
            Some(Fault::SilentAfter(lines)) => Some(Self { lines: *lines, silent: true }),
            Some(Fault::CutAfter(lines)) => Some(Self { lines: *lines, silent: false }),
            _ => None,
        }
    }
}

/// Sends lines until there are no more of them, the client goes away, or it is cut. `next` gives what is there from a
/// position on, and whether that was all there will be.
fn stream(
    shared: &Arc<Shared>,
    limit: Option<Limit>,
    until: Option<Instant>,
    mut next: impl FnMut(&State) -> (Vec<String>, bool) + Send + 'static,
) -> Body {
    let (frames, receiver): (Frames, _) = mpsc::channel(64);
    let shared = shared.clone();
    tokio::spawn(async move {
        shared.change(|state| state.streams += 1);
        send_lines(&shared, limit, until, &mut next, &frames).await;
        shared.change(|state| state.streams -= 1);
    });
    BodyExt::boxed(StreamBody::new(ReceiverStream::new(receiver)))
}

async fn send_lines(
    shared: &Shared,
    limit: Option<Limit>,
    until: Option<Instant>,
    next: &mut (impl FnMut(&State) -> (Vec<String>, bool) + Send),
    frames: &Frames,
) {
    let (mut changes, mut cuts) = (shared.changes.subscribe(), shared.cuts.subscribe());
    cuts.mark_unchanged();
    let mut sent = 0;
    loop {
        changes.mark_unchanged();
        let late = until.is_some_and(|until| Instant::now() >= until);
        let (lines, ended) = next(&shared.lock());
        for line in lines {
            if let Some(limit) = limit.filter(|limit| sent >= limit.lines) {
                return end_early(limit, frames).await;
            }
            sent += 1;
            if frames.send(Ok(Frame::data(Bytes::from(line)))).await.is_err() {
                return;
            }
        }
        if let Some(limit) = limit.filter(|limit| sent >= limit.lines) {
            return end_early(limit, frames).await;
        }
        if ended || late {
            return;
        }
        let deadline = until.map(tokio::time::Instant::from_std);
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = changes.changed() => {}
            () = timer => {}
            () = frames.closed() => return,
            _ = cuts.changed() => {
                return cut(frames).await;
            }
        }
    }
}

/// Cuts the connection once all that was sent has gone out: the server drops what is still in its buffer. It writes
/// what it takes before it gives way to another task, and all tasks are on one thread.
pub(super) async fn cut(frames: &Frames) {
    drop(frames.reserve_many(frames.max_capacity()).await);
    let _ = frames.send(Err(io::Error::other("cut as scripted"))).await;
}

async fn end_early(limit: Limit, frames: &Frames) {
    if limit.silent {
        frames.closed().await;
    } else {
        cut(frames).await;
    }
}

pub(super) fn watched(kind: Kind, asked: &Asked, shared: &Arc<Shared>, fault: Option<&Fault>) -> Response<Body> {
    let number = |key: &str| asked.query.get(key).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    let mut from = number("resourceVersion");
    let error = match fault {
        Some(Fault::WatchError(code, reason)) => Some(status(*code, reason, "as scripted")),
        _ if from < shared.lock().remembered => Some(status(410, "Expired", "too old resource version")),
        _ => None,
    };
    if let Some(error) = error {
        let line = format!("{}\n", json!({"type": "ERROR", "object": error}));
        return Response::builder().status(StatusCode::OK).body(full(line.into_bytes())).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(number("timeoutSeconds").max(1));
    let (double, reversed) = (fault == Some(&Fault::Double), fault == Some(&Fault::Reversed));
    let selector = Asked { method: Method::GET, path: Vec::new(), query: asked.query.clone(), body: Value::Null };
    let (shown, api) = kind.names();
    let body = stream(shared, Limit::of(fault), Some(until), move |state| {
        let mut lines = Vec::new();
        let first = state.history.partition_point(|change| change.version <= from);
        for change in state.history[first..].iter().filter(|it| it.kind == kind && selects(&selector, &it.object)) {
            let line = format!("{}\n", json!({"type": change.action, "object": change.object}));
            lines.extend(std::iter::repeat_n(line, if double { 2 } else { 1 }));
        }
        if reversed {
            lines.reverse();
        }
        from = from.max(state.version);
        if Instant::now() >= until {
            let bookmark = json!({"kind": shown, "apiVersion": api, "metadata": {"resourceVersion": from.to_string()}});
            lines.push(format!("{}\n", json!({"type": "BOOKMARK", "object": bookmark})));
        }
        (lines, false)
    });
    Response::builder().status(StatusCode::OK).header("content-type", "application/json").body(body).unwrap()
}

pub(super) fn log(pod: &str, asked: &Asked, shared: &Arc<Shared>, fault: Option<&Fault>) -> Response<Body> {
    let container = asked.query.get("container").cloned().unwrap_or_default();
    let key = (pod.to_owned(), container.clone());
    {
        let state = shared.lock();
        if !state.objects.contains_key(&(Kind::Pod, pod.to_owned())) {
            return whole(404, &status(404, "NotFound", &format!("pods \"{pod}\" not found")), &[]);
        }
        if !state.logs.contains_key(&key) {
            let message = format!("container \"{container}\" in pod \"{pod}\" is waiting to start: ContainerCreating");
            return whole(400, &status(400, "BadRequest", &message), &[]);
        }
    }
    let since = asked.query.get("sinceTime").map(|it| it.parse::<Timestamp>().unwrap());
    let tail = asked.query.get("tailLines").map(|it| it.parse::<usize>().unwrap());
    let (stamps, follow) = (asked.is("timestamps"), asked.is("follow"));
    let mut given = None;
    let body = stream(shared, Limit::of(fault), None, move |state| {
        let log = state.logs.get(&key).cloned().unwrap_or_default();
        let first = given.unwrap_or_else(|| tail.map_or(0, |tail| log.lines.len().saturating_sub(tail)));
        given = Some(log.lines.len());
        let wanted = log.lines[first..].iter().filter(|(at, _)| since.is_none_or(|since| *at >= since));
        let shown =
            |(at, text): &(Timestamp, String)| if stamps { format!("{at} {text}\n") } else { format!("{text}\n") };
        (wanted.map(shown).collect(), log.ended || !follow)
    });
    Response::builder().status(StatusCode::OK).header("content-type", "text/plain").body(body).unwrap()
}
