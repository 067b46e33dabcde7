//! Lists, followers and retention.

use jiff::SignedDuration;

use super::*;
use crate::store::{Query, Retention};

#[test]
fn a_cursor_stays_put_while_new_jobs_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for number in 0..5 {
        let new = job(&format!("old-{number}"), number);
        store.submit(recorded(&new)).wait().unwrap();
    }
    let query = Query { limit: Some(2), ..Query::default() };
    let first = store.page(&query).unwrap();
    store.submit(recorded(&job("new", 100))).wait().unwrap();
    let second = store.page(&Query { cursor: first.next, ..query }).unwrap();
    let ids: Vec<&str> = second.items.iter().map(|view| view.id.as_str()).collect();
    assert_eq!(ids, ["old-2", "old-1"]);
}

#[test]
fn a_search_for_rare_words_looks_at_so_many_rows_and_can_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let many = (0..Query::MAX_VISITS as i64 + 500).map(|n| (job(&format!("j{n}"), n), Vec::new()));
    crate::store::fill(folder.path(), many).unwrap();
    let store = open(folder.path());
    // An older job than all others, with a name to look for.
    let mut rare = job("z", -1);
    rare.intent.name = Some("Rare Words".parse().unwrap());
    store.submit(recorded(&rare)).wait().unwrap();
    let query = Query { text: Some("rare".to_owned()), ..Query::default() };
    let first = store.page(&query).unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    let second = store.page(&Query { cursor: first.next, ..query }).unwrap();
    assert_eq!(second.items[0].id, id("z"));
    assert_eq!(second.next, None);
}

#[test]
fn the_newest_of_a_template_are_known_from_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for (number, template) in ["report", "report-2", "report", "report"].into_iter().enumerate() {
        let mut new = job(&format!("k{number}"), number as i64);
        new.intent.template = template.to_owned();
        store.submit(recorded(&new)).wait().unwrap();
    }
    let newest = store.newest("report", 2).unwrap();
    for (listed, id) in newest.iter().zip(["k3", "k2"]) {
        let view = store.view(&id.parse().unwrap()).unwrap().unwrap();
        assert_eq!((listed.id.as_str(), listed.created, listed.phase), (id, view.created, view.phase));
    }
    assert_eq!(newest.len(), 2);
    assert_eq!(store.newest("report-2", 9).unwrap().len(), 1);
    assert_eq!(store.newest("repo", 9).unwrap(), []);
}

#[tokio::test]
async fn followers_see_what_is_durable_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut changes = store.subscribe();
    let mut job = job("k", 0);
    let mut acks = vec![store.submit(recorded(&job))];
    for number in 0..100 {
        let change = learn(&mut job, report(&format!("step {number}"), number));
        acks.push(store.submit(change));
    }
    for ack in acks {
        ack.await.unwrap();
    }
    let mut last = 0;
    for _ in 0..=100 {
        let change = changes.recv().await.unwrap();
        for event in &change.events {
            assert_eq!(event.sequence, last + 1);
            last = event.sequence;
        }
    }
    assert_eq!(last, store.last_sequence());
    assert_eq!(store.events_after(last - 3, 2).unwrap().len(), 2);
}

#[tokio::test]
async fn retention_forgets_ended_jobs_only() {
    let folder = tempfile::tempdir().unwrap();
    let fill = |store: &Store| {
        for number in 0..10 {
            let mut new = job(&format!("j{number}"), number);
            store.submit(recorded(&new)).wait().unwrap();
            if number != 0 {
                for fact in life(&new) {
                    store.submit(learn(&mut new, fact)).wait().unwrap();
                }
            }
        }
    };
    std::thread::scope(|scope| scope.spawn(|| fill(&open(folder.path()))).join().unwrap());
    let retain = async |retention: Retention| {
        let options = Options { retention, ..Options::default() };
        let store = Store::open(folder.path(), options).unwrap();
        let expired = store.expired(at(10)).unwrap();
        let removed = expired.len();
        for id in expired {
            store.submit(Change::delete(id, at(10), Source::Service)).await.unwrap();
        }
        assert_sound(&store);
        removed
    };
    assert_eq!(retain(Retention::default()).await, 0);
    let by_age = Retention { max_age: Some(SignedDuration::from_secs(7)), max_jobs: None };
    assert_eq!(retain(by_age).await, 3, "of j0 to j3, j0 has not ended");
    let by_count = Retention { max_age: None, max_jobs: Some(4) };
    assert_eq!(retain(by_count).await, 3);
    let left: Vec<String> =
        open(folder.path()).page(&Query::default()).unwrap().items.iter().map(|view| view.id.to_string()).collect();
    assert_eq!(left, ["j9", "j8", "j7", "j0"]);
}

#[test]
fn an_id_can_be_used_again_after_a_long_history_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut long = job("k", 0);
    let mut acks = vec![store.submit(recorded(&long))];
    for number in 0..500 {
        let change = learn(&mut long, report(&format!("step {number}"), number));
        acks.push(store.submit(change));
    }
    acks.push(store.submit(Change::delete(id("k"), at(1), Source::User)));
    acks.push(store.submit(recorded(&job("k", 2))));
    for ack in acks {
        ack.wait().unwrap();
    }
    assert_eq!(store.job_events(&id("k"), 0, 10).unwrap().len(), 1);
    assert_eq!(store.events_after(0, 10).unwrap().len(), 2);
    assert_sound(&store);
}
