//! The page of a template: its form, and what the form's values would launch.

use super::about::About;
use super::form::Fields;
use super::outcomes::Outcomes;

/// The page of a template, or of a job that is to be run again.
#[derive(Debug, Clone)]
pub(crate) struct LaunchPage {
    pub(crate) template: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    /// The template's own page.
    pub(crate) href: String,
    /// The jobs of this template.
    pub(crate) jobs_href: String,
    /// What the form is sent to.
    pub(crate) launch_to: String,
    /// What the form is sent to, to see what it would launch.
    pub(crate) preview_to: String,
    /// Whether the executor can be asked what it would say of the manifest.
    pub(crate) can_ask: bool,
    /// The job that is to be run again: ID and page.
    pub(crate) rerun_of: Option<(String, String)>,
    /// Whether the parameters of that job are not known.
    pub(crate) unknown: bool,
    /// What is wrong with the template's file.
    pub(crate) broken: Option<String>,
    /// The form, where there is a version of the template that works.
    pub(crate) form: Option<LaunchForm>,
    /// What there is to know about the template, unless it is a job that is to be run again.
    pub(crate) about: Option<About>,
}

/// The form with its content.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaunchForm {
    /// The ID that the job gets unless the person gives one: the form launches once, however often it is sent.
    pub(crate) token: String,
    pub(crate) id: String,
    pub(crate) id_wrong: Option<String>,
    pub(crate) name: String,
    pub(crate) name_wrong: Option<String>,
    pub(crate) fields: Fields,
    pub(crate) notice: Option<Notice>,
    pub(crate) preview: Preview,
}

impl LaunchForm {
    /// How many things are wrong.
    pub(crate) fn wrongs(&self) -> usize {
        self.fields.wrongs() + self.own_wrongs().count()
    }

    /// What is wrong with the form's own fields: control, label and text.
    pub(crate) fn own_wrongs(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let id = self.id_wrong.as_deref().map(|text| ("id", "Job ID", text));
        let name = self.name_wrong.as_deref().map(|text| ("name", "Name", text));
        id.into_iter().chain(name)
    }

    /// Whether the job is given an ID or a name.
    pub(crate) fn is_named(&self) -> bool {
        !self.id.is_empty() || !self.name.is_empty() || self.own_wrongs().next().is_some()
    }
}

/// Something to know before the form is sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) facts: Vec<String>,
    /// Address and words.
    pub(crate) link: Option<(String, String)>,
}

/// What the form's values would launch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Preview {
    /// It was not asked for.
    #[default]
    Nothing,
    /// The manifest as YAML, secrets masked.
    Manifest {
        text: String,
        /// What the executor warns of, where it was asked and would take it.
        approved: Option<Vec<String>>,
    },
    /// Why there is none.
    Wrong(Vec<String>),
}

/// A template in the list.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) parameters: usize,
    /// What is wrong with its file.
    pub(crate) error: Option<String>,
    /// Whether there is a version that works.
    pub(crate) launchable: bool,
    /// What became of its last jobs.
    pub(crate) outcomes: Outcomes,
    /// Its jobs.
    pub(crate) jobs_href: String,
}
