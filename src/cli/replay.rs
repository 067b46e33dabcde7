//! `jobwright replay`: what a change of the templates would have changed for the jobs that were launched.

use std::collections::BTreeMap;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::Value;

use super::client::{Client, ServerArgs};
use super::diff::VersionArgs;
use super::diff::compare::{self, Case, Compared, Input, Parameters};
use super::jobs::{FilterArgs, Moment, collect};

/// Shows what changes in the manifests of recorded jobs since a revision
///
/// Takes the parameters of jobs that a server has on record, renders them with the templates as they were in a revision
/// of the git repository and as they are in the folder now, and shows how the manifests differ. Nothing is launched. Jobs
/// with the same parameters count as one input. Secrets are on record as their mask alone, and rendered as that.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  jobwright replay                                       the jobs of the last 7 days, against what is committed
  jobwright replay --base origin/main --since 30d        what this branch would have changed
  jobwright replay --template nightly-report --fail-on break

Exit codes: 0 nothing that --fail-on names, 1 something, 2 wrong usage, or no comparison can be made.")]
pub struct ReplayArgs {
    /// Only jobs created at this time or later: RFC 3339, or how long ago (1h30m, 7d)
    #[arg(long, value_name = "TIME", default_value = "7d", env = "JOBWRIGHT_SINCE")]
    since: Moment,

    /// Only jobs created before this time
    #[arg(long, value_name = "TIME", env = "JOBWRIGHT_UNTIL")]
    until: Option<Moment>,

    /// At most so many jobs, the newest
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        env = "JOBWRIGHT_LIMIT",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    limit: u64,

    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    versions: VersionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Compares, and shows what changes.
///
/// # Errors
/// When stdout cannot be written to. That no comparison can be made is told with an exit code of its own.
pub fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    args.versions.told(comparison(&args))
}

fn comparison(args: &ReplayArgs) -> anyhow::Result<Vec<Compared>> {
    let versions = args.versions.load()?;
    let client = Client::new(&args.server)?;
    let now = Timestamp::now();
    let (since, until) = (Some(args.since.resolve(now)), args.until.map(|it| it.resolve(now)));
    let (jobs, _) = collect(&client, &args.filter, since, until, args.limit)?;
    Ok(compare::cases(&versions.base, &versions.now, cases(&jobs)))
}

/// The inputs of jobs, newest first in each template; those with the same parameters once, as the newest of them.
fn cases(jobs: &[Value]) -> Vec<Case> {
    let mut known: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut cases: Vec<(Case, usize)> = Vec::new();
    for job in jobs {
        let text = |field: &str| job[field].as_str().unwrap_or_default();
        // Those of a job that was found on its executor are not known.
        let Some(parameters) = job["parameters"].as_object() else {
            continue;
        };
        match known.get(&(text("template"), job["parameters"].to_string())) {
            Some(index) => cases[*index].1 += 1,
            None => {
                known.insert((text("template"), job["parameters"].to_string()), cases.len());
                let input = Input::Job { id: text("id").to_owned(), others: 0 };
                let parameters: Parameters = parameters.clone();
                cases.push((Case { template: text("template").to_owned(), input, parameters }, 0));
            }
        }
    }
    cases.sort_by(|(one, _), (other, _)| one.template.cmp(&other.template));
    let counted = |(case, others): (Case, usize)| match case.input {
        Input::Job { id, .. } => Case { input: Input::Job { id, others }, ..case },
        _ => case,
    };
    cases.into_iter().map(counted).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn jobs_with_the_same_parameters_are_one_input() {
        let job = |id: &str, template: &str, name: &str| json!({"id": id, "template": template, "parameters": {"name": name}});
        let unknown = json!({"id": "k0", "template": "hello", "parameters": null});
        let jobs = [
            job("k4", "hello", "Ada"),
            job("k3", "hello", "Grace"),
            job("k2", "fan-out", "Ada"),
            job("k1", "hello", "Ada"),
            unknown,
        ];
        let cases: Vec<_> = cases(&jobs).into_iter().map(|case| (case.template, case.input)).collect();
        let of = |id: &str, others| Input::Job { id: id.to_owned(), others };
        let expected = [("fan-out", of("k2", 0)), ("hello", of("k4", 1)), ("hello", of("k3", 0))];
        assert_eq!(cases, expected.map(|(template, input)| (template.to_owned(), input)));
    }
}
