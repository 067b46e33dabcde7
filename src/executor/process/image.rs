//! Which program stands for which image.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Says that containers of an image run a program of this machine: `--image NAME=PATH`. The name is compared with the
/// last path component of the image reference, without tag and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageMapping {
    /// The image's short name.
    pub name: String,
    /// The program's absolute path.
    pub program: PathBuf,
}

/// Text that is no mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no image mapping: {problem}; expected NAME=/ABSOLUTE/PATH, such as busybox=/bin/sh")]
pub struct InvalidMapping {
    given: String,
    problem: &'static str,
}

impl FromStr for ImageMapping {
    type Err = InvalidMapping;

    fn from_str(text: &str) -> Result<Self, InvalidMapping> {
        let invalid = |problem| InvalidMapping { given: text.to_owned(), problem };
        let (name, path) = text.split_once('=').ok_or_else(|| invalid("there is no `=` in it"))?;
        if name.is_empty() || name.contains(['/', ':', '@']) {
            return Err(invalid("the name must be an image's last part, without registry, tag and digest"));
        }
        if !Path::new(path).is_absolute() || Path::new(path).file_name().is_none() {
            return Err(invalid("the path is not that of a program from the root on"));
        }
        Ok(Self { name: name.to_owned(), program: path.into() })
    }
}

/// What a container of a known image runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The program; the one of Jobwright itself if there is none.
    pub(crate) program: Option<PathBuf>,
    /// What it is called as, where the container says so.
    pub(crate) arg0: Option<String>,
    /// What comes before the container's own arguments.
    pub(crate) lead: Vec<String>,
}

/// The images that are built in: the worker, and the demo job under the name it has in older clusters.
const BUILT_IN: [(&str, &[&str]); 2] = [("jobwright-worker", &["worker"]), ("dummyjob", &["worker", "demo"])];

/// An image reference's last path component, without tag and digest.
pub(crate) fn short_name(image: &str) -> &str {
    let plain = image.split('@').next().unwrap_or(image);
    let last = plain.rsplit('/').next().unwrap_or(plain);
    last.split(':').next().unwrap_or(last)
}

/// Finds the program for a container. `command` is the container's own; its first word must name the program that the
/// image is mapped to, since no other file of the image exists here. A fault is a field (`image`, `command[0]`) and
/// what is wrong with it.
pub(crate) fn resolve(
    images: &[ImageMapping],
    image: &str,
    command: &[String],
) -> Result<Resolved, (&'static str, String)> {
    let name = short_name(image);
    let word = command.first();
    let called = word.map(|word| short_file_name(word));
    if let Some(mapping) = images.iter().rev().find(|mapping| mapping.name == name) {
        let file = mapping.program.file_name().and_then(|file| file.to_str());
        return match called {
            Some(called) if Some(called) != file => Err((
                "command[0]",
                format!(
                    "is {called:?}, but image {name:?} is mapped to {}; name that program, or map the image to another one with --image {name}=PATH",
                    mapping.program.display()
                ),
            )),
            _ => Ok(Resolved { program: Some(mapping.program.clone()), arg0: word.cloned(), lead: Vec::new() }),
        };
    }
    let Some((_, default)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) else {
        return Err((
            "image",
            format!("no program of this machine stands for image {name:?}; map one with --image {name}=PATH"),
        ));
    };
    let lead = match called {
        None => default,
        Some(called) => BUILT_IN
            .iter()
            .find(|(built_in, _)| *built_in == called)
            .map(|(_, lead)| lead)
            .ok_or_else(|| {
                (
                    "command[0]",
                    format!(
                        "is {called:?}, but the built-in image {name:?} holds only `jobwright-worker` and `dummyjob`; map a program with --image {name}=PATH"
                    ),
                )
            })?,
    };
    Ok(Resolved { program: None, arg0: None, lead: lead.iter().map(|word| (*word).to_owned()).collect() })
}

fn short_file_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_image_is_known_by_its_last_part() {
        for image in [
            "busybox",
            "busybox:1.37",
            "docker.io/library/busybox:1",
            "localhost:5000/busybox",
            "r.example/busybox@sha256:00",
            "r.example:443/a/busybox:1@sha256:00",
        ] {
            assert_eq!(short_name(image), "busybox", "{image}");
        }
    }

    #[test]
    fn a_mapping_names_an_image_and_a_program() {
        let mapping: ImageMapping = "busybox=/bin/sh".parse().unwrap();
        assert_eq!(mapping.name, "busybox");
        assert_eq!(mapping.program, Path::new("/bin/sh"));
        for bad in ["busybox", "=/bin/sh", "a/b=/bin/sh", "a:1=/bin/sh", "a=sh", "a=/"] {
            let error = bad.parse::<ImageMapping>().unwrap_err().to_string();
            assert!(error.contains("expected NAME=/ABSOLUTE/PATH"), "{error}");
        }
    }

    #[test]
    fn the_worker_is_built_in_under_both_its_names() {
        let worker = |image, command| resolve(&[], image, &words(command)).unwrap().lead;
        assert_eq!(worker("r/jobwright-worker:1", ""), ["worker"]);
        assert_eq!(worker("r/jobwright-worker:1", "/app/jobwright-worker demo"), ["worker"]);
        assert_eq!(worker("r/jobwright-worker:1", "/app/dummyjob"), ["worker", "demo"]);
        assert_eq!(worker("r/p/dummyjob", "/app/dummyjob"), ["worker", "demo"]);
        assert_eq!(worker("r/p/dummyjob", ""), ["worker", "demo"]);
    }

    #[test]
    fn a_mapped_program_must_be_the_one_that_the_command_names() {
        let images = ["busybox=/bin/sh".parse().unwrap()];
        let found = resolve(&images, "busybox:1", &words("sh -c true")).unwrap();
        assert_eq!(found.program.as_deref(), Some(Path::new("/bin/sh")));
        assert_eq!(found.arg0.as_deref(), Some("sh"));
        let (field, message) = resolve(&images, "busybox:1", &words("/bin/ls -l")).unwrap_err();
        assert_eq!(field, "command[0]");
        assert!(message.contains("mapped to /bin/sh"), "{message}");
    }

    #[test]
    fn an_unmapped_image_is_a_fault_that_names_the_flag() {
        let (field, message) = resolve(&[], "r.example/report:1", &[]).unwrap_err();
        assert_eq!(field, "image");
        assert!(message.contains("--image report=PATH"), "{message}");
    }
}
