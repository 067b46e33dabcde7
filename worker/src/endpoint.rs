//! Where reports go, and one report on its way there.

use std::fmt;
use std::time::Duration;

use clap::Args;
use ureq::Agent;

/// Where reports go.
#[derive(Debug, Clone, Args)]
pub struct EndpointArgs {
    /// The URL that reports are posted to: `{{callback.url}}` in a template
    #[arg(long, value_name = "URL", env = "JOBWRIGHT_CALLBACK_URL", hide_env_values = true)]
    pub api_end_point: Option<String>,
    /// The job's ID: `{{job.id}}` in a template
    #[arg(long, value_name = "ID", env = "JOBWRIGHT_JOB_ID")]
    pub job_id: Option<String>,
}

/// What is said in one report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The worker's words for where it stands.
    pub status: String,
    /// A sentence more.
    pub message: Option<String>,
    /// How far it is, 0 to 100.
    pub progress: Option<u8>,
    /// Its number: greater is newer.
    pub sequence: Option<u64>,
}

/// A report that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostError {
    /// What went wrong, without the URL: that is a secret.
    pub message: String,
    /// Whether sending the same again could help.
    pub passing: bool,
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A connection to where reports go. Connections are kept open between reports.
#[derive(Debug, Clone)]
pub struct Endpoint {
    agent: Agent,
    url: String,
    job_id: Option<String>,
}

impl Endpoint {
    /// Takes the endpoint from the arguments, if they name one.
    pub fn new(args: EndpointArgs) -> Option<Self> {
        let url = args.api_end_point.filter(|url| !url.is_empty())?;
        let agent = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_secs(10)))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("jobwright-worker/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Some(Self { agent, url, job_id: args.job_id })
    }

    /// Posts a report, once.
    ///
    /// # Errors
    /// If it is not accepted. A refusal is final, but for 408 and 429; anything else may pass.
    pub fn post(&self, report: &Report) -> Result<(), PostError> {
        let (progress, sequence) = (report.progress.map(|it| it.to_string()), report.sequence.map(|it| it.to_string()));
        let fields = [
            ("job-id", self.job_id.as_deref()),
            ("status", Some(report.status.as_str())),
            ("message", report.message.as_deref()),
            ("progress", progress.as_deref()),
            ("sequence", sequence.as_deref()),
        ];
        let form = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut response = self.agent.post(&self.url).send_form(form).map_err(|error| PostError {
            passing: !matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_)),
            message: error.to_string().replace(&self.url, "URL"),
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body = response.body_mut().with_config().limit(2_000).read_to_string().unwrap_or_default();
        let passing = !status.is_client_error() || matches!(status.as_u16(), 408 | 429);
        let said = body.trim().replace('\n', " ");
        let colon = if said.is_empty() { "" } else { ": " };
        Err(PostError { message: format!("the server answered {status}{colon}{said}"), passing })
    }
}
