//! Logs, complete and in order.

use jobwright::executor::{Executor, LogOptions};

use crate::house::{House, intent, job, script};

fn following() -> LogOptions {
    LogOptions { follow: true, ..LogOptions::default() }
}

#[test]
fn a_hundred_thousand_lines_come_whole_and_in_order_while_they_are_written() {
    let house = House::new();
    let text = "i=0; while [ $i -lt 100000 ]; do echo line $i; i=$((i+1)); done";
    let object = house.create(&intent("k1", "it", job(script(text))));
    let lines = house.log(&object, following());
    assert_eq!(lines.len(), 100_000);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line.text, format!("line {index}"));
    }
    assert!(lines.is_sorted_by_key(|line| line.at));
    assert!(lines.iter().all(|line| line.pod == "it-0" && line.container == "main"));
    // Read again at rest, it is the same.
    assert_eq!(house.log(&object, LogOptions::default()), lines);
}

#[test]
fn lines_come_as_they_are_written_before_the_program_ends() {
    use futures_util::StreamExt;
    let house = House::new();
    let pipe = house.root().join("pipe");
    crate::orphans::make_fifo(&pipe);
    let text = format!("echo first; read answer < {}; echo $answer", pipe.display());
    let object = house.create(&intent("k1", "it", job(script(&text))));
    house.wait(async {
        let mut lines = house.executor.logs(&object, following()).await.unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap().text, "first");
        tokio::fs::write(&pipe, "second\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap().text, "second");
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn both_streams_and_an_unfinished_line_are_in_the_log() {
    let house = House::new();
    let seen = house.run(script("echo out; echo err >&2; printf 'no \\377 end'"));
    let mut lines = house.text(&seen.object);
    lines.sort();
    assert_eq!(lines, ["err", "no \u{fffd} end", "out"]);
}

#[test]
fn a_tail_is_the_last_lines_and_since_is_a_moment() {
    let house = House::new();
    let seen = house.run(script("for i in 1 2 3 4 5; do echo $i; sleep 0.002; done"));
    let all = house.log(&seen.object, LogOptions::default());
    let tail = |count| {
        let options = LogOptions { tail: Some(count), ..following() };
        house.log(&seen.object, options)
    };
    assert_eq!(tail(0), []);
    assert_eq!(tail(2), all[3..]);
    assert_eq!(tail(100), all);
    let options = LogOptions { since: Some(all[2].at), ..following() };
    assert_eq!(house.log(&seen.object, options), all[2..]);
}

#[test]
fn a_followed_log_of_a_cancelled_object_ends() {
    let house = House::new();
    let object = house.create(&intent("k1", "it", job(script("echo on; sleep 1000"))));
    house.running(&object);
    let lines = house.wait(async {
        use futures_util::StreamExt;
        let lines = house.executor.logs(&object, following()).await.unwrap();
        house.executor.cancel(&object).await.unwrap();
        lines.map(|line| line.unwrap().text).collect::<Vec<_>>().await
    });
    assert_eq!(lines, ["on"]);
}
