//! Launches: one object for a job, whatever becomes of the request and of its answer.

use std::time::Duration;

use jobwright::executor::{CreateOutcome, Executor, ExecutorError};
use serde_json::json;

use crate::api_server::{ApiServer, Fault, Kind};
use crate::house::{House, executor, intent, name};

/// The requests that create Jobs.
const CREATES: &str = "POST /jobs?";

fn unsent(outcome: &CreateOutcome) -> &str {
    match outcome {
        CreateOutcome::Unsent { message } => message,
        other => panic!("{other:?}"),
    }
}

fn refusal(outcome: &CreateOutcome) -> (&str, &str) {
    match outcome {
        CreateOutcome::Refused(refusal) => (&refusal.reason, &refusal.message),
        other => panic!("{other:?}"),
    }
}

fn unknown(outcome: &CreateOutcome) -> (&str, Option<Duration>) {
    match outcome {
        CreateOutcome::Unknown { message, retry_after } => (message, *retry_after),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rendered_manifest_is_sent_as_it_is_for_strict_validation() {
    let house = House::new();
    let mut intent = intent("k1");
    intent.manifest["spec"]["notAField"] = json!({"is": "kept"});
    assert!(matches!(house.executor.create(&intent).await, CreateOutcome::Created { .. }));
    let sent = house.server.arrived(CREATES);
    assert_eq!(sent.len(), 1);
    let wanted = "POST /apis/batch/v1/namespaces/jobs/jobs?fieldManager=jobwright&fieldValidation=Strict";
    assert_eq!(sent[0].line, wanted);
    assert_eq!(sent[0].body, intent.manifest, "a field that is not known must reach the server to be refused by it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_warns_of_is_told_to_whoever_launches() {
    let house = House::new();
    let warning = r#"would violate PodSecurity \"restricted:latest\": runAsNonRoot != true"#;
    house.server.script(CREATES, Fault::Warn(vec![warning, "second"]));
    let CreateOutcome::Created { warnings, .. } = house.executor.create(&intent("k1")).await else {
        panic!("it was created");
    };
    assert_eq!(warnings, [r#"would violate PodSecurity "restricted:latest": runAsNonRoot != true"#, "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_sends_nothing_again_by_itself() {
    let house = House::new();
    house.launch("first").await;
    for (number, code) in [429, 500, 502, 503, 504].into_iter().enumerate() {
        let id = format!("k{code}");
        house.server.script(CREATES, Fault::Later(code, 7));
        let outcome = house.executor.create(&intent(&id)).await;
        assert_eq!(unknown(&outcome), ("please wait", Some(Duration::from_secs(7))), "{code}");
        assert_eq!(house.server.arrived(CREATES).len(), number + 2, "{code}");
    }
    house.server.script(CREATES, Fault::Cut);
    unknown(&house.executor.create(&intent("cut")).await);
    assert_eq!(house.server.arrived(CREATES).len(), 7, "nor where a connection that was in use breaks");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_answer_was_lost_is_found_again_and_not_made_twice() {
    let faults = [
        Fault::CutAfterwards,
        Fault::CutAnswer,
        Fault::HangAfterwards,
        Fault::FailAfterwards(500, "InternalError", "etcdserver: request timed out"),
        Fault::FailAfterwards(504, "Timeout", "request did not complete within the requested timeout"),
        Fault::FailAfterwards(429, "TooManyRequests", "too many"),
    ];
    let tries = faults.into_iter().map(|fault| async move {
        let house = House::new();
        house.server.script(CREATES, fault.clone());
        unknown(&house.executor.create(&intent("k1")).await);
        assert_eq!(house.server.created(), [name("k1")], "{fault:?}");
        let object = house.launch("k1").await;
        assert_eq!(house.server.get(Kind::Job, &object.name).unwrap()["metadata"]["uid"], object.uid);
        assert_eq!(house.server.created(), [name("k1")], "{fault:?}");
    });
    futures_util::future::join_all(tries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_lost_is_made_good_by_the_next_one() {
    let faults = [
        Fault::Cut,
        Fault::Hang,
        Fault::Refuse(500, "InternalError", "failed calling webhook"),
        Fault::Refuse(401, "Unauthorized", "Unauthorized"),
        Fault::Refuse(409, "Conflict", "Operation cannot be fulfilled on resourcequotas \"q\""),
        Fault::Proxy(404, "<html>no backend</html>"),
        Fault::Proxy(403, r#"{"message":"no route"}"#),
    ];
    let tries = faults.into_iter().map(|fault| async move {
        let house = House::new();
        house.server.script(CREATES, fault.clone());
        unknown(&house.executor.create(&intent("k1")).await);
        assert!(house.server.created().is_empty(), "{fault:?}");
        house.launch("k1").await;
        assert_eq!(house.server.created(), [name("k1")], "{fault:?}");
    });
    futures_util::future::join_all(tries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_final_in_the_servers_own_words() {
    let quota = r#"jobs.batch "hello-k1" is forbidden: exceeded quota: none, used: count/jobs.batch=0, limited: 0"#;
    let unknown_field = r#"Job in version "v1" cannot be handled: strict decoding error: unknown field "spec.x""#;
    for (code, reason, message, shown) in [
        (403, "Forbidden", quota, "QuotaExceeded"),
        (403, "Forbidden", "jobs.batch is forbidden: User \"x\" cannot create resource", "Forbidden"),
        (400, "BadRequest", unknown_field, "BadRequest"),
        (422, "Invalid", "spec.template: Required value", "Invalid"),
    ] {
        let house = House::new();
        house.server.script(CREATES, Fault::Refuse(code, reason, message));
        let outcome = house.executor.create(&intent("k1")).await;
        assert_eq!(refusal(&outcome), (shown, message));
        assert!(house.server.created().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_does_not_exist_is_a_refusal() {
    let house = House::new();
    house.server.namespace("jobs", None);
    let outcome = house.executor.create(&intent("k1")).await;
    assert_eq!(refusal(&outcome), ("NotFound", "namespaces \"jobs\" not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_else_has_taken_is_refused_and_left_alone() {
    let house = House::new();
    let foreign = house.server.add(Kind::Job, json!({"metadata": {"name": name("k1")}, "spec": {}}));
    let outcome = house.executor.create(&intent("k1")).await;
    let message = "there is a Job hello-k1 in namespace jobs already, which Jobwright did not make";
    assert_eq!(refusal(&outcome), ("NameTaken", message));
    assert_eq!(house.server.get(Kind::Job, &name("k1")), Some(foreign));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_object_that_is_being_deleted_is_shown_as_leaving() {
    let house = House::new();
    let object = house.launch("k1").await;
    house.executor.cancel(&object).await.unwrap();
    let outcome = house.executor.create(&intent("k1")).await;
    assert_eq!(outcome, CreateOutcome::Leaving { object });
    assert_eq!(house.server.created().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_goes_before_it_was_looked_at_has_vanished() {
    let house = House::new();
    house.server.script(CREATES, Fault::Refuse(409, "AlreadyExists", "jobs.batch \"hello-k1\" already exists"));
    assert_eq!(house.executor.create(&intent("k1")).await, CreateOutcome::Vanished);
    house.server.script(CREATES, Fault::Refuse(409, "AlreadyExists", "jobs.batch \"hello-k1\" already exists"));
    house.server.script("GET /jobs/hello-k1", Fault::Refuse(503, "ServiceUnavailable", "later"));
    assert_eq!(unknown(&house.executor.create(&intent("k1")).await).0, "later", "no answer is no proof");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_to_a_server_that_is_away_is_known_not_to_be_sent() {
    let mut house = House::new();
    house.server.go_away();
    let outcome = house.executor.create(&intent("k1")).await;
    assert!(unsent(&outcome).contains("Connection refused"), "{outcome:?}");
    house.server.come_back();
    house.launch("k1").await;
    assert_eq!(house.server.created().len(), 1);
}

/// A port whose queue of connections is full: no connection comes about there, and none is refused.
async fn busy_port() -> (String, Vec<tokio::task::JoinHandle<()>>, tokio::net::TcpListener) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let connecting = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(200), connecting).await {
            Ok(stream) => waiting.push(tokio::spawn(async move {
                let _stream = stream;
                std::future::pending().await
            })),
            Err(_) => return (format!("http://{address}"), waiting, listener),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_come_about_is_given_up_before_the_call_is() {
    let (url, waiting, _listener) = busy_port().await;
    let outcome = executor(&url).create(&intent("k1")).await;
    let message = unsent(&outcome);
    assert!(!message.contains("no answer within"), "the whole call's time was used up: {message}");
    waiting.into_iter().for_each(|it| it.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_by_nobody_can_say_whom_leaves_the_outcome_open() {
    let house = House::new();
    house.launch("k1").await;
    // The name is taken, and who has it cannot be read.
    house.server.script("GET /jobs/hello-k1", Fault::Hang);
    let outcome = house.executor.create(&intent("k1")).await;
    unknown(&outcome);
    assert_eq!(house.server.arrived("GET /jobs/hello-k1").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_found_by_its_name_with_its_pods_and_its_owner() {
    let house = House::new();
    let object = house.launch("k1").await;
    house.server.add_pod(&object.name, "p1", crate::house::running());
    let found = house.executor.find(&object.name).await.unwrap().unwrap();
    assert_eq!(found.job.unwrap().as_str(), "k1");
    let jobwright::job::Evidence::Seen(seen) = found.evidence else { panic!("it is there") };
    assert_eq!((seen.object, seen.pods.len()), (object, 1));
    assert_eq!(house.executor.find("nothing").await, Ok(None));
    house.server.add(Kind::Job, json!({"metadata": {"name": "foreign"}, "spec": {}}));
    assert_eq!(house.executor.find("foreign").await.unwrap().unwrap().job, None);
    house.server.script("GET /jobs/", Fault::Refuse(500, "InternalError", "oh"));
    assert_eq!(house.executor.find("nothing").await, Err(ExecutorError::Unreachable("oh".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_that_launch_one_job_at_once_make_one_object() {
    let server = ApiServer::start();
    let executors: Vec<_> = (0..16).map(|_| executor(&server.url())).collect();
    let job = intent("k1");
    let outcomes = futures_util::future::join_all(executors.iter().map(|it| it.create(&job))).await;
    let uids: std::collections::BTreeSet<_> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            CreateOutcome::Created { object, .. } => object.uid,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((uids.len(), server.created().len()), (1, 1));
}
