use axum::http::header;

use super::super::fixture::{Cluster, auth_by};
use super::*;
use crate::executor::review::Verb;

const AT_ONCE: Duration = Duration::ZERO;
const LISTING: Access = Access::Rights(&[Verb::List]);

fn bearer(token: &str) -> Credential {
    Credential::Bearer(token.to_owned())
}

#[tokio::test]
async fn a_stream_goes_on_while_its_reader_may_read_it() {
    let cluster = Cluster::default();
    cluster.grant("ada", &[Verb::List]);
    let auth = auth_by(&cluster);
    let shown = bearer("ada");
    let mut goes_on = Box::pin(lapsed(&auth, &shown, LISTING, AT_ONCE));
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut goes_on).is_pending());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_ends_when_the_right_the_user_or_the_cluster_is_gone() {
    let cluster = Cluster::default();
    cluster.grant("ada", &[Verb::Get]);
    let auth = auth_by(&cluster);
    lapsed(&auth, &bearer("ada"), LISTING, AT_ONCE).await;
    cluster.forget("bob");
    lapsed(&auth, &bearer("bob"), LISTING, AT_ONCE).await;
    lapsed(&auth, &Credential::Cookie("forged".to_owned()), LISTING, AT_ONCE).await;
    cluster.set_away(true);
    let before = cluster.asked().len();
    lapsed(&auth, &bearer("eve"), LISTING, AT_ONCE).await;
    assert_eq!(cluster.asked().len() - before, UNANSWERED as usize, "a short silence is no end");
}

#[tokio::test]
async fn a_session_of_a_user_goes_by_the_rights_that_they_have_now() {
    let cluster = Cluster::default();
    cluster.grant("ada", &[]);
    let auth = auth_by(&cluster);
    let now = Timestamp::from_second(1_000_000).unwrap();
    let cookie = auth.sign_in("ada", now).await.unwrap();
    let value = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let shown = Credential::Cookie(value);
    let before = auth.admit(&shown, LISTING, now).await;
    assert!(matches!(before, Err(ApiError::Forbidden(_))), "{before:?}");

    // What is remembered is remembered by another service.
    let auth = auth_by(&cluster);
    cluster.grant("ada", &[Verb::List]);
    let caller = auth.admit(&shown, LISTING, now).await.unwrap();
    assert_eq!(caller.name.as_deref(), Some("ada"));
    let later = now + jiff::SignedDuration::from_hours(12);
    assert!(matches!(auth.admit(&shown, LISTING, later).await, Err(ApiError::Unauthorized { given: false })));
}

#[tokio::test]
async fn nobody_signs_in_without_a_good_token() {
    let cluster = Cluster::default();
    let expired = super::super::jwt::tests::token(r#"{"exp": 999999}"#);
    cluster.grant(&expired, &[]);
    let auth = auth_by(&cluster);
    let now = Timestamp::from_second(1_000_000).unwrap();
    for token in ["", "nobody", &expired] {
        let refused = auth.sign_in(token, now).await;
        assert!(matches!(refused, Err(ApiError::Unauthorized { given: true })), "{token}: {refused:?}");
    }
    cluster.set_away(true);
    assert!(matches!(auth.sign_in("anybody", now).await, Err(ApiError::Unreviewed)));
}

#[test]
fn a_token_stands_before_a_cookie() {
    let mut headers = axum::http::HeaderMap::new();
    assert!(Credential::of(&headers) == Credential::None);
    headers.insert(header::COOKIE, "jobwright_session=x".parse().unwrap());
    assert!(Credential::of(&headers) == Credential::Cookie("x".to_owned()));
    headers.insert(header::AUTHORIZATION, "Bearer y".parse().unwrap());
    assert!(Credential::of(&headers) == bearer("y"));
}
