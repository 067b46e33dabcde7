//! The description of the API, generated from the handlers.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// What is said about the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Jobwright",
        description = "A GitOps-friendly, declarative job runner: launches jobs from templates, at most once each, and \
                       keeps a durable and truthful record of what became of them.\n\nErrors are problem details \
                       (RFC 9457) with a stable `type`.\n\nWhere callers have to show who they are, every route may \
                       answer 401 (`unauthorized`); where a cluster says what they may do, also 403 (`forbidden`), and \
                       503 (`unreviewed`) while it gives no answer.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "jobs", description = "Launch jobs and see what becomes of them"),
        (name = "templates", description = "What can be launched"),
        (name = "events", description = "Follow all changes"),
        (name = "workers", description = "What workers post"),
        (name = "migration", description = "The routes of the system that Jobwright replaces"),
        (name = "operations", description = "Liveness and readiness"),
    ),
    security((), ("token" = [])),
    modifiers(&Token),
    components(schemas(super::Problem)),
)]
pub(super) struct Description;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of the server's token file, where the server was started with `--auth token`; a token of the \
                 cluster, as of `kubectl create token`, where it was started with `--auth kubernetes`.",
            ))
            .build();
        openapi.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The description as a document of OpenAPI 3.1.
pub fn document() -> utoipa::openapi::OpenApi {
    super::described_routes().merge(super::busy_routes()).into_openapi()
}

/// `GET /api/v1/openapi.json`.
pub(super) async fn show() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
