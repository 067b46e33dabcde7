//! The difference of two texts, line by line, as `diff -u` shows it: which lines go, which come, and those around them.

/// Equal lines that are shown around a change.
const AROUND: usize = 3;

/// Beyond so many pairs of lines, all that differs is shown as replaced: the search takes time and memory for each pair.
const MOST_PAIRS: usize = 4_000_000;

/// A line of either text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// It is in both.
    Same(&'a str),
    /// It is in the old text only.
    Gone(&'a str),
    /// It is in the new text only.
    New(&'a str),
}

/// Changes that lie together, with the equal lines around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk<'a> {
    /// The number of its first line in the old text, from 1.
    pub(crate) old: usize,
    /// The number of its first line in the new text, from 1.
    pub(crate) new: usize,
    /// Its lines.
    pub(crate) lines: Vec<Line<'a>>,
}

/// The lines to take from `old` and to add to make `new` of it; none where they are equal.
pub(crate) fn hunks<'a>(old: &'a str, new: &'a str) -> Vec<Hunk<'a>> {
    let lines = compare(old, new);
    let mut hunks: Vec<Hunk<'a>> = Vec::new();
    let (mut at_old, mut at_new) = (1, 1);
    let mut shown_to = None;
    for (index, line) in lines.iter().enumerate() {
        let near = lines[index.saturating_sub(AROUND)..(index + AROUND + 1).min(lines.len())]
            .iter()
            .any(|line| !matches!(line, Line::Same(_)));
        if near {
            match hunks.last_mut().filter(|_| shown_to == Some(index)) {
                Some(hunk) => hunk.lines.push(*line),
                None => hunks.push(Hunk { old: at_old, new: at_new, lines: vec![*line] }),
            }
            shown_to = Some(index + 1);
        }
        at_old += usize::from(!matches!(line, Line::New(_)));
        at_new += usize::from(!matches!(line, Line::Gone(_)));
    }
    hunks
}

fn compare<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_mid, new_mid) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut lines: Vec<_> = old[..head].iter().map(|text| Line::Same(text)).collect();
    middle(old_mid, new_mid, &mut lines);
    lines.extend(old[old.len() - tail..].iter().map(|text| Line::Same(text)));
    lines
}

/// The longest common subsequence of lines, by the table of its lengths.
fn middle<'a>(old: &[&'a str], new: &[&'a str], lines: &mut Vec<Line<'a>>) {
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        lines.extend(old.iter().map(|text| Line::Gone(text)));
        lines.extend(new.iter().map(|text| Line::New(text)));
        return;
    }
    let width = new.len() + 1;
    // No length is greater than the number of pairs, which fits.
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1] {
            lines.push(Line::Gone(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_changed_line_is_shown_with_those_around_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        let around = |text| Line::Same(text);
        let lines = [
            around("2"),
            around("3"),
            around("4"),
            Line::Gone("5"),
            Line::New("five"),
            around("6"),
            around("7"),
            around("8"),
        ];
        assert_eq!(hunks(old, new), [Hunk { old: 2, new: 2, lines: lines.to_vec() }]);
    }

    #[test]
    fn changes_that_lie_apart_have_a_place_each() {
        let old: String = (0..30).map(|n| format!("{n}\n")).collect();
        let new = old.replace("2\n3\n", "2\n").replace("27\n", "27\nmore\n");
        let places: Vec<_> = hunks(&old, &new).iter().map(|hunk| (hunk.old, hunk.new)).collect();
        assert_eq!(places, [(1, 1), (26, 25)]);
    }

    #[test]
    fn equal_texts_do_not_differ() {
        assert_eq!(hunks("a\nb\n", "a\nb\n"), []);
    }

    proptest! {
        #[test]
        fn the_lines_make_either_text_again(old in "([abc]\n){0,12}", new in "([abc]\n){0,12}") {
            let lines = compare(&old, &new);
            let text = |keep: fn(&Line<'_>) -> bool| -> String {
                lines
                    .iter()
                    .filter(|line| keep(line))
                    .map(|(Line::Same(text) | Line::Gone(text) | Line::New(text))| format!("{text}\n"))
                    .collect()
            };
            prop_assert_eq!(text(|line| !matches!(line, Line::New(_))), old.clone());
            prop_assert_eq!(text(|line| !matches!(line, Line::Gone(_))), new.clone());
        }
    }
}
