//! Reads server-sent events, as the WHATWG HTML standard (§9.2.6) defines them.

use std::io::{self, BufRead};

/// The longest line that is read: a job's JSON is far below.
const LONGEST_LINE: usize = 8 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Its type; `message` where none was given.
    pub event: String,
    /// Its data; several `data` lines are joined by line ends.
    pub data: String,
    /// The last ID that was given up to here, to resume after.
    pub id: Option<String>,
}

/// The events of a stream, in order. Ends when the stream ends; an event that was cut by the end is left out.
#[derive(Debug)]
pub struct Messages<R> {
    from: R,
    id: Option<String>,
}

impl<R: BufRead> Messages<R> {
    /// The events of a stream.
    pub fn new(from: R) -> Self {
        Self { from, id: None }
    }

    fn next_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut limited = io::Read::take(&mut self.from, LONGEST_LINE as u64);
        let read = limited.read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return if read == LONGEST_LINE {
                Err(io::Error::other("a line of the event stream is too long"))
            } else {
                Ok(None)
            };
        }
        line.pop_if(|last| *last == b'\r');
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }

    fn next_message(&mut self) -> io::Result<Option<Message>> {
        let mut event = None;
        let mut data: Option<String> = None;
        while let Some(line) = self.next_line()? {
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if !line.is_empty() => {} // A comment keeps the connection alive.
                "" => match data.take() {
                    Some(data) => {
                        return Ok(Some(Message {
                            event: event.unwrap_or_else(|| "message".to_owned()),
                            data,
                            id: self.id.clone(),
                        }));
                    }
                    None => event = None,
                },
                "data" => match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.to_owned()),
                },
                "event" => event = Some(value.to_owned()),
                "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Messages<R> {
    type Item = io::Result<Message>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_message().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Message> {
        Messages::new(text.as_bytes()).map(Result::unwrap).collect()
    }

    fn message(event: &str, data: &str, id: Option<&str>) -> Message {
        Message { event: event.to_owned(), data: data.to_owned(), id: id.map(str::to_owned) }
    }

    #[test]
    fn events_have_type_data_and_id() {
        let text = ": hello\n\nid: 7\nevent: job\ndata: {\"a\":\ndata: 1}\n\ndata:x\r\n\r\n";
        assert_eq!(read(text), [message("job", "{\"a\":\n1}", Some("7")), message("message", "x", Some("7")),]);
    }

    #[test]
    fn what_is_cut_or_empty_is_no_event() {
        assert_eq!(read("event: job\n\ndata: whole\n\ndata: cut\n"), [message("message", "whole", None)]);
        assert_eq!(read("data: cut"), []);
    }
}
