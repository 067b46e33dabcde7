//! Near misses: what a misspelt name was probably meant to be.

/// The candidate that `name` most probably stands for, if one is near enough.
///
/// Letter case, `-` and `_` count for nothing, so that `dryRun` finds `dry_run`; beyond that,
/// a third of the letters (at least one) may differ.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(name);
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// At most 64 characters are compared: the distance takes quadratic time.
fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).flat_map(char::to_lowercase).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_is_found() {
        let fields = ["backoffLimit", "completions", "parallelism"];
        assert_eq!(nearest("backofLimit", fields), Some("backoffLimit"));
        assert_eq!(nearest("backoff_limit", fields), Some("backoffLimit"));
        assert_eq!(nearest("paralelism", fields), Some("parallelism"));
    }

    #[test]
    fn a_different_word_is_not() {
        assert_eq!(nearest("colour", ["backoffLimit", "completions"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
