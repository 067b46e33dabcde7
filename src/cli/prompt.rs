//! Asks somebody at a terminal for parameters that were not given.

mod line;

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};

use self::line::{Line, Lines, Terminal};
use super::event_line::printable;
use super::failure::WrongUsage;
use crate::template::{Inputs, Parameter};

const NAME: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const WRONG: Style = AnsiColor::Yellow.on_default();

/// Which parameters somebody is asked for.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[command(next_help_heading = "Parameters")]
pub struct PromptArgs {
    /// Ask for every parameter that is not given, not for the required ones alone
    #[arg(long, env = "JOBWRIGHT_ASK", conflicts_with = "no_input")]
    ask: bool,

    /// Never ask: what is missing is an error. So it is wherever stdin or stderr is no terminal
    #[arg(long, env = "JOBWRIGHT_NO_INPUT")]
    no_input: bool,
}

impl PromptArgs {
    /// Whether somebody is there to be asked.
    pub fn can_ask(self) -> anyhow::Result<bool> {
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        if self.ask && !terminal {
            return Err(WrongUsage("--ask needs a terminal to ask on: stdin or stderr is none".to_owned()).into());
        }
        Ok(terminal && !self.no_input)
    }

    /// Asks for what is missing. What is given and wrong is left for the launch to tell, and then nothing is asked.
    pub fn complete(self, inputs: &Inputs, given: &mut Map<String, Value>) -> anyhow::Result<()> {
        let wanted = wanted(inputs, given, self.ask);
        if wanted.is_empty() {
            return Ok(());
        }
        Prompter { inputs, lines: Terminal, out: anstream::stderr() }.ask_for(&wanted, given)
    }
}

/// The parameters to ask for: the missing ones, in the order that they are declared in; none if something else is wrong.
fn wanted<'a>(inputs: &'a Inputs, given: &Map<String, Value>, all: bool) -> Vec<&'a Parameter> {
    let absent = |it: &&Parameter| given.get(&it.name).is_none_or(Value::is_null);
    let missing = |it: &&Parameter| absent(it) && it.required && it.default.is_none();
    let is_missing = |path: &str| inputs.parameters().iter().any(|it| it.name == path && missing(&it));
    if let Err(faults) = inputs.check(given)
        && !faults.iter().all(|fault| is_missing(&fault.path))
    {
        return Vec::new();
    }
    inputs.parameters().iter().filter(|it| missing(it) || (all && absent(it))).collect()
}

/// What a parameter takes, as far as it changes how it is asked for.
enum Kind<'a> {
    Choice(Vec<&'a Value>),
    YesNo,
    List,
    Object,
    Other(String),
}

fn kind(schema: &Value) -> Kind<'_> {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return Kind::Choice(choices.iter().collect());
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => Kind::YesNo,
        Some("array") => Kind::List,
        Some("object") => Kind::Object,
        Some("integer") => Kind::Other("whole number".to_owned()),
        Some("string") => Kind::Other(schema.get("format").and_then(Value::as_str).unwrap_or("text").to_owned()),
        other => Kind::Other(other.unwrap_or("text").to_owned()),
    }
}

/// Puts the questions, and reads the answers.
struct Prompter<'a, L, W> {
    inputs: &'a Inputs,
    lines: L,
    out: W,
}

impl<L: Lines, W: Write> Prompter<'_, L, W> {
    fn ask_for(&mut self, wanted: &[&Parameter], given: &mut Map<String, Value>) -> anyhow::Result<()> {
        for parameter in wanted {
            self.introduce(parameter)?;
            while let Some(value) = self.answer(parameter, given)? {
                match self.refused(parameter, &value, given) {
                    None => {
                        given.insert(parameter.name.clone(), value);
                        break;
                    }
                    Some(why) => writeln!(self.out, "  {WRONG}{}{WRONG:#}", printable(&why))?,
                }
            }
        }
        Ok(())
    }

    /// Says what is asked for: its name, what it is for, and what it takes.
    fn introduce(&mut self, parameter: &Parameter) -> anyhow::Result<()> {
        let what = parameter.description.as_deref().map(|text| format!(": {}", printable(text.trim())));
        write!(self.out, "{NAME}{}{NAME:#}{}", parameter.name, what.unwrap_or_default())?;
        let takes = match kind(self.inputs.schema_of(parameter)) {
            Kind::Choice(_) => "one of these, or its number".to_owned(),
            Kind::YesNo => "yes or no".to_owned(),
            Kind::List => "a list, one a line; an empty line ends it".to_owned(),
            Kind::Object => "an object, as JSON in one line".to_owned(),
            Kind::Other(kind) => kind,
        };
        let hidden = if parameter.secret { "; not shown" } else { "" };
        writeln!(self.out, " {DIM}({takes}{hidden}){DIM:#}")?;
        if let Kind::Choice(choices) = kind(self.inputs.schema_of(parameter)) {
            for (index, choice) in choices.iter().enumerate() {
                writeln!(self.out, "  {}) {}", index + 1, printable(&text(choice)))?;
            }
        }
        Ok(())
    }

    /// One answer; none where it is left at the default, or at no value.
    fn answer(&mut self, parameter: &Parameter, given: &Map<String, Value>) -> anyhow::Result<Option<Value>> {
        let kind = kind(self.inputs.schema_of(parameter));
        let default = parameter.default.as_ref().filter(|_| !parameter.secret);
        loop {
            let mut prompt = format!("{}> ", default.map(|it| format!("[{}] ", text(it))).unwrap_or_default());
            let mut items = Vec::new();
            loop {
                let out = &mut self.out;
                let mut ask = || {
                    write!(out, "{}", printable(&prompt))?;
                    out.flush()
                };
                match self.lines.read(parameter.secret, &mut ask)? {
                    Line::End => return Err(self.unanswered(parameter, given)),
                    Line::Text(line) if matches!(kind, Kind::List) && !line.is_empty() => items.push(Value::from(line)),
                    Line::Text(line) if line.is_empty() && items.is_empty() => break,
                    Line::Text(line) => {
                        return Ok(Some(match &kind {
                            Kind::List => Value::Array(items),
                            Kind::Choice(choices) => chosen(choices, &line),
                            Kind::YesNo => yes_or_no(&line),
                            Kind::Object | Kind::Other(_) => Value::String(line),
                        }));
                    }
                }
                prompt = "> ".to_owned();
            }
            if parameter.default.is_some() || !parameter.required {
                return Ok(None);
            }
            // An empty text or list is given with -p: here it would be a slip more often than not.
            writeln!(self.out, "  {WRONG}a value is needed{WRONG:#}")?;
        }
    }

    /// What is wrong with a value, all of it.
    fn refused(&self, parameter: &Parameter, value: &Value, given: &Map<String, Value>) -> Option<String> {
        let mut tried = given.clone();
        tried.insert(parameter.name.clone(), value.clone());
        let faults = self.inputs.check(&tried).err()?;
        let name = parameter.name.as_str();
        let mine =
            |path: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let mine: Vec<_> = faults.iter().filter(|it| mine(&it.path)).map(ToString::to_string).collect();
        (!mine.is_empty()).then(|| mine.join("; "))
    }

    fn unanswered(&self, parameter: &Parameter, given: &Map<String, Value>) -> anyhow::Error {
        let missing: Vec<_> = wanted(self.inputs, given, false).iter().map(|it| it.name.as_str()).collect();
        let hint = super::refusal::how_to_give(&missing);
        let error = anyhow::anyhow!("no answer for the parameter `{}`, so nothing was done", parameter.name);
        match hint {
            Some(hint) => super::failure::advise(error, hint),
            None => error,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The choice of this number, unless there is one that is called so.
fn chosen(choices: &[&Value], line: &str) -> Value {
    let named = choices.iter().find(|choice| text(choice) == line);
    let numbered = || line.parse::<usize>().ok().and_then(|number| choices.get(number.checked_sub(1)?));
    named.or_else(numbered).map_or_else(|| Value::from(line), |choice| (*choice).clone())
}

fn yes_or_no(line: &str) -> Value {
    match line.to_lowercase().as_str() {
        "y" | "yes" | "true" => Value::Bool(true),
        "n" | "no" | "false" => Value::Bool(false),
        _ => Value::from(line),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use serde_json::json;

    use super::*;

    struct Typed(VecDeque<&'static str>);

    impl Lines for Typed {
        fn read(&mut self, _secret: bool, ask: &mut dyn FnMut() -> io::Result<()>) -> io::Result<Line> {
            ask()?;
            Ok(self.0.pop_front().map_or(Line::End, |line| Line::Text(line.to_owned())))
        }
    }

    fn inputs() -> Inputs {
        let schema = json!({
            "type": "object",
            "required": ["day", "size", "to"],
            "properties": {
                "day": {"type": "string", "format": "date", "description": "The day to report on"},
                "copies": {"type": "integer", "default": 1, "maximum": 5},
                "size": {"enum": ["small", "large"]},
                "to": {"type": "array", "items": {"type": "string"}},
                "really": {"type": "boolean"},
            },
        });
        Inputs::new(schema).unwrap()
    }

    /// What is given in the end, and what was shown.
    fn asked(all: bool, given: Value, typed: &[&'static str]) -> (anyhow::Result<Value>, String) {
        let (inputs, Value::Object(mut given)) = (inputs(), given) else { unreachable!("an object is given") };
        let wanted = wanted(&inputs, &given, all);
        let lines = Typed(typed.iter().copied().collect());
        let mut shown = anstream::StripStream::new(Vec::new());
        let done = Prompter { inputs: &inputs, lines, out: &mut shown }.ask_for(&wanted, &mut given);
        (done.map(|()| Value::Object(given)), String::from_utf8(shown.into_inner()).unwrap())
    }

    #[test]
    fn only_what_is_missing_is_asked_for_and_each_answer_is_checked_at_once() {
        let (given, shown) = asked(false, json!({"size": "large"}), &["31 Jan", "2026-01-31", "", "a", "b", ""]);
        assert_eq!(given.unwrap(), json!({"size": "large", "day": "2026-01-31", "to": ["a", "b"]}));
        assert!(shown.starts_with("day: The day to report on (date)\n>   day: must be"), "{shown}");
        assert!(shown.contains("a value is needed"), "{shown}");
        assert!(!shown.contains("copies"), "{shown}");
    }

    #[test]
    fn everything_is_asked_for_if_that_is_wanted() {
        let (given, shown) = asked(true, json!({}), &["9", "2", "2026-01-31", "maybe", "yes", "2", "a", ""]);
        let expected = json!({"copies": 2, "day": "2026-01-31", "really": true, "size": "large", "to": ["a"]});
        let given = inputs().check(given.unwrap().as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(given.values().clone()), expected);
        assert!(shown.contains("copies (whole number)\n[1] >   copies: must be"), "{shown}");
        assert!(shown.contains("size (one of these, or its number)\n  1) small\n  2) large\n"), "{shown}");
    }

    #[test]
    fn defaults_and_optional_values_are_left_by_an_empty_line() {
        let (given, _) = asked(true, json!({"day": "2026-01-31", "size": "small", "to": ["a"]}), &["", ""]);
        assert_eq!(given.unwrap(), json!({"day": "2026-01-31", "size": "small", "to": ["a"]}));
    }

    #[test]
    fn what_is_given_and_wrong_is_not_followed_by_questions() {
        let given = json!({"copies": 9});
        assert!(wanted(&inputs(), given.as_object().unwrap(), false).is_empty());
    }

    #[test]
    fn the_end_of_the_input_tells_what_is_missing() {
        let (end, _) = asked(false, json!({"to": ["a"]}), &["2026-01-31"]);
        assert_eq!(end.unwrap_err().to_string(), "no answer for the parameter `size`, so nothing was done");
    }
}
