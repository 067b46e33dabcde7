//! Who a caller is and what they may do, by the word of the cluster that jobs run on: its own access control decides, so
//! that nobody's rights are written down twice.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// Tells who a token belongs to, and what that user may do with the jobs of one namespace.
pub trait Reviewer: Send + Sync + 'static {
    /// The namespace of the jobs.
    fn namespace(&self) -> &str;

    /// The user that a token belongs to; none if it belongs to nobody (any more).
    fn user<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, Unreviewed>>;

    /// Whether a user may do this with the jobs of the namespace.
    fn may<'a>(&'a self, user: &'a User, verb: Verb) -> BoxFuture<'a, Result<Verdict, Unreviewed>>;
}

/// A user as a cluster knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name, unique among all that are active.
    pub name: String,
    /// Tells users apart who had the same name one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The groups that the user is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What else whoever knows the user says of them. It may narrow down what they may do, so it is never left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What somebody does with jobs, in the words of Kubernetes' access control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// See all of them.
    List,
    /// See one of them.
    Get,
    /// Launch one.
    Create,
    /// Cancel one, or delete it.
    Delete,
}

impl Verb {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Create => "create",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether somebody may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Allowed,
    /// They may not.
    Denied {
        /// Why, where the cluster says.
        reason: Option<String>,
    },
}

/// There was no answer: neither yes nor no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreviewed(pub String);
