//! What a service that is killed leaves behind it, and how that is looked at from outside: by no code of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::history::Rules;
use crate::instance::pause;
use crate::journal::Journal;
use crate::support::Setup;

/// A place where jobs run, with a data folder.
pub trait World: Sync {
    /// Folders and flags of the service.
    fn setup(&self) -> &Setup;

    /// What its histories may show.
    fn rules(&self) -> Rules;

    /// Puts on record which objects there are or were, and what has run.
    fn look(&self, journal: &Journal);

    /// The service is down and not yet up again: puts on record which jobs have come to grief by that.
    fn look_at_wreck(&self, journal: &Journal);

    /// The jobs that have an object now.
    fn objects(&self) -> BTreeSet<String>;

    /// Whether requests to the API server can be made to hang.
    fn can_hang(&self) -> bool {
        false
    }

    /// Lets the next request of this kind hang, carried out or not, where that can be done.
    fn hang_next(&self, _wanted: &'static str, _carried_out: bool) {}

    /// Waits until a request has come to hang, for this long at most. Says whether one has.
    fn hangs(&self, most: Duration) -> bool {
        pause(most);
        false
    }

    /// Lets everything come to what it should again.
    fn heal(&self) {}

    /// Lets the next creations meet a name that is taken, and free again when it is looked at. Says `false` where that
    /// cannot be done.
    fn withhold_names(&self) -> bool {
        false
    }

    /// How long a job takes here whose command ends at once.
    fn pace(&self) -> Duration {
        Duration::from_millis(400)
    }

    /// How long it may take until nothing is left to be done.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// The two templates of all campaigns: `brief`, whose object is to go as soon as it has ended, and `steady`.
///
/// A job's command leaves a mark: the UID of its object, in a file of the job's name. It fails by another exit code than
/// the one it was told if it does not get its secret.
pub fn setup(image: &str, more: &str) -> Setup {
    let setup = Setup::new();
    std::fs::create_dir(setup.path().join("marks")).unwrap();
    let (brief, steady) =
        (template("brief", "ttlSecondsAfterFinished: 0", image, more), template("steady", "", image, more));
    setup.template("brief", &brief).template("steady", &steady)
}

fn template(name: &str, ttl: &str, image: &str, more: &str) -> String {
    format!(
        r#"---
title: A task
parameters:
  type: object
  required: [code, pause, secret]
  properties:
    code:   {{type: integer, minimum: 0, maximum: 99}}
    pause:  {{type: string}}
    secret: {{type: string, writeOnly: true}}
settings:
  marks: {{type: string, default: ""}}
examples:
  one: {{code: 0, pause: "0", secret: x}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  backoffLimit: 0
  {ttl}
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: "{image}"
          {more}
          command:
            - sh
            - -c
            - |
              [ -z "$MARKS" ] || echo "$OBJECT" >> "$MARKS/$JOB"
              echo "$JOB begins"
              [ "$SECRET" = "s-$JOB" ] || exit 99
              [ "$PAUSE" = 0 ] || sleep "$PAUSE"
              exit "$CODE"
          env:
            - {{name: JOB, value: "{{{{job.id}}}}"}}
            - {{name: CODE, value: "{{{{params.code}}}}"}}
            - {{name: PAUSE, value: "{{{{params.pause}}}}"}}
            - {{name: SECRET, value: "{{{{params.secret}}}}"}}
            - {{name: MARKS, value: "{{{{settings.marks}}}}"}}
            - name: OBJECT
              valueFrom: {{fieldRef: {{fieldPath: "metadata.labels['batch.kubernetes.io/controller-uid']"}}}}
          resources: {{requests: {{cpu: 1m}}, limits: {{cpu: 100m, memory: 32Mi}}}}
"#
    )
}
