//! What only Events tell: why no pod comes for a Job, and what keeps a pod from starting. Pure.
//!
//! Quotas, Pod Security and admission webhooks refuse the pods of a Job, not the Job: it stands there, and nothing but
//! an Event of reason `FailedCreate` says why nothing happens.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// One word.
    pub(super) reason: String,
    /// The sentence that goes with it.
    pub(super) message: String,
    /// When it was refused last.
    pub(super) at: Timestamp,
}

/// Why no pod comes for a Job, if that is what this event tells.
pub(super) fn refused(event: &Event, now: Timestamp) -> Option<Refused> {
    if event.reason.as_deref() != Some("FailedCreate") {
        return None;
    }
    let message = event.message.clone().unwrap_or_default();
    let message = message.strip_prefix("Error creating: ").unwrap_or(&message).to_owned();
    Some(Refused { reason: refusal_reason(&message).to_owned(), message, at: at(event, now) })
}

/// What keeps a pod from starting, if this event tells of something that the pod itself does not show.
pub(super) fn hindered(event: &Event, now: Timestamp) -> Option<Refused> {
    let reason = event.reason.as_deref()?;
    if !matches!(reason, "FailedMount" | "FailedAttachVolume" | "FailedCreatePodSandBox") {
        return None;
    }
    let message = event.message.clone().unwrap_or_default();
    Some(Refused { reason: reason.to_owned(), message, at: at(event, now) })
}

/// Whether a refusal is a quota's. Nothing but its words tells.
pub(super) fn is_of_quota(message: &str) -> bool {
    message.contains("exceeded quota") || message.contains("failed quota")
}

fn refusal_reason(message: &str) -> &'static str {
    if is_of_quota(message) {
        "QuotaExceeded"
    } else if message.contains("violates PodSecurity") {
        "PodSecurity"
    } else if message.contains("is forbidden") || message.contains("denied") {
        "Forbidden"
    } else {
        "FailedCreate"
    }
}

fn at(event: &Event, now: Timestamp) -> Timestamp {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    series.or(last).or(first).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: &str, message: &str) -> Event {
        Event { reason: Some(reason.to_owned()), message: Some(message.to_owned()), ..Event::default() }
    }

    #[test]
    fn refusals_of_pods_are_told_apart() {
        let cases = [
            (r#"Error creating: pods "a" is forbidden: exceeded quota: none, requested: pods=1"#, "QuotaExceeded"),
            (r#"Error creating: pods "a" is forbidden: failed quota: q: must specify limits.cpu"#, "QuotaExceeded"),
            (r#"Error creating: pods "a" is forbidden: violates PodSecurity "restricted:latest""#, "PodSecurity"),
            (r#"Error creating: pods "a" is forbidden: error looking up service account"#, "Forbidden"),
            (r#"Error creating: admission webhook "x" denied the request"#, "Forbidden"),
            ("Error creating: Timeout: request did not complete", "FailedCreate"),
        ];
        for (message, reason) in cases {
            let told = refused(&event("FailedCreate", message), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(told.reason, reason, "{message}");
            assert!(!told.message.starts_with("Error creating"), "{message}");
        }
        assert_eq!(refused(&event("SuccessfulCreate", "Created pod: a"), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn what_a_pod_shows_itself_needs_no_event() {
        let hinders = |reason| hindered(&event(reason, "so it is"), Timestamp::UNIX_EPOCH).is_some();
        assert!(hinders("FailedMount"));
        assert!(!hinders("BackOff"), "the container waits with that reason");
        assert!(!hinders("Failed"));
    }
}
