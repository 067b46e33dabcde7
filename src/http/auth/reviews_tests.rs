use futures_util::future::join_all;

use super::super::fixture::Cluster;
use super::*;

fn reviews(cluster: &Cluster) -> Reviews {
    Reviews::new(Arc::new(cluster.clone()))
}

#[tokio::test]
async fn a_page_of_many_requests_asks_once() {
    let cluster = Cluster::default();
    cluster.grant("ada", &[Verb::List]);
    let reviews = reviews(&cluster);
    let request = async || {
        let user = reviews.user("ada").await?;
        reviews.check(&user, &[Verb::List]).await
    };
    for answer in join_all((0..40).map(|_| request())).await {
        answer.unwrap();
    }
    request().await.unwrap();
    assert_eq!(cluster.asked(), ["who ada", "may ada list"]);
}

#[tokio::test]
async fn a_no_is_remembered_as_well() {
    let cluster = Cluster::default();
    cluster.grant("ada", &[]);
    let reviews = reviews(&cluster);
    for _ in 0..3 {
        assert!(matches!(reviews.user("eve").await, Err(ApiError::Unauthorized { given: true })));
        let user = reviews.user("ada").await.unwrap();
        let refused = reviews.check(&user, &[Verb::Get, Verb::Create]).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the user ada may not get jobs in the namespace jobs-here: that takes a Role there which allows the verb get on the \
             resource jobs of the API group batch"
        );
    }
    assert_eq!(cluster.asked(), ["who eve", "who ada", "may ada get"]);
}

#[tokio::test]
async fn without_an_answer_nobody_is_let_through_and_the_next_one_asks_again() {
    let cluster = Cluster::default();
    cluster.grant("ada", &[Verb::List]);
    let reviews = reviews(&cluster);
    let user = reviews.user("ada").await.unwrap();
    cluster.set_away(true);
    assert!(matches!(reviews.user("bob").await, Err(ApiError::Unreviewed)));
    assert!(matches!(reviews.check(&user, &[Verb::List]).await, Err(ApiError::Unreviewed)));
    cluster.set_away(false);
    reviews.check(&user, &[Verb::List]).await.unwrap();
}

#[tokio::test]
async fn users_who_differ_in_anything_are_not_taken_for_each_other() {
    let cluster = Cluster::default();
    cluster.grant("ada", &[Verb::List]);
    let reviews = reviews(&cluster);
    let ada = User { name: "ada".to_owned(), ..User::default() };
    let in_group = User { groups: vec!["dev".to_owned()], ..ada.clone() };
    let with_uid = User { uid: Some("dev".to_owned()), ..ada.clone() };
    let narrowed = User { extra: [("dev".to_owned(), Vec::new())].into(), ..ada.clone() };
    for user in [&ada, &in_group, &with_uid, &narrowed] {
        reviews.check(user, &[Verb::List]).await.unwrap();
    }
    assert_eq!(cluster.asked().len(), 4);
}

#[tokio::test]
async fn an_empty_token_is_nobodys() {
    let cluster = Cluster::default();
    assert!(matches!(reviews(&cluster).user("").await, Err(ApiError::Unauthorized { given: true })));
    assert_eq!(cluster.asked(), [""; 0]);
}
