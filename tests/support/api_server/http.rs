//! Requests and what is answered.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use ::http::{Method, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use super::state::{Arrived, Fault, Kind, Shared, name_of, status};
use super::streams;

pub(super) type Body = BoxBody<Bytes, io::Error>;
type Answered = Result<Response<Body>, io::Error>;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, shared.clone()));
            // A connection that ends in an error is what some tests ask for.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A request, taken apart.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: Vec<String>,
    pub(super) query: HashMap<String, String>,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn is(&self, key: &str) -> bool {
        self.query.get(key).is_some_and(|value| value == "true")
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Answered {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let line = format!("{} {}", head.method, decode(&head.uri.to_string()));
    let pairs = head.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let asked = Asked {
        method: head.method,
        path: head.uri.path().split('/').skip(1).map(decode).collect(),
        query: pairs.map(|(key, value)| (decode(key), decode(value))).collect(),
        body: body.clone(),
    };
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let named = format!("{line} {}", name_of(&body));
    let arrived = Arrived { line, body, headers: headers.collect(), at: Instant::now() };
    let fault = shared.change(|state| {
        state.arrived.push(arrived);
        state.fault(&named)
    });
    let cut = || Err(io::Error::other("cut as scripted"));
    match fault {
        Some(Fault::Cut) => cut(),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Refuse(code, reason, message)) => Ok(whole(code, &status(code, reason, message), &[])),
        Some(Fault::Later(code, wait)) => {
            let said = status(code, "TooManyRequests", "please wait");
            Ok(whole(code, &said, &[("retry-after", wait.to_string())]))
        }
        Some(Fault::Proxy(code, words)) => {
            Ok(Response::builder().status(code).body(full(words.as_bytes().to_vec())).unwrap())
        }
        other => {
            let response = carry_out(&asked, &shared, other.as_ref());
            match other {
                Some(Fault::CutAfterwards) => cut(),
                Some(Fault::HangAfterwards) => std::future::pending().await,
                Some(Fault::FailAfterwards(code, reason, message)) => {
                    Ok(whole(code, &status(code, reason, message), &[]))
                }
                Some(Fault::CutAnswer) => halved(response).await,
                _ => Ok(response),
            }
        }
    }
}

/// Half of an answer, and then the end of the connection.
async fn halved(response: Response<Body>) -> Answered {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let half = bytes.slice(..bytes.len() / 2);
    let (frames, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let _ = frames.send(Ok(Frame::data(half))).await;
        streams::cut(&frames).await;
    });
    let body = StreamBody::new(ReceiverStream::new(receiver));
    let mut response = Response::from_parts(head, BodyExt::boxed(body));
    response.headers_mut().insert("content-length", bytes.len().into());
    Ok(response)
}

pub(super) fn full(bytes: Vec<u8>) -> Body {
    http_body_util::Full::new(Bytes::from(bytes)).map_err(|never: Infallible| match never {}).boxed()
}

pub(super) fn whole(code: u16, body: &Value, headers: &[(&str, String)]) -> Response<Body> {
    let mut response = Response::builder().status(code).header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(full(body.to_string().into_bytes())).unwrap()
}

fn carry_out(asked: &Asked, shared: &Arc<Shared>, fault: Option<&Fault>) -> Response<Body> {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (&asked.method, &path[..]) {
        (&Method::GET, ["version"]) => {
            let (major, minor, git) = shared.lock().kubernetes.clone();
            whole(200, &json!({"major": major, "minor": minor, "gitVersion": git}), &[])
        }
        (&Method::POST, ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]) => {
            let wanted = &asked.body["spec"]["resourceAttributes"];
            let word = |field: &str| wanted[field].as_str().unwrap_or_default();
            let subresource = wanted["subresource"].as_str().map(|it| format!("/{it}")).unwrap_or_default();
            let right = format!("{} {}{subresource}", word("verb"), word("resource"));
            let mut body = asked.body.clone();
            body["status"] = json!({"allowed": !shared.lock().denied.contains(&right)});
            whole(201, &body, &[])
        }
        (&Method::GET, ["api", "v1", "namespaces", namespace]) => match shared.lock().namespaces.get(*namespace) {
            Some(phase) => whole(200, &json!({"metadata": {"name": namespace}, "status": {"phase": phase}}), &[]),
            None => whole(404, &status(404, "NotFound", &format!("namespaces \"{namespace}\" not found")), &[]),
        },
        (method, ["apis", "batch", "v1", "namespaces", _, rest @ ..] | ["api", "v1", "namespaces", _, rest @ ..]) => {
            in_namespace(method, rest, asked, shared, fault)
        }
        _ => whole(404, &status(404, "NotFound", "the server could not find the requested resource"), &[]),
    }
}

fn in_namespace(
    method: &Method,
    rest: &[&str],
    asked: &Asked,
    shared: &Arc<Shared>,
    fault: Option<&Fault>,
) -> Response<Body> {
    let Some(kind) = rest.first().and_then(|resource| Kind::of(resource)) else {
        return whole(404, &status(404, "NotFound", "the server could not find the requested resource"), &[]);
    };
    match (method, rest) {
        (&Method::POST, [_]) => create(kind, asked, shared, fault),
        (&Method::GET, [_]) if asked.is("watch") => streams::watched(kind, asked, shared, fault),
        (&Method::GET, [_]) => list(kind, asked, shared, fault),
        (&Method::GET, ["pods", pod, "log"]) => streams::log(pod, asked, shared, fault),
        (&Method::GET, [_, name]) => match shared.lock().objects.get(&(kind, (*name).to_owned())) {
            Some(object) => whole(200, object, &[]),
            None => whole(404, &status(404, "NotFound", &format!("\"{name}\" not found")), &[]),
        },
        (&Method::DELETE, ["jobs", name]) => {
            let (code, body) = shared.change(|state| state.delete(name, &asked.body));
            whole(code, &body, &[])
        }
        _ => whole(405, &status(405, "MethodNotAllowed", "not in this server"), &[]),
    }
}

fn create(kind: Kind, asked: &Asked, shared: &Arc<Shared>, fault: Option<&Fault>) -> Response<Body> {
    let namespace = asked.path.iter().skip_while(|it| *it != "namespaces").nth(1).cloned().unwrap_or_default();
    let mut headers = Vec::new();
    if let Some(Fault::Warn(texts)) = fault {
        headers.extend(texts.iter().map(|text| ("warning", format!("299 - \"{text}\""))));
    }
    let made = shared.change(|state| {
        if !state.namespaces.contains_key(&namespace) {
            return Err(status(404, "NotFound", &format!("namespaces \"{namespace}\" not found")));
        }
        if asked.query.get("dryRun").is_some_and(|it| it == "All") {
            let taken = state.objects.contains_key(&(kind, name_of(&asked.body)));
            return if taken { Err(status(409, "AlreadyExists", "already exists")) } else { Ok(asked.body.clone()) };
        }
        state.create(kind, asked.body.clone())
    });
    match made {
        Ok(object) => whole(201, &object, &headers),
        Err(said) => whole(u16::try_from(said["code"].as_u64().unwrap()).unwrap(), &said, &[]),
    }
}

/// Whether an object is one of those that the selectors of a request name.
pub(super) fn selects(asked: &Asked, object: &Value) -> bool {
    let terms = |key: &str| asked.query.get(key).cloned().unwrap_or_default();
    let labels = &object["metadata"]["labels"];
    let pairs = |text: &str| {
        text.split(',')
            .filter_map(|it| it.split_once('='))
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .collect::<Vec<_>>()
    };
    let by_label = pairs(&terms("labelSelector")).iter().all(|(key, value)| labels[key] == *value);
    let field = |path: &str| object.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default();
    by_label && pairs(&terms("fieldSelector")).iter().all(|(path, value)| field(path) == *value)
}

/// A list, page by page: a continue token names the version of the first page and the name to go on after.
fn list(kind: Kind, asked: &Asked, shared: &Arc<Shared>, fault: Option<&Fault>) -> Response<Body> {
    let state = shared.lock();
    let token = asked.query.get("continue").and_then(|it| it.split_once(':'));
    let (version, after) = match (token, fault) {
        (Some((version, after)), _) => (version.parse().unwrap(), after.to_owned()),
        (None, Some(Fault::Stale(version))) => (*version, String::new()),
        (None, _) => (state.version, String::new()),
    };
    let limit = asked.query.get("limit").and_then(|it| it.parse().ok()).unwrap_or(usize::MAX);
    let wanted = |name: &str, object: &Value| *name > *after && selects(asked, object);
    let mut items: Vec<Value> = state
        .at(kind, version)
        .iter()
        .filter(|(name, object)| wanted(name, object))
        .map(|(_, object)| (*object).clone())
        .take(limit.saturating_add(1))
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| format!("{version}:{}", name_of(last)));
    let (shown, api) = kind.names();
    let metadata = json!({"resourceVersion": version.to_string(), "continue": next.unwrap_or_default()});
    let body = json!({"kind": format!("{shown}List"), "apiVersion": api, "metadata": metadata, "items": items});
    whole(200, &body, &[])
}
