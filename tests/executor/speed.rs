//! How fast objects come and go. Not a test of an amount: `cargo test --test executor -- --ignored --nocapture speed`.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use jobwright::executor::{CreateOutcome, Executor, Observation};
use jobwright::job::Evidence;

use crate::house::{House, intent, job};

#[test]
#[ignore = "measures"]
#[expect(clippy::print_stdout, reason = "its result is for people")]
fn objects_a_second() {
    const OBJECTS: usize = 1000;
    let house = House::with(|config| config.images = vec!["true=/bin/true".parse().unwrap()]);
    let spec = serde_json::json!({"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "main", "image": "true"}],
    }}});
    for in_flight in [1, 32] {
        let begun = Instant::now();
        let count = if in_flight == 1 {
            OBJECTS / 10
        } else {
            OBJECTS
        };
        house.runtime.block_on(async {
            stream::iter(0..count)
                .for_each_concurrent(in_flight, |number| {
                    let name = format!("it-{in_flight}-{number}");
                    let intent = intent(&name, &name, job(spec.clone()));
                    let executor = house.executor.clone();
                    async move {
                        let mut watch = executor.watch();
                        watch.next().await;
                        let outcome = executor.create(&intent).await;
                        let CreateOutcome::Created(object) = outcome else {
                            panic!("{outcome:?}")
                        };
                        loop {
                            match watch.next().await {
                                Some(Observation::Changed(_, Evidence::Seen(seen)))
                                    if seen.object == object && seen.conclusion.is_some() =>
                                {
                                    break;
                                }
                                _ => {}
                            }
                        }
                        executor.delete(&object).await.unwrap();
                    }
                })
                .await;
        });
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{in_flight} in flight: {:.0} objects/s created, run, ended and deleted; {:.1} ms each",
            count as f64 / seconds,
            1000.0 * seconds * in_flight as f64 / count as f64
        );
    }
}
