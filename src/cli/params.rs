//! Parameters on the command line: `-p NAME=VALUE` and `-f FILE`.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value};

use super::failure::WrongUsage;
use crate::template::yaml;

/// The flags that give a template its parameters.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Parameters")]
pub struct ParamArgs {
    /// A parameter; give it again for a list. NAME=@FILE takes the text of a file, NAME=@- of stdin, NAME=@@TEXT a text
    /// that begins with @
    #[arg(
        short = 'p',
        long = "param",
        value_name = "NAME=VALUE",
        env = "JOBWRIGHT_PARAM",
        value_parser = assignment
    )]
    params: Vec<(String, String)>,

    /// A YAML or JSON file of parameters; - is stdin. What is given by -p wins
    #[arg(short = 'f', long = "params", value_name = "FILE", env = "JOBWRIGHT_PARAMS")]
    files: Vec<String>,
}

/// Reads `NAME=VALUE`.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, such as copies=2".to_owned()),
    }
}

impl ParamArgs {
    /// The values, as they were given: strings from `-p`, whatever a file holds from `-f`. The template's schema gives
    /// strings their type.
    pub fn values(&self) -> anyhow::Result<Map<String, Value>> {
        let from_stdin = self.files.iter().filter(|file| *file == "-").count()
            + self.params.iter().filter(|(_, value)| value == "@-").count();
        if from_stdin > 1 {
            anyhow::bail!(WrongUsage("stdin can be read once only".to_owned()));
        }
        let mut values = Map::new();
        for file in &self.files {
            let text = read(file)?;
            let shown = if file == "-" { "stdin" } else { file };
            let object = yaml::read_object(&text)
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("the parameters in {shown} cannot be read"))?;
            values.extend(object);
        }
        values.extend(assigned(&self.params)?);
        Ok(values)
    }
}

/// The values of `-p`; a name that comes again makes a list.
fn assigned(params: &[(String, String)]) -> anyhow::Result<Map<String, Value>> {
    let mut values = Map::new();
    for (name, text) in params {
        let value = Value::String(match text.strip_prefix('@') {
            Some(literal) if literal.starts_with('@') => literal.to_owned(),
            Some(file) => read(file).with_context(|| format!("parameter {name}"))?,
            None => text.clone(),
        });
        match values.get_mut(name) {
            None => {
                values.insert(name.clone(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    Ok(values)
}

fn read(file: &str) -> anyhow::Result<String> {
    if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read stdin as text")?;
        return Ok(text);
    }
    std::fs::read_to_string(Path::new(file)).with_context(|| format!("cannot read {file}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(params: &[&str], files: &[&str]) -> ParamArgs {
        ParamArgs {
            params: params.iter().map(|text| assignment(text).unwrap()).collect(),
            files: files.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn values_are_strings_and_a_repeated_name_is_a_list() {
        let values = args(&["day=2026-01-31", "to=a=b", "to=c", "to=", "at=@@here"], &[]).values();
        assert_eq!(Value::Object(values.unwrap()), json!({"day": "2026-01-31", "to": ["a=b", "c", ""], "at": "@here"}));
    }

    #[test]
    fn files_are_read_and_flags_win() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("params.yaml");
        std::fs::write(&file, "copies: 3\nname: Ada\n").unwrap();
        let file = file.to_str().unwrap();
        let values = args(&["name=Grace", &format!("text=@{file}")], &[file]).values().unwrap();
        assert_eq!(values["copies"], json!(3));
        assert_eq!(values["name"], json!("Grace"));
        assert_eq!(values["text"], json!("copies: 3\nname: Ada\n"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let missing = args(&[], &["/nowhere/params.yaml"]).values().unwrap_err();
        assert_eq!(missing.to_string(), "cannot read /nowhere/params.yaml");
        assert!(args(&["a=@-"], &["-"]).values().unwrap_err().is::<WrongUsage>());
        assert!(assignment("=x").is_err());
        assert!(assignment("x").is_err());
    }
}
