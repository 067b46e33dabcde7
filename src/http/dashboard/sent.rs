//! A launch form that was sent, and what was wrong with it.

use axum::http::StatusCode;

use super::view::control::Declared;
use super::view::form::{Wrong, fields};
use super::view::launch::{LaunchForm, Notice, Preview};
use super::view::texts::{Texts, Values};
use super::view::url;
use crate::http::ApiError;
use crate::job::{JobId, JobName};
use crate::service::{Difference, ServiceError};
use crate::template::Fault;

/// What the form held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// The ID that the form came with.
    pub(super) token: String,
    /// The ID that was typed, if any.
    pub(super) id: String,
    /// The name that was typed, if any.
    pub(super) name: String,
    /// Whether the executor is to be asked about the manifest.
    pub(super) ask: bool,
    /// Whether the script asks, which needs no more of the page than the form and the manifest.
    pub(super) part: bool,
    /// The parameters.
    pub(super) texts: Texts,
}

/// What the job is to be called.
pub(super) struct Ids {
    pub(super) id: JobId,
    pub(super) name: Option<JobName>,
}

impl Sent {
    pub(super) fn read(pairs: &[(String, String)]) -> Self {
        let first = |wanted: &str| {
            let found = pairs.iter().find(|(name, _)| name == wanted);
            found.map_or("", |(_, value)| value.trim()).to_owned()
        };
        let ask = first("server") == "true";
        let part = first("part") == "preview";
        Self { token: first("token"), id: first("id"), name: first("name"), ask, part, texts: Texts::read(pairs) }
    }

    /// The parameters' values, as they were meant.
    pub(super) fn values(&self, declared: &[Declared]) -> Values {
        self.texts.values(declared)
    }

    /// What the job is to be called: by the ID that was typed, or else by the form's own.
    pub(super) fn ids(&self) -> Result<Ids, Refused> {
        let id = if self.id.is_empty() { &self.token } else { &self.id };
        let name = match self.name.as_str() {
            "" => Ok(None),
            name => name.parse().map(Some),
        };
        match (id.parse(), name) {
            (Ok(id), Ok(name)) => Ok(Ids { id, name }),
            (id, name) => Err(Refused {
                id: id.err().map(|error| error.to_string()),
                name: name.err().map(|error| error.to_string()),
                ..Refused::default()
            }),
        }
    }

    /// The form with all that was typed, and what is wrong with it.
    pub(super) fn form(&self, declared: &[Declared], refused: &Refused) -> LaunchForm {
        LaunchForm {
            token: self.token.clone(),
            id: self.id.clone(),
            id_wrong: refused.id.clone(),
            name: self.name.clone(),
            name_wrong: refused.name.clone(),
            fields: fields(declared, &self.texts, &refused.wrongs),
            notice: refused.notice.clone(),
            preview: Preview::Nothing,
        }
    }
}

/// Why a form was not carried out.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// What is wrong with the job's ID.
    pub(super) id: Option<String>,
    /// What is wrong with the job's name.
    pub(super) name: Option<String>,
    /// What is wrong with the parameters.
    pub(super) wrongs: Vec<Wrong>,
    /// What is wrong beyond the form's fields.
    pub(super) notice: Option<Notice>,
    /// Whether the form has launched a job before, so that it needs another ID.
    pub(super) token_is_spent: bool,
    /// What has nothing to do with the form.
    pub(super) error: Option<ApiError>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

impl Refused {
    pub(super) fn status(&self) -> StatusCode {
        if self.token_is_spent || (self.id.is_some() && self.notice.is_some()) {
            StatusCode::CONFLICT
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }

    /// Everything that is wrong, in words.
    pub(super) fn texts(&self) -> Vec<String> {
        let wrongs = self.wrongs.iter().map(|wrong| match wrong.path.as_str() {
            "" => wrong.message.clone(),
            path => format!("{path}: {}", wrong.message),
        });
        let notice = self.notice.iter().flat_map(|notice| {
            let facts = notice.facts.iter().cloned();
            std::iter::once(notice.text.clone()).chain(facts)
        });
        wrongs.chain(notice).collect()
    }
}

/// What the service's refusal means for the form; an error where it has nothing to do with it.
pub(super) fn refused(error: ServiceError, sent: &Sent, declared: &[Declared]) -> Result<Refused, ApiError> {
    let notice = |text: &str, facts| Some(Notice { text: text.to_owned(), facts, link: None });
    Ok(match error {
        ServiceError::InvalidParameters { faults, .. } => {
            let unreadable = sent.values(declared).unreadable;
            // That a text is no object follows from its being no YAML.
            let known = |fault: &&Fault| !unreadable.iter().any(|wrong| wrong.path == fault.path);
            let mut wrongs: Vec<Wrong> = faults.iter().filter(known).map(wrong).collect();
            wrongs.extend(unreadable);
            Refused { wrongs, ..Refused::default() }
        }
        ServiceError::SecretsNeeded { names } => {
            Refused { wrongs: names.into_iter().map(secret_needed).collect(), ..Refused::default() }
        }
        ServiceError::Render { error, .. } => Refused {
            notice: notice(
                "The template gives no valid manifest with these values.",
                error.problems.iter().map(ToString::to_string).collect(),
            ),
            ..Refused::default()
        },
        ServiceError::Unsupported { unsupported, .. } => Refused {
            notice: notice(
                "The executor cannot run this manifest.",
                unsupported.faults.iter().map(|(path, message)| format!("{path}: {message}")).collect(),
            ),
            ..Refused::default()
        },
        ServiceError::Refused { objection, .. } => Refused {
            notice: notice("The executor would not take this manifest.", objection.lines()),
            ..Refused::default()
        },
        ServiceError::Conflict { id, differences } => conflict(&id, &differences, sent),
        error => return Err(error.into()),
    })
}

fn wrong(fault: &Fault) -> Wrong {
    let given = fault.given.as_ref().map(|given| format!(", but is {given}"));
    let meant = fault.suggestion.as_ref().map(|near| format!("; did you mean {near}?"));
    // Beside its field it need not be said what is missing, nor of which type.
    let message = if fault.is_missing() { "is required" } else { &fault.message };
    Wrong {
        path: fault.path.clone(),
        message: format!("{message}{}{}", given.unwrap_or_default(), meant.unwrap_or_default()),
    }
}

fn secret_needed(name: String) -> Wrong {
    Wrong { path: name, message: "secret values are not kept; give it again".to_owned() }
}

fn conflict(id: &JobId, differences: &[Difference], sent: &Sent) -> Refused {
    let facts =
        differences.iter().map(|it| format!("{}: {} there, {} here", it.field, it.recorded, it.requested)).collect();
    let link = Some((url::job(id), format!("Show job {id}")));
    if sent.id.is_empty() {
        let text = "This form has launched a job before, with other values. Launch again to start another one.";
        Refused {
            token_is_spent: true,
            notice: Some(Notice { text: text.to_owned(), facts, link }),
            ..Refused::default()
        }
    } else {
        Refused {
            id: Some("another job has this ID".to_owned()),
            notice: Some(Notice {
                text: format!("Job {id} exists already, and was launched with other values."),
                facts,
                link,
            }),
            ..Refused::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn sent(id: &str) -> Sent {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Sent::read(&[pair("token", "t1"), pair("id", id), pair("name", " Daily "), pair("p.id", "x")])
    }

    fn conflict_of(sent: &Sent) -> Refused {
        let difference = Difference {
            field: "parameters.day".to_owned(),
            recorded: Value::from("2026-01-30"),
            requested: Value::from("2026-01-31"),
        };
        let error = ServiceError::Conflict { id: "k1".parse().unwrap(), differences: vec![difference] };
        refused(error, sent, &[]).unwrap()
    }

    #[test]
    fn a_form_launches_under_its_own_id_unless_another_is_typed() {
        for (typed, id) in [("", "t1"), ("k1", "k1")] {
            let ids = sent(typed).ids().ok().unwrap();
            assert_eq!((ids.id.as_str(), ids.name.unwrap().as_str()), (id, "Daily"));
        }
    }

    #[test]
    fn a_form_that_comes_back_with_other_values_gets_a_new_id() {
        let refused = conflict_of(&sent(""));
        assert!(refused.token_is_spent && refused.id.is_none());
        assert_eq!(refused.status(), StatusCode::CONFLICT);
        let notice = refused.notice.unwrap();
        assert_eq!(notice.facts, ["parameters.day: \"2026-01-30\" there, \"2026-01-31\" here"]);
    }

    #[test]
    fn an_id_that_is_taken_is_told_beside_its_field() {
        let refused = conflict_of(&sent("k1"));
        assert!(!refused.token_is_spent);
        assert_eq!(refused.id.as_deref(), Some("another job has this ID"));
        assert_eq!(refused.status(), StatusCode::CONFLICT);
    }

    #[test]
    fn a_bad_id_and_a_bad_name_are_told_together() {
        let bad = Sent { id: "a b".to_owned(), name: "n".repeat(201), ..Sent::default() };
        let refused = bad.ids().err().unwrap();
        assert!(refused.id.unwrap().contains("holds ' '"));
        assert!(refused.name.unwrap().contains("201 characters"));
    }

    #[test]
    fn what_has_nothing_to_do_with_the_form_is_an_error() {
        assert!(refused(ServiceError::ShuttingDown, &Sent::default(), &[]).is_err());
    }
}
