//! The files that the pages load: one stylesheet, one icon, the script of every page, and a script more for the pages
//! that do more. They are part of the binary, and each is served under a name that carries a hash of its content, so
//! that a browser may keep it for ever and never has a stale one.
//!
//! A new file is put into `assets/`, gets its line in [`assets!`], and is loaded by the pages that need it.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

/// One file.
struct Asset {
    /// As it is asked for: `app-1f0c9a….css`.
    name: String,
    media_type: &'static str,
    content: String,
}

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, source: &str) -> Self {
        let content = lean(source);
        let hash: String =
            digest(&SHA256, content.as_bytes()).as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("{stem}-{hash}.{extension}"), media_type, content }
    }

    fn url(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// A source without what is there for its maintainers alone: indentation, and lines that are comments. No text of ours
/// goes over several lines, so that no more than that is lost.
fn lean(source: &str) -> String {
    let is_comment = |line: &str| line.starts_with("//") || line.starts_with("/*") && line.ends_with("*/");
    let lines = source.lines().map(str::trim_start).filter(|line| !line.is_empty() && !is_comment(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

macro_rules! assets {
    ($($(#[$doc:meta])* $address:ident: $constant:ident = $stem:literal . $extension:literal, $media_type:literal;)*) => {
        $(
            static $constant: LazyLock<Asset> = LazyLock::new(|| {
                let content = include_str!(concat!("assets/", $stem, ".", $extension));
                Asset::new($stem, $extension, $media_type, content)
            });

            $(#[$doc])*
            pub(crate) fn $address() -> String {
                $constant.url()
            }
        )*

        /// Every file.
        fn all() -> impl Iterator<Item = &'static Asset> {
            [$(&*$constant),*].into_iter()
        }
    };
}

assets! {
    /// Where the stylesheet is.
    style: STYLE = "app"."css", "text/css; charset=utf-8";
    /// Where the script of every page is.
    script: SCRIPT = "app"."js", "text/javascript; charset=utf-8";
    /// Where the script of the launch form is.
    form_script: FORM_SCRIPT = "form"."js", "text/javascript; charset=utf-8";
    /// Where the script of the list of jobs is.
    jobs_script: JOBS_SCRIPT = "jobs"."js", "text/javascript; charset=utf-8";
    /// Where the script of the log is.
    log_script: LOG_SCRIPT = "log"."js", "text/javascript; charset=utf-8";
    /// Where the icon is.
    icon: ICON = "icon"."svg", "image/svg+xml";
}

/// `GET /assets/{name}`.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    match all().find(|asset| asset.name == name) {
        Some(asset) => {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
            (headers, asset.content.as_str()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `GET /favicon.ico`, which browsers ask for unasked: the icon, as SVG.
pub(super) async fn favicon() -> Response {
    let media_type = [(header::CONTENT_TYPE, ICON.media_type)];
    (media_type, ICON.content.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{EventKind, ObjectRef, Phase, Report};

    #[tokio::test]
    async fn an_asset_is_kept_for_ever_under_the_hash_of_its_content() {
        let name = style().rsplit('/').next().unwrap().to_owned();
        let response = serve(Path(name)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let cache = &response.headers()[header::CACHE_CONTROL];
        assert_eq!(cache, "public, max-age=31536000, immutable");
        let stale = serve(Path("app-0000000000000000.css".to_owned())).await;
        assert_eq!(stale.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn style_and_scripts_together_stay_under_60_kb() {
        let bytes: usize = all().filter(|asset| asset.name != ICON.name).map(|asset| asset.content.len()).sum();
        assert!(bytes < 60_000, "{bytes} bytes");
    }

    /// What is taken out of a source line by line must not be within a text.
    #[test]
    fn no_text_in_a_source_goes_over_several_lines() {
        for asset in all().filter(|asset| asset.name.ends_with(".js")) {
            for line in asset.content.lines() {
                assert!(line.matches('`').count().is_multiple_of(2), "{}: {line}", asset.name);
            }
        }
    }

    /// A kind of change that the script did not listen for would leave pages behind.
    #[test]
    fn the_script_listens_for_every_kind_of_change() {
        let script = &SCRIPT.content;
        let listed = script.split_once("const KINDS = [").unwrap().1;
        let listed = listed.split_once(']').unwrap().0;
        for kind in every_kind() {
            let name = serde_json::to_value(kind).unwrap()["type"].to_string();
            assert!(listed.contains(&name), "{name} is not in {listed}");
        }
    }

    fn every_kind() -> Vec<EventKind> {
        let text = String::new;
        let object = ObjectRef { name: text(), namespace: text(), uid: text() };
        let report =
            Report { at: jiff::Timestamp::UNIX_EPOCH, sequence: None, status: text(), message: None, progress: None };
        let kinds = vec![
            EventKind::Recorded,
            EventKind::Rebuilt,
            EventKind::Created { object },
            EventKind::Warning { text: text() },
            EventKind::Phase { from: Phase::Pending, to: Phase::Running, reason: None, message: None },
            EventKind::ContainerStarted { pod: text(), container: text() },
            EventKind::ContainerEnded { pod: text(), container: text(), exit_code: 0, reason: text() },
            EventKind::Report { report, late: false, after_end: false },
            EventKind::CancelRequested { by: None },
            EventKind::Disputed { disputed: true },
            EventKind::LogKept,
            EventKind::ObjectDeleted,
            EventKind::Deleted,
        ];
        for kind in &kinds {
            // A new kind does not compile here: add it above and to the script.
            match kind {
                EventKind::Recorded
                | EventKind::Rebuilt
                | EventKind::Created { .. }
                | EventKind::Warning { .. }
                | EventKind::Phase { .. }
                | EventKind::ContainerStarted { .. }
                | EventKind::ContainerEnded { .. }
                | EventKind::Report { .. }
                | EventKind::CancelRequested { .. }
                | EventKind::Disputed { .. }
                | EventKind::LogKept
                | EventKind::ObjectDeleted
                | EventKind::Deleted => {}
            }
        }
        kinds
    }

    #[test]
    fn no_asset_names_another_host() {
        for asset in all().filter(|asset| asset.name != ICON.name) {
            let text = &asset.content;
            assert!(!text.contains("//") || !text.contains("http"), "{}", asset.name);
        }
    }
}
