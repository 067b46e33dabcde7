//! What the service counts about itself, for Prometheus. No label holds anything that a caller chose freely.
//!
//! What is Jobwright's own begins with `jobwright_`. What the system and the runtime say of the process has the names
//! that it has everywhere ([`super::vitals`]).

use std::fmt;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::streams::Streams;
use super::vitals::Vitals;
use super::{ApiError, AppState};
use crate::service::Launched;
use crate::store::Store;

/// The media type of OpenMetrics.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters. What belongs to a hot path is found once, here.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram, fn() -> Histogram>,
    launches: Family<OutcomeLabels, Counter>,
    reports: [Counter; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

impl Metrics {
    /// Counters from zero, beside what a store and the streams show at every scrape.
    pub fn new(store: Store, streams: Streams) -> Self {
        let mut whole = Registry::default();
        whole.register_collector(Box::new(Vitals));
        let registry = whole.sub_registry_with_prefix("jobwright");
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let latency = Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register(
            "http_request_duration_seconds",
            "Time from a request's head to the head of its answer",
            latency.clone(),
        );
        let launches = Family::default();
        registry.register("launches", "Launches asked for", launches.clone());
        let by_outcome = Family::<OutcomeLabels, Counter>::default();
        registry.register("reports", "Reports of workers", by_outcome.clone());
        let reports = ["recorded", "refused"].map(|outcome| by_outcome.get_or_create_owned(&OutcomeLabels { outcome }));
        registry.register_collector(Box::new(Shown { store, streams }));
        Self { registry: whole, requests, latency, launches, reports }
    }

    /// Counts a request that was answered.
    pub(super) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        self.latency.get_or_create(&RouteLabels { method, route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
    }

    /// Counts a launch by what came of it: `created`, `repeated` or `refused`.
    pub(super) fn launched<E>(&self, launched: &Result<Launched, E>) {
        let outcome = match launched {
            Ok(Launched { created: true, .. }) => "created",
            Ok(_) => "repeated",
            Err(_) => "refused",
        };
        self.launches.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts a report.
    pub(super) fn reported(&self, recorded: bool) {
        self.reports[usize::from(!recorded)].inc();
    }
}

fn histogram() -> Histogram {
    // From half a millisecond to 16 s.
    Histogram::new(exponential_buckets(0.0005, 2.0, 16))
}

/// What is looked up at every scrape.
struct Shown {
    store: Store,
    streams: Streams,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sample = ConstGauge::<u64>::new(0);
        let mut jobs = encoder.encode_descriptor("jobs", "Jobs on record by phase", None, sample.metric_type())?;
        for (phase, count) in self.store.counts() {
            let labels = PhaseLabels { phase: phase.as_str() };
            ConstGauge::new(count).encode(jobs.encode_family(&labels)?)?;
        }
        let streams = ConstGauge::new(self.streams.open() as u64);
        let at =
            encoder.encode_descriptor("streams", "Event and log streams that are open", None, streams.metric_type())?;
        streams.encode(at)
    }
}

/// `GET /metrics`.
pub(super) async fn show(State(app): State<AppState>) -> Result<Response, ApiError> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &app.metrics.registry).map_err(ApiError::internal)?;
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}
