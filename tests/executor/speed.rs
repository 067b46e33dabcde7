//! How fast objects come and go. Not a test of an amount: `cargo test --test executor -- --ignored --nocapture speed`.

use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jobwright::executor::process::ProcessExecutor;
use jobwright::executor::{CreateOutcome, Executor, Observation};
use jobwright::job::Evidence;
use serde_json::Value;

use crate::house::{House, intent, job};

#[test]
#[ignore = "measures"]
#[expect(clippy::print_stdout, reason = "its result is for people")]
fn objects_a_second() {
    let house = House::with(|config| config.images = vec!["true=/bin/true".parse().unwrap()]);
    let spec = serde_json::json!({"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "main", "image": "true"}],
    }}});
    for (in_flight, count) in [(1, 100), (32, 1000)] {
        let begun = Instant::now();
        house.runtime.block_on(run(&house.executor, &spec, in_flight, count));
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{in_flight} in flight: {:.0} objects/s created, run, ended and deleted; {:.1} ms each",
            f64::from(count) / seconds,
            1000.0 * seconds * f64::from(in_flight) / f64::from(count)
        );
    }
}

/// Runs so many objects, so many at once, with one watcher as the service has.
async fn run(executor: &ProcessExecutor, spec: &Value, in_flight: u32, count: u32) {
    let mut watch = executor.watch();
    watch.next().await;
    let start = async |number: u32| {
        let name = format!("it-{in_flight}-{number}");
        let intent = intent(&name, &name, job(spec.clone()));
        let outcome = executor.create(&intent).await;
        assert!(matches!(outcome, CreateOutcome::Created { .. }), "{outcome:?}");
    };
    let mut started = in_flight.min(count);
    let mut working: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    for number in 0..started {
        working.push(start(number).boxed());
    }
    let mut ended = 0;
    while ended < count {
        tokio::select! {
            Some(()) = working.next() => {}
            observation = watch.next() => {
                let Some(Observation::Changed(_, Evidence::Seen(seen))) = observation else { continue };
                if seen.conclusion.is_none() {
                    continue;
                }
                ended += 1;
                let next = (started < count).then(|| start(started));
                started += 1;
                working.push(
                    async move {
                        executor.delete(&seen.object).await.unwrap();
                        if let Some(next) = next {
                            next.await;
                        }
                    }
                    .boxed(),
                );
            }
        }
    }
    while working.next().await.is_some() {}
}
