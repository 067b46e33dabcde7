//! Who a caller is and what they may do, by TokenReview and SubjectAccessReview.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use k8s_openapi::api::authorization::v1::SubjectAccessReviewStatus;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api::{self, Answer};
use super::client::Connection;
use super::preflight::{Finding, Grade};
use crate::executor::review::{Reviewer, Unreviewed, User, Verb, Verdict};

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const OWN_ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Asks a cluster's API server, for the jobs of one namespace.
#[derive(Clone)]
pub struct ClusterReviewer {
    connection: Connection,
    namespace: String,
}

impl ClusterReviewer {
    /// Takes a connection whose credentials may create reviews, as the ClusterRole `system:auth-delegator` allows.
    pub fn new(connection: Connection, namespace: impl Into<String>) -> Self {
        Self { connection, namespace: namespace.into() }
    }

    /// Checks whether reviews may be asked for: without that, nobody gets in.
    pub async fn preflight(&self) -> Finding {
        let mut missing = Vec::new();
        for (group, resource) in
            [("authentication.k8s.io", "tokenreviews"), ("authorization.k8s.io", "subjectaccessreviews")]
        {
            let attributes = json!({"group": group, "resource": resource, "verb": "create"});
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            });
            match self.ask::<SubjectAccessReviewStatus>(OWN_ACCESS_REVIEWS, &review).await {
                Ok(status) if status.allowed => {}
                Ok(_) => missing.push(format!("{resource}.{group}")),
                Err(error) => {
                    let text = format!("whether callers can be reviewed is not known: {error}");
                    return Finding { grade: Grade::Doubtful, text };
                }
            }
        }
        if missing.is_empty() {
            return Finding { grade: Grade::Good, text: "may review callers and what they may do".to_owned() };
        }
        let missing = missing.join(" and ");
        let text = format!(
            "may not create {missing}, so nobody can sign in: bind the ClusterRole system:auth-delegator to this service"
        );
        Finding { grade: Grade::Bad, text }
    }

    /// Asks for a review, and gives the status that came back.
    async fn ask<T: DeserializeOwned>(&self, collection: &str, review: &Value) -> Result<T, Unreviewed> {
        let mut body = match api::create(&self.connection, collection, review, false).await {
            Answer::Done { body, .. } => body,
            Answer::Failed(failure) => {
                return Err(Unreviewed(format!("the API server refuses to review: {}", failure.message)));
            }
            Answer::Silence(message) | Answer::Unsent(message) => {
                return Err(Unreviewed(format!("the API server gives no review: {message}")));
            }
        };
        let status = body.get_mut("status").map(Value::take).unwrap_or_default();
        serde_json::from_value(status).map_err(|error| Unreviewed(format!("the review cannot be read: {error}")))
    }
}

impl Reviewer for ClusterReviewer {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn user<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, Unreviewed>> {
        async move { Ok(user(self.ask(TOKEN_REVIEWS, &token_review(token)).await?)) }.boxed()
    }

    fn may<'a>(&'a self, user: &'a User, verb: Verb) -> BoxFuture<'a, Result<Verdict, Unreviewed>> {
        async move {
            let review = access_review(user, verb, &self.namespace);
            verdict(self.ask(ACCESS_REVIEWS, &review).await?)
        }
        .boxed()
    }
}

/// Names no audience, which means those of the API server itself: a token that was made for somebody else is no good.
fn token_review(token: &str) -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}})
}

fn access_review(user: &User, verb: Verb, namespace: &str) -> Value {
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user.name,
            "uid": user.uid,
            "groups": user.groups,
            "extra": user.extra,
            "resourceAttributes": {
                "namespace": namespace, "group": "batch", "resource": "jobs", "verb": verb.as_str(),
            },
        },
    })
}

fn user(status: TokenReviewStatus) -> Option<User> {
    if status.authenticated != Some(true) {
        return None;
    }
    let UserInfo { username, uid, groups, extra } = status.user?;
    Some(User {
        name: username.filter(|name| !name.is_empty())?,
        uid: uid.filter(|uid| !uid.is_empty()),
        groups: groups.unwrap_or_default(),
        extra: extra.unwrap_or_default(),
    })
}

fn verdict(status: SubjectAccessReviewStatus) -> Result<Verdict, Unreviewed> {
    let told = |text: Option<String>| text.filter(|text| !text.is_empty());
    if status.allowed && status.denied != Some(true) {
        return Ok(Verdict::Allowed);
    }
    match (told(status.reason), told(status.evaluation_error)) {
        // An authoriser that failed, and nobody else who said anything: that is no answer.
        (None, Some(error)) if status.denied != Some(true) => Err(Unreviewed(error)),
        (reason, _) => Ok(Verdict::Denied { reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: DeserializeOwned>(status: Value) -> T {
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn a_user_is_who_the_api_server_says_was_authenticated() {
        let ada = json!({"username": "ada", "uid": "7", "groups": ["dev"], "extra": {"scopes": ["a", "b"]}});
        let known = user(read(json!({"authenticated": true, "user": ada}))).unwrap();
        assert_eq!(
            (known.name.as_str(), known.uid.as_deref(), &known.groups[..]),
            ("ada", Some("7"), &["dev".to_owned()][..])
        );
        assert_eq!(known.extra["scopes"], ["a", "b"]);
        for nobody in [
            json!({}),
            json!({"user": ada}),
            json!({"authenticated": false, "user": ada, "error": "invalid bearer token"}),
            json!({"authenticated": true}),
            json!({"authenticated": true, "user": {"username": "", "groups": ["dev"]}}),
        ] {
            assert_eq!(user(read(nobody.clone())), None, "{nobody}");
        }
    }

    #[test]
    fn only_a_plain_yes_is_one() {
        let verdict = |status| verdict(read(status));
        assert_eq!(verdict(json!({"allowed": true})), Ok(Verdict::Allowed));
        assert_eq!(verdict(json!({"allowed": true, "evaluationError": "role not found"})), Ok(Verdict::Allowed));
        for no in [
            json!({"allowed": false}),
            json!({"allowed": true, "denied": true}),
            json!({"allowed": false, "denied": true, "evaluationError": "away"}),
        ] {
            assert_eq!(verdict(no.clone()), Ok(Verdict::Denied { reason: None }), "{no}");
        }
        let why = Verdict::Denied { reason: Some("not on Sundays".to_owned()) };
        assert_eq!(verdict(json!({"allowed": false, "reason": "not on Sundays"})), Ok(why));
        assert_eq!(verdict(json!({"allowed": false, "evaluationError": "away"})), Err(Unreviewed("away".to_owned())));
    }

    #[test]
    fn an_access_review_tells_all_that_is_known_of_the_user() {
        let ada = User {
            name: "ada".to_owned(),
            uid: Some("7".to_owned()),
            groups: vec!["dev".to_owned()],
            extra: [("scopes".to_owned(), vec!["a".to_owned()])].into(),
        };
        let spec = &access_review(&ada, Verb::Create, "jobs-here")["spec"];
        assert_eq!(
            *spec,
            json!({
                "user": "ada", "uid": "7", "groups": ["dev"], "extra": {"scopes": ["a"]},
                "resourceAttributes": {
                    "namespace": "jobs-here", "group": "batch", "resource": "jobs", "verb": "create",
                },
            })
        );
    }
}
