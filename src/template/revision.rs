//! A template folder as it was in a revision of its git repository. Nothing is checked out: git is asked for the texts.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use super::catalog::CatalogError;
use super::files::Files;
use super::limits::Limit;
use super::problem::{Code, Problem};
use super::provenance::{Repository, git};
use super::template::Partials;

/// A file of a commit.
struct Blob {
    name: String,
    id: String,
    partial: bool,
    /// Whether it is a symbolic link, whose text is only the path that it leads to.
    link: bool,
}

/// Reads the templates that are wanted, and all partials.
pub(super) fn read(folder: &Path, revision: &str, wanted: impl Fn(&str) -> bool) -> Result<Files, CatalogError> {
    let failed =
        |reason: String| CatalogError::Revision { folder: folder.to_owned(), revision: revision.to_owned(), reason };
    if !folder.is_dir() {
        return Err(CatalogError::Missing(folder.to_owned()));
    }
    let commit = commit(folder, revision).map_err(failed)?;
    let tree = asked(git(folder).args(["ls-tree", "-r", "-z", &commit, "."])).map_err(failed)?;
    let blobs: Vec<Blob> = tree.split('\0').filter_map(blob).collect();
    let names = blobs.iter().filter(|blob| !blob.partial).map(|blob| blob.name.clone()).collect();
    let read: Vec<&Blob> = blobs.iter().filter(|blob| blob.partial || wanted(&blob.name)).collect();
    let texts = texts(folder, &read).map_err(|error| failed(error.to_string()))?;
    let mut files = Files {
        templates: std::collections::BTreeMap::new(),
        names,
        partials: Partials::new(),
        repository: Some(Arc::new(Repository::at(folder, commit))),
    };
    for (blob, bytes) in read.into_iter().zip(texts) {
        let text = text(blob, bytes);
        match text {
            // A partial that cannot be read is missed where it is used.
            Ok(text) if blob.partial => drop(files.partials.insert(blob.name.clone(), text.into())),
            Err(_) if blob.partial => {}
            text => {
                let text = text.map_err(|problem| problem.in_file(&format!("{}.yaml", blob.name)));
                files.templates.insert(blob.name.clone(), text);
            }
        }
    }
    Ok(files)
}

fn commit(folder: &Path, revision: &str) -> Result<String, String> {
    asked(git(folder).args(["rev-parse", "--git-dir"]))?;
    let wanted = format!("{revision}^{{commit}}");
    let found = asked(git(folder).args(["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]));
    let none = "there is no such commit here; where the clone is a shallow one, `git fetch` it first";
    found.map(|commit| commit.trim().to_owned()).map_err(|_| none.to_owned())
}

/// What git answers, or why it does not.
fn asked(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("git cannot be run: {error}"))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr);
    let said = said.lines().next().unwrap_or_default();
    Err(said.strip_prefix("fatal: ").unwrap_or(said).to_owned())
}

/// Reads a line of `git ls-tree -z`: `100644 blob ID\tPATH`.
fn blob(line: &str) -> Option<Blob> {
    let (about, path) = line.split_once('\t')?;
    let mut about = about.split(' ');
    let (mode, id) = (about.next()?, about.nth(1)?);
    let (name, partial) = match path.strip_prefix("partials/") {
        Some(name) => (name, true),
        None => (path, false),
    };
    let name = name.strip_suffix(".yaml").filter(|name| !name.contains('/') && !name.starts_with('.'))?;
    let ours = partial || name != "kustomization";
    ours.then(|| Blob { name: name.to_owned(), id: id.to_owned(), partial, link: mode == "120000" })
}

/// The contents of blobs, in their order, from one git.
fn texts(folder: &Path, blobs: &[&Blob]) -> io::Result<Vec<Vec<u8>>> {
    let mut child = git(folder)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let ids: Vec<String> = blobs.iter().map(|blob| format!("{}\n", blob.id)).collect();
    let read = thread::scope(|scope| {
        // Both ends at once: neither waits for the other for ever.
        scope.spawn(move || stdin.map(|mut stdin| ids.iter().try_for_each(|id| stdin.write_all(id.as_bytes()))));
        let mut answers = Vec::new();
        stdout.map(|mut stdout| stdout.read_to_end(&mut answers)).transpose().map(|_| answers)
    });
    child.wait()?;
    answers(&read?, blobs.len()).ok_or_else(|| io::Error::other("git does not give the files of this commit"))
}

/// Takes `git cat-file --batch` apart: for each blob a line `ID blob SIZE`, its bytes, and a line end.
fn answers(mut bytes: &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let mut contents = Vec::with_capacity(count);
    for _ in 0..count {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?.rsplit(' ').next()?.parse::<usize>().ok()?;
        let content = bytes.get(end + 1..)?.get(..size)?;
        contents.push(content.to_vec());
        bytes = bytes.get(end + 1 + size + 1..)?;
    }
    Some(contents)
}

fn text(blob: &Blob, bytes: Vec<u8>) -> Result<String, Problem> {
    if blob.link {
        return Err(Problem::new(Code::Unreadable, "is a symbolic link, which is not followed in a revision"));
    }
    if bytes.len() > Limit::TemplateSize.max() {
        return Err(Problem::limit(Limit::TemplateSize, format_args!("the file has {} bytes", bytes.len())));
    }
    String::from_utf8(bytes).map_err(|_| Problem::new(Code::Unreadable, "is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_and_partials_are_told_from_other_files() {
        let is = |line: &str| blob(line).map(|blob| (blob.name, blob.partial, blob.link));
        let found = |name: &str, partial, link| Some((name.to_owned(), partial, link));
        assert_eq!(is("100644 blob 1f2e\thello.yaml"), found("hello", false, false));
        assert_eq!(is("100644 blob 1f2e\tpartials/env.yaml"), found("env", true, false));
        assert_eq!(is("120000 blob 1f2e\tlink.yaml"), found("link", false, true));
        for other in ["README.md", ".hidden.yaml", "golden/hello/one.yaml", "kustomization.yaml", "partials/a/b.yaml"] {
            assert_eq!(is(&format!("100644 blob 1f2e\t{other}")), None, "{other}");
        }
    }

    #[test]
    fn an_answer_that_ends_early_is_none() {
        let whole = b"1f2e blob 3\nabc\n77aa blob 0\n\n";
        assert_eq!(answers(whole, 2), Some(vec![b"abc".to_vec(), Vec::new()]));
        for length in 0..whole.len() {
            assert_eq!(answers(&whole[..length], 2), None, "{length}");
        }
        assert_eq!(answers(b"1f2e missing\n", 1), None);
    }
}
