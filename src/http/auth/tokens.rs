//! The file of bearer tokens.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ring::digest::{SHA256, digest};

/// How often the file is looked at for changes, at most.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A file of tokens: one a line, `NAME:SHA256HEX`, where the digest is the one of the token's bytes. Blank lines and
/// lines that start with `#` say nothing. The tokens themselves are in no file of the server.
///
/// A changed file is read again by itself; one that cannot be read or has a fault is logged, and the tokens that were
/// known stay.
pub struct TokenFile {
    path: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    tokens: Arc<[Token]>,
    looked: Instant,
    changed: Option<(SystemTime, u64)>,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    name: String,
    digest: [u8; 32],
}

/// A token file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTokenFile {
    /// It cannot be read.
    #[error("cannot read the token file {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A line is wrong. The line itself is not shown, since somebody may have put a token there.
    #[error(
        "the token file {}, line {line}: {problem}; expected NAME:SHA256HEX, as written by: printf %s \"$TOKEN\" | sha256sum",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no token in it.
    #[error("the token file {} holds no token, so nobody could sign in; expected lines of NAME:SHA256HEX", .0.display())]
    Empty(PathBuf),
}

impl TokenFile {
    /// Reads the file.
    pub fn open(path: &Path) -> Result<Self, InvalidTokenFile> {
        let changed = stamp(path);
        let tokens = read(path)?;
        Ok(Self { path: path.to_owned(), known: Mutex::new(Known { tokens, looked: Instant::now(), changed }) })
    }

    /// The name that a token belongs to. Every digest in the file is compared, each in constant time.
    pub fn name_of(&self, token: &str) -> Option<String> {
        let given = digest(&SHA256, token.as_bytes());
        let mut name = None;
        for known in self.tokens().iter() {
            if equal(given.as_ref(), &known.digest) {
                name = Some(known.name.clone());
            }
        }
        name
    }

    /// The digest of the token of a name, in hex, if it is in the file (still).
    pub fn digest_of(&self, name: &str) -> Option<String> {
        let tokens = self.tokens();
        let token = tokens.iter().find(|token| token.name == name)?;
        Some(hex(&token.digest))
    }

    fn tokens(&self) -> Arc<[Token]> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked.elapsed() >= LOOK_AGAIN {
            known.looked = Instant::now();
            let changed = stamp(&self.path);
            if changed != known.changed {
                known.changed = changed;
                match read(&self.path) {
                    Ok(tokens) => {
                        tracing::info!(tokens = tokens.len(), "the token file was read again");
                        known.tokens = tokens;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the token file changed; its former tokens stay");
                    }
                }
            }
        }
        Arc::clone(&known.tokens)
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> Result<Arc<[Token]>, InvalidTokenFile> {
    let text =
        fs::read_to_string(path).map_err(|cause| InvalidTokenFile::Unreadable { path: path.to_owned(), cause })?;
    let tokens =
        parse(&text).map_err(|(line, problem)| InvalidTokenFile::Line { path: path.to_owned(), line, problem })?;
    if tokens.is_empty() {
        return Err(InvalidTokenFile::Empty(path.to_owned()));
    }
    Ok(tokens.into())
}

fn parse(text: &str) -> Result<Vec<Token>, (usize, &'static str)> {
    let mut tokens: Vec<Token> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, digest) = line.split_once(':').ok_or((number, "there is no ':'"))?;
        let name = name.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err((number, "the name is empty or holds more than letters, digits, '.', '_', '-' and '@'"));
        }
        if tokens.iter().any(|token| token.name == name) {
            return Err((number, "the name is there twice"));
        }
        let digest = digest.trim();
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
        let digest = unhex(digest).ok_or((number, "the digest is not 64 hexadecimal digits"))?;
        tokens.push(Token { name: name.to_owned(), digest });
    }
    Ok(tokens)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

/// Compares in a time that does not depend on where the two differ.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `secret`.
    const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    #[test]
    fn a_token_has_the_name_of_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, format!("# people\n\nada: sha256:{SECRET}\n")).unwrap();
        let file = TokenFile::open(&path).unwrap();
        assert_eq!(file.name_of("secret").as_deref(), Some("ada"));
        assert_eq!(file.name_of("Secret"), None);
        assert_eq!(file.name_of(""), None);
        assert_eq!(file.digest_of("ada").as_deref(), Some(SECRET));
        assert_eq!(file.digest_of("bob"), None);
    }

    #[test]
    fn a_wrong_line_is_named_but_not_shown() {
        for (text, line) in [
            ("hunter2", 1),
            ("\nada:hunter2", 2),
            (&format!("a b:{SECRET}"), 1),
            (&format!("ada:{SECRET}\nada:{SECRET}"), 2),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("tokens");
            fs::write(&path, text).unwrap();
            let error = TokenFile::open(&path).err().unwrap().to_string();
            assert!(error.contains(&format!("line {line}:")), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_empty_file_lets_nobody_in_and_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, "# none yet\n").unwrap();
        let error = TokenFile::open(&path).err().unwrap();
        assert!(matches!(error, InvalidTokenFile::Empty(_)), "{error}");
    }

    #[test]
    fn digests_are_read_in_both_cases() {
        assert_eq!(unhex(SECRET), unhex(&SECRET.to_uppercase()));
        assert_eq!(unhex(&"g".repeat(64)), None);
        assert_eq!(hex(&unhex(SECRET).unwrap()), SECRET);
    }
}
