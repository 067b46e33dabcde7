//! Progress as a command tells it: a line `::progress 40 text` on its standard output.

/// What a progress line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How far, 0 to 100.
    pub percent: u8,
    /// The text after it, if there is one.
    pub message: Option<String>,
}

/// Reads a line of a command's output. Whatever is not a progress line is none of the worker's business.
pub fn parse(line: &[u8]) -> Option<Progress> {
    const LONGEST_MESSAGE: usize = 500;
    let rest = std::str::from_utf8(line).ok()?.strip_prefix("::progress ")?.trim();
    let (percent, message) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let percent: u8 = percent.trim_end_matches('%').parse().ok().filter(|percent| *percent <= 100)?;
    let message: String = message.trim().chars().take(LONGEST_MESSAGE).collect();
    Some(Progress { percent, message: Some(message).filter(|text| !text.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_has_a_percentage_and_may_have_a_text() {
        let read = |line: &str| parse(line.as_bytes()).map(|it| (it.percent, it.message));
        assert_eq!(read("::progress 40 copying files\n"), Some((40, Some("copying files".into()))));
        assert_eq!(read("::progress 100\r\n"), Some((100, None)));
        assert_eq!(read("::progress 7% x"), Some((7, Some("x".into()))));
        for other in
            ["", "::progress", "::progress x", "::progress 101", "::progress -1", " ::progress 4", "progress 4"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(parse(b"::progress 4 \xff"), None);
    }
}
