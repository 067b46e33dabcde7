use std::fs::OpenOptions;
use std::io::Write;

use super::*;

/// An object's folder with log files that a test writes.
struct Logs(tempfile::TempDir);

impl Logs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn append(&self, pod: &str, container: &str, text: &str) {
        let folder = disk::container_folder(self.0.path(), pod, container);
        std::fs::create_dir_all(&folder).unwrap();
        let log = disk::log_file(&folder, 0);
        let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn read(&self, merge: &mut Merge, tail: Option<usize>) -> Vec<String> {
        merge.find_files(self.0.path(), tail).unwrap();
        let lines = merge.read(usize::MAX).unwrap();
        lines.into_iter().map(|line| format!("{}/{} {}", line.pod, line.container, line.text)).collect()
    }
}

/// A line of a log file, at a second.
fn line(second: u32, text: &str) -> String {
    format!("2026-01-31T09:00:{second:02}.000000000Z stdout F {text}\n")
}

#[test]
fn lines_of_several_containers_are_merged_by_time() {
    let logs = Logs::new();
    logs.append("it-0", "a", &(line(1, "one") + &line(4, "four")));
    logs.append("it-0", "b", &(line(2, "two") + &line(5, "five")));
    logs.append("it-1", "a", &line(3, "three"));
    let all = logs.read(&mut Merge::default(), None);
    assert_eq!(all, ["it-0/a one", "it-0/b two", "it-1/a three", "it-0/a four", "it-0/b five"]);
}

#[test]
fn reading_goes_on_where_it_ended_and_takes_whole_lines_only() {
    let logs = Logs::new();
    let mut merge = Merge::default();
    assert_eq!(logs.read(&mut merge, None), [""; 0]);
    let (begin, end) = ("2026-01-31T09:00:02.000000000Z stdout F un", "finished\n");
    logs.append("it-0", "a", &(line(1, "one") + begin));
    assert_eq!(logs.read(&mut merge, None), ["it-0/a one"]);
    assert_eq!(logs.read(&mut merge, None), [""; 0]);
    logs.append("it-0", "a", end);
    logs.append("it-0", "b", &line(3, "new"));
    assert_eq!(logs.read(&mut merge, None), ["it-0/a unfinished", "it-0/b new"]);
    let read: Vec<u64> = merge.positions().map(|it| it.1).collect();
    let lengths = [line(1, "one").len() + begin.len() + end.len(), line(3, "new").len()];
    assert_eq!(read, lengths.map(|it| it as u64));
}

#[test]
fn a_tail_is_read_from_the_end_of_each_file() {
    let logs = Logs::new();
    // Longer than what is looked at in one go.
    let all: String = (0..10_000).map(|it| line(it % 60, &format!("line {it}"))).collect();
    logs.append("it-0", "a", &all);
    for count in [0, 1, 3, 5000, 9999, 10_000, 20_000] {
        let lines = logs.read(&mut Merge::default(), Some(count));
        assert_eq!(lines.len(), count.min(10_000), "{count}");
        if count > 0 {
            assert_eq!(lines.last().unwrap(), "it-0/a line 9999");
        }
    }
}

#[test]
fn a_container_that_never_started_has_no_log() {
    let logs = Logs::new();
    let folder = disk::container_folder(logs.0.path(), "it-0", "a");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("0.exit.json"), r#"{"started":null,"finished":"2026-01-31T09:00:00Z","exit_code":128,"signal":null,"reason":"StartError","message":"no"}"#).unwrap();
    assert_eq!(logs.read(&mut Merge::default(), None), [""; 0]);
}

#[test]
fn what_is_no_line_of_a_log_is_passed_over() {
    let text = |line: &str| parse_line(line.as_bytes()).map(|it| it.1.to_vec());
    let whole = "2026-01-31T09:00:00.5Z stderr F two  words \n";
    assert_eq!(text(whole).unwrap(), b"two  words ");
    assert_eq!(text("2026-01-31T09:00:00Z stdout P \n").unwrap(), b"");
    for broken in [
        "",
        "\n",
        "2026-01-31T09:00:00Z\n",
        "2026-01-31T09:00:00Z stdout F\n",
        "2026-01-31T09:00:00Z stdlog F text\n",
        "2026-01-31T09:00:00Z stdout X text\n",
        "yesterday stdout F text\n",
    ] {
        assert_eq!(text(broken), None, "{broken:?}");
    }
}
