//! What the pages show, as plain values: pure functions from records to words, addresses and looks. The templates
//! under `templates/` put them into HTML and decide nothing.

pub(crate) mod about;
pub(crate) mod changes;
pub(crate) mod control;
pub(crate) mod form;
pub(crate) mod job;
pub(crate) mod lanes;
pub(crate) mod launch;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod outcomes;
pub(crate) mod phase;
pub(crate) mod row;
pub(crate) mod selected;
pub(crate) mod texts;
pub(crate) mod time;
pub(crate) mod timeline;
pub(crate) mod url;
pub(crate) mod words;
pub(crate) mod yaml;
