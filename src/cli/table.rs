//! Tables for people: aligned columns without lines, as wide as the terminal and no wider. What is piped is never cut.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use anstyle::Style;

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// The width that it may be cut to where there is too little room; `None` where it must stay whole.
    pub shrinks_to: Option<usize>,
}

/// One cell: a text, and how it looks.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell of a certain look.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

const GAP: usize = 2;

/// Lays rows out under their columns; each line ends with `\n`. `room` is the terminal's width, where there is one.
pub fn layout(columns: &[Column], rows: &[Vec<Cell>], room: Option<usize>) -> String {
    let widths = widths(columns, rows, room);
    let head: Vec<Cell> = columns.iter().map(|column| Cell::styled(column.title, Style::new().bold())).collect();
    let mut out = String::new();
    for row in std::iter::once(&head).chain(rows) {
        line(row, &widths, &mut out);
    }
    out
}

/// The rows alone, in columns of given widths: for what comes row by row.
pub fn line(row: &[Cell], widths: &[usize], out: &mut String) {
    let mut pending = 0;
    for (cell, &width) in row.iter().zip(widths) {
        let text = cut(&one_line(&cell.text), width);
        let used = text.width();
        if used > 0 {
            out.extend(std::iter::repeat_n(' ', pending));
            let style = cell.style;
            out.push_str(&format!("{style}{text}{style:#}"));
            pending = 0;
        }
        pending += width.saturating_sub(used) + GAP;
    }
    out.push('\n');
}

/// How wide each column is to be.
pub fn widths(columns: &[Column], rows: &[Vec<Cell>], room: Option<usize>) -> Vec<usize> {
    let mut widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let cells = rows.iter().filter_map(|row| row.get(index));
            let longest = cells.map(|cell| one_line(&cell.text).width()).max();
            longest.unwrap_or(0).max(column.title.width())
        })
        .collect();
    let Some(room) = room else { return widths };
    let gaps = GAP * columns.len().saturating_sub(1);
    // The widest column that may shrink gives way first, cell by cell.
    while widths.iter().sum::<usize>() + gaps > room {
        let candidates = columns.iter().zip(&mut widths);
        let widest = candidates
            .filter(|(column, width)| column.shrinks_to.is_some_and(|least| **width > least))
            .map(|(_, width)| width)
            .max_by_key(|width| **width);
        match widest {
            Some(width) => *width -= 1,
            None => break,
        }
    }
    widths
}

/// Control characters must not reach a terminal: a cell is one line of visible text.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text that is no wider than this.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "ID", shrinks_to: None },
        Column { title: "NAME", shrinks_to: Some(6) },
        Column { title: "AGE", shrinks_to: None },
    ];

    fn plain(rows: &[[&str; 3]], room: Option<usize>) -> String {
        let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(|text| Cell::from(*text)).collect()).collect();
        anstream::adapter::strip_str(&layout(&COLUMNS, &rows, room)).to_string()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["k1", "Daily report", "3s"], ["key-2", "", "1h"]];
        assert_eq!(plain(&rows, None), "ID     NAME          AGE\nk1     Daily report  3s\nkey-2                1h\n");
    }

    #[test]
    fn the_column_that_may_shrink_gives_way_to_the_terminal() {
        let rows = [["k1", "Daily report", "3s"]];
        assert_eq!(plain(&rows, Some(17)), "ID  NAME      AGE\nk1  Daily r…  3s\n");
        assert_eq!(plain(&rows, Some(3)), "ID  NAME    AGE\nk1  Daily…  3s\n");
    }

    #[test]
    fn wide_characters_keep_the_columns_straight() {
        let rows = [["k1", "日報日報", "3s"], ["k2", "ascii", "3s"]];
        assert_eq!(plain(&rows, None), "ID  NAME      AGE\nk1  日報日報  3s\nk2  ascii     3s\n");
        assert!(plain(&rows, Some(15)).contains("日報…"));
    }

    #[test]
    fn a_cell_cannot_write_control_sequences() {
        assert_eq!(plain(&[["k1", "a\nb\x1b[2J", "3s"]], None), "ID  NAME     AGE\nk1  a b [2J  3s\n");
    }
}
