//! The forms that launch: a fresh one for a template, on its page, and one for a job that is to be run again.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value};

use super::page::LaunchHtml;
use super::sent::{Refused, Sent, refused};
use super::view::about::About;
use super::view::control::Declared;
use super::view::launch::{LaunchForm, LaunchPage, Preview};
use super::view::texts::Texts;
use super::view::url;
use super::{chrome, pairs, templates, token};
use crate::http::extract::{JobPath, MAX_BODY, NamePath, read_body};
use crate::http::{ApiError, AppState, Caller};
use crate::job::{Intent, JobId};
use crate::service::{LaunchRequest, Launched, RenderRequest, Rerun, ServiceError};
use crate::template::{Entry, Template};

/// What a form launches: a template, or a job once more.
struct Subject {
    entry: Entry,
    declared: Vec<Declared>,
    again: Option<Intent>,
}

impl Subject {
    fn of_template(app: &AppState, name: String) -> Result<Self, ApiError> {
        let catalog = app.service.catalog();
        match catalog.entry(&name) {
            Some(entry) => Ok(Self {
                entry: entry.clone(),
                declared: entry.template().map(|template| Declared::all_of(template)).unwrap_or_default(),
                again: None,
            }),
            None => {
                let suggestion = catalog.get(&name).err().and_then(|error| error.suggestion);
                Err(ServiceError::UnknownTemplate { name, suggestion }.into())
            }
        }
    }

    fn of_job(app: &AppState, id: JobId) -> Result<Self, ApiError> {
        let intent = app.service.store().intent(&id).map_err(ServiceError::Store)?;
        let intent = intent.ok_or_else(|| app.service.unknown(id))?;
        let subject = Self::of_template(app, intent.template.clone())?;
        Ok(Self { again: Some(intent), ..subject })
    }

    /// The version of the template that works.
    fn template(&self) -> Result<&Arc<Template>, ApiError> {
        self.entry.template().ok_or_else(|| {
            let name = self.entry.name.clone();
            let error = self.entry.error().map(ToString::to_string).unwrap_or_default();
            ServiceError::BrokenTemplate { name, error }.into()
        })
    }

    /// What a fresh form holds: the defaults, an example, and what the address says.
    fn texts(&self, query: &[(String, String)]) -> Texts {
        let declared = &self.declared;
        if let Some(Intent { parameters: Some(known), .. }) = &self.again {
            return Texts::of_values(declared, known);
        }
        let example = query.iter().find(|(name, _)| name == "example");
        let example = example.and_then(|(_, name)| self.entry.template()?.examples().get(name));
        let example = example.map(|values| Texts::of_values(declared, values)).unwrap_or_default();
        let typed = Texts::read(query).without_secrets(declared);
        Texts::defaults(declared).with(declared, example).with(declared, typed)
    }

    /// What the page says beside the form. A job that is to be run again has a page of its own.
    async fn about(&self, app: &AppState) -> Result<Option<About>, ApiError> {
        match self.again {
            Some(_) => Ok(None),
            None => templates::about(app, &self.entry).await.map(Some),
        }
    }

    fn page(&self, app: &AppState, caller: &Caller, form: LaunchForm, about: Option<About>) -> LaunchHtml {
        let entry = &self.entry;
        let href = url::template(&entry.name);
        let job = self.again.as_ref().map(|intent| (intent.id.to_string(), url::job(&intent.id)));
        let (launch_to, preview_to) = match &job {
            None => (format!("{href}/launch"), format!("{href}/preview")),
            Some((_, job)) => (format!("{job}/rerun"), format!("{job}/rerun/preview")),
        };
        LaunchHtml {
            chrome: chrome("templates", caller),
            page: LaunchPage {
                template: entry.name.clone(),
                title: entry.title().to_owned(),
                description: entry.description().map(str::to_owned),
                jobs_href: url::with_query("/", [("template", entry.name.as_str())]),
                href,
                launch_to,
                preview_to,
                can_ask: app.service.can_dry_run(),
                rerun_of: job,
                unknown: self.again.as_ref().is_some_and(|intent| intent.parameters.is_none()),
                broken: entry.error().map(ToString::to_string),
                form: entry.template().map(|_| form),
                about,
            },
        }
    }

    /// The parameters to send. For a job once more, what the form leaves out is taken away from the first job's.
    fn parameters(&self, template: &Template, sent: &Sent) -> Map<String, Value> {
        let mut values = sent.values(&self.declared).map;
        if let Some(intent) = &self.again {
            let names: Vec<&String> = match &intent.parameters {
                Some(known) => known.keys().filter(|name| !intent.secrets.contains(name)).collect(),
                // Nothing is known of them, and the form has all of them.
                None => template.parameters().iter().map(|parameter| &parameter.name).collect(),
            };
            for name in names {
                values.entry(name.clone()).or_insert(Value::Null);
            }
        }
        values
    }

    /// What the form's values would launch.
    async fn preview(&self, app: &AppState, sent: &Sent) -> Result<Preview, ServiceError> {
        let ids = sent.ids().ok();
        let request = RenderRequest {
            template: self.entry.name.clone(),
            parameters: sent.values(&self.declared).map,
            id: ids.as_ref().map(|ids| ids.id.clone()),
            name: ids.and_then(|ids| ids.name),
        };
        if !sent.ask {
            return Ok(Preview::Manifest { text: app.service.render(&request)?.to_yaml(), approved: None });
        }
        Ok(match app.service.dry_run(&request).await {
            Ok(approved) => Preview::Manifest { text: approved.rendered.to_yaml(), approved: Some(approved.warnings) },
            Err(ServiceError::Executor(error)) => Preview::Wrong(vec![error.to_string()]),
            Err(error) => return Err(error),
        })
    }

    async fn launch(&self, app: &AppState, caller: &Caller, sent: &Sent) -> Result<Launched, Refused> {
        let template = self.template()?;
        let ids = sent.ids()?;
        let parameters = self.parameters(template, sent);
        let launched = match &self.again {
            None => {
                let request = LaunchRequest {
                    template: self.entry.name.clone(),
                    id: Some(ids.id),
                    name: ids.name,
                    parameters,
                    by: caller.name.clone(),
                };
                app.service.launch(request).await
            }
            Some(intent) => {
                let change = Rerun { id: Some(ids.id), name: ids.name, parameters, by: caller.name.clone() };
                app.service.rerun(&intent.id, change).await
            }
        };
        app.metrics.launched(&launched);
        launched.or_else(|error| Err(refused(error, sent, &self.declared)?))
    }
}

/// `GET /templates/{name}`.
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    NamePath(name): NamePath,
    RawQuery(query): RawQuery,
) -> Result<LaunchHtml, ApiError> {
    let query = pairs(query.unwrap_or_default().as_bytes())?;
    let subject = Subject::of_template(&app, name)?;
    fresh(&app, &caller, &subject, &query).await
}

/// `GET /templates/{name}/launch` and `…/preview`: the addresses that a browser shows after a form was sent.
pub(super) async fn show_from_form(NamePath(name): NamePath) -> Redirect {
    Redirect::to(&url::template(&name))
}

/// `GET /jobs/{id}/rerun`.
pub(super) async fn show_again(
    State(app): State<AppState>,
    caller: Caller,
    JobPath(id): JobPath,
) -> Result<LaunchHtml, ApiError> {
    let subject = Subject::of_job(&app, id)?;
    fresh(&app, &caller, &subject, &[]).await
}

/// `POST /templates/{name}/launch`.
pub(super) async fn launch(
    State(app): State<AppState>,
    caller: Caller,
    NamePath(name): NamePath,
    request: Request,
) -> Result<Response, ApiError> {
    let subject = Subject::of_template(&app, name)?;
    launch_subject(&app, &caller, &subject, request).await
}

/// `POST /jobs/{id}/rerun`.
pub(super) async fn launch_again(
    State(app): State<AppState>,
    caller: Caller,
    JobPath(id): JobPath,
    request: Request,
) -> Result<Response, ApiError> {
    let subject = Subject::of_job(&app, id)?;
    launch_subject(&app, &caller, &subject, request).await
}

/// `POST /templates/{name}/preview`.
pub(super) async fn preview(
    State(app): State<AppState>,
    caller: Caller,
    NamePath(name): NamePath,
    request: Request,
) -> Result<Response, ApiError> {
    let subject = Subject::of_template(&app, name)?;
    preview_subject(&app, &caller, &subject, request).await
}

/// `POST /jobs/{id}/rerun/preview`.
pub(super) async fn preview_again(
    State(app): State<AppState>,
    caller: Caller,
    JobPath(id): JobPath,
    request: Request,
) -> Result<Response, ApiError> {
    let subject = Subject::of_job(&app, id)?;
    preview_subject(&app, &caller, &subject, request).await
}

async fn fresh(
    app: &AppState,
    caller: &Caller,
    subject: &Subject,
    query: &[(String, String)],
) -> Result<LaunchHtml, ApiError> {
    let name = subject.again.as_ref().and_then(|intent| intent.name.as_ref());
    let sent = Sent {
        token: token(),
        name: name.map(ToString::to_string).unwrap_or_default(),
        texts: subject.texts(query),
        ..Sent::default()
    };
    let form = sent.form(&subject.declared, &Refused::default());
    // Where all that is required is there, the manifest is shown from the start.
    let preview = subject.preview(app, &sent).await.unwrap_or(form.preview);
    let form = LaunchForm { preview, ..form };
    Ok(subject.page(app, caller, form, subject.about(app).await?))
}

async fn launch_subject(
    app: &AppState,
    caller: &Caller,
    subject: &Subject,
    request: Request,
) -> Result<Response, ApiError> {
    let sent = read(request).await?;
    let refused = match subject.launch(app, caller, &sent).await {
        Ok(launched) => return Ok(Redirect::to(&url::job(&launched.job.id)).into_response()),
        Err(refused) => refused,
    };
    if let Some(error) = refused.error {
        return Err(error);
    }
    let fresh_token = refused.token_is_spent.then(token);
    let sent = Sent { token: fresh_token.unwrap_or_else(|| sent.token.clone()), ..sent };
    let form = sent.form(&subject.declared, &refused);
    let page = subject.page(app, caller, form, subject.about(app).await?);
    Ok((refused.status(), page).into_response())
}

async fn preview_subject(
    app: &AppState,
    caller: &Caller,
    subject: &Subject,
    request: Request,
) -> Result<Response, ApiError> {
    let sent = read(request).await?;
    subject.template()?;
    let (wrong, preview) = match subject.preview(app, &sent).await {
        Ok(preview) => (sent.ids().err().unwrap_or_default(), preview),
        Err(error) => {
            let wrong = refused(error, &sent, &subject.declared)?;
            let texts = wrong.texts();
            (wrong, Preview::Wrong(texts))
        }
    };
    let form = LaunchForm { preview, ..sent.form(&subject.declared, &wrong) };
    // The script asks at every key, and takes nothing but the form and the manifest.
    let about = if sent.part { None } else { subject.about(app).await? };
    let page = subject.page(app, caller, form, about);
    Ok((StatusCode::OK, page).into_response())
}

async fn read(request: Request) -> Result<Sent, ApiError> {
    let body = read_body(request.into_body(), MAX_BODY).await?;
    let sent = Sent::read(&pairs(&body)?);
    Ok(match sent.token.parse::<JobId>() {
        Ok(_) => sent,
        Err(_) => Sent { token: token(), ..sent },
    })
}
