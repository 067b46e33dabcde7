use jiff::Timestamp;

use super::log::{LONGEST_PIECE, LogWriter, Stream};
use super::{Exit, Notice, Order};

fn at(nanoseconds: i128) -> Timestamp {
    Timestamp::from_nanosecond(1_769_850_000_000_000_000 + nanoseconds).unwrap()
}

fn written(act: impl FnOnce(&mut LogWriter)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.log");
    let mut log = LogWriter::create(&path).unwrap();
    act(&mut log);
    assert_eq!(log.finish(at(9)), None);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn output_is_written_as_container_runtimes_do() {
    let text = written(|log| {
        log.write(Stream::Out, b"one\ntw", at(1));
        log.write(Stream::Err, b"oops\n", at(2));
        log.write(Stream::Out, b"o\nunfinished", at(3));
    });
    let expected = "\
2026-01-31T09:00:00.000000001Z stdout F one
2026-01-31T09:00:00.000000002Z stderr F oops
2026-01-31T09:00:00.000000003Z stdout F two
2026-01-31T09:00:00.000000009Z stdout F unfinished
";
    assert_eq!(text, expected);
}

#[test]
fn times_never_go_back() {
    let text = written(|log| {
        log.write(Stream::Out, b"a\n", at(5));
        log.write(Stream::Out, b"b\n", at(4));
    });
    assert_eq!(text.matches("00.000000005Z").count(), 2, "{text}");
}

#[test]
fn long_lines_are_written_in_pieces_that_keep_characters_whole() {
    let line = format!("{}é{}", "x".repeat(LONGEST_PIECE - 1), "y".repeat(LONGEST_PIECE));
    let text = written(|log| log.write(Stream::Out, format!("{line}\n").as_bytes(), at(1)));
    let pieces: Vec<(&str, &str)> =
        text.lines().map(|it| it["2026-01-31T09:00:00.000000001Z stdout ".len()..].split_once(' ').unwrap()).collect();
    assert_eq!(pieces.iter().map(|it| it.0).collect::<String>(), "PPF");
    assert_eq!(pieces.iter().map(|it| it.1).collect::<String>(), line);
    assert!(pieces.iter().all(|it| it.1.len() <= LONGEST_PIECE));
}

#[test]
fn messages_take_one_line_each() {
    let exit = Exit::start_error(at(1), "no\nsuch file".to_owned());
    let text = serde_json::to_string(&Notice::Ended(exit.clone())).unwrap();
    assert!(!text.contains('\n'), "{text}");
    assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), Notice::Ended(exit));
    assert_eq!(serde_json::to_string(&Order::Stop).unwrap(), r#""stop""#);
    assert_eq!(serde_json::to_string(&Order::Want(7)).unwrap(), r#"{"want":7}"#);
}
