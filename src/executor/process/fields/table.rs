//! The table itself: one entry a field, object by object.

use super::Fields;
use super::Rule::{Each, Honoured, Ignored, Object, Only, Refused};

const CONFINES: &str = "it only takes rights from a container, and a process has those of the service";
const PLACE: &str = "this machine is the only place";
const NO_PULL: &str = "no image is pulled";
const NO_PROBES: &str = "nothing probes a process here; remove it, or run this job on Kubernetes";
const NO_VOLUMES: &str = "a process has no mounts; let the job use its working folder, or run it on Kubernetes";
const NO_REFERENCES: &str =
    "there are no ConfigMaps and Secrets here; give the value itself, or run this job on Kubernetes";

const SECURITY: Fields = &[
    ("allowPrivilegeEscalation", Ignored(CONFINES)),
    ("appArmorProfile", Ignored(CONFINES)),
    (
        "capabilities",
        Object(&[
            ("drop", Ignored(CONFINES)),
            ("add", Refused("a process gets no capabilities of its own; remove it")),
        ]),
    ),
    ("fsGroup", Ignored("there are no volumes to own")),
    ("fsGroupChangePolicy", Ignored("there are no volumes to own")),
    ("privileged", Only(&["false"], "a process has the rights of the service and no more; remove it")),
    ("procMount", Only(&["\"Default\""], "a process sees the machine's own /proc; remove it")),
    ("readOnlyRootFilesystem", Ignored(CONFINES)),
    ("runAsGroup", Ignored(CONFINES)),
    ("runAsNonRoot", Ignored(CONFINES)),
    ("runAsUser", Ignored(CONFINES)),
    ("seLinuxOptions", Ignored(CONFINES)),
    ("seccompProfile", Ignored(CONFINES)),
    ("supplementalGroups", Ignored("there are no volumes to share")),
    ("supplementalGroupsPolicy", Ignored("there are no volumes to share")),
    ("sysctls", Refused("a process shares the machine's kernel settings; remove it")),
    ("windowsOptions", Refused("this is no Windows machine; remove it")),
];

const ENV: Fields = &[
    ("name", Honoured),
    ("value", Honoured),
    (
        "valueFrom",
        Object(&[
            ("fieldRef", Object(&[("apiVersion", Ignored("there is one version")), ("fieldPath", Honoured)])),
            ("configMapKeyRef", Refused(NO_REFERENCES)),
            ("secretKeyRef", Refused(NO_REFERENCES)),
            ("resourceFieldRef", Refused("resources are not limited here; give the value itself")),
            ("fileKeyRef", Refused(NO_REFERENCES)),
        ]),
    ),
];

const CONTAINER: Fields = &[
    ("name", Honoured),
    ("image", Honoured),
    ("command", Honoured),
    ("args", Honoured),
    ("env", Each(ENV)),
    ("envFrom", Refused(NO_REFERENCES)),
    ("imagePullPolicy", Ignored(NO_PULL)),
    ("lifecycle", Refused("nothing calls hooks here; remove it, or run this job on Kubernetes")),
    ("livenessProbe", Refused(NO_PROBES)),
    ("ports", Ignored("they are information; a process listens where it wants")),
    ("readinessProbe", Refused(NO_PROBES)),
    ("resizePolicy", Ignored("resources are not limited here")),
    (
        "resources",
        Object(&[
            ("limits", Ignored("resources are not limited here")),
            ("requests", Ignored(PLACE)),
            ("claims", Refused("there are no devices to claim here; remove it")),
        ]),
    ),
    ("restartPolicy", Refused("sidecars are not started here; make it a container of its own")),
    ("restartPolicyRules", Refused("restarts follow the pod's restartPolicy here; remove it")),
    ("securityContext", Object(SECURITY)),
    ("startupProbe", Refused(NO_PROBES)),
    ("stdin", Only(&["false"], "a process has no standard input here; remove it")),
    ("stdinOnce", Only(&["false"], "a process has no standard input here; remove it")),
    ("terminationMessagePath", Ignored("it changes no run, only the message that is shown after it")),
    ("terminationMessagePolicy", Ignored("it changes no run, only the message that is shown after it")),
    ("tty", Only(&["false"], "a process has no terminal here; remove it")),
    ("volumeDevices", Refused(NO_VOLUMES)),
    ("volumeMounts", Refused(NO_VOLUMES)),
    ("workingDir", Refused("a container runs in a folder of its own, which is also its HOME; remove it")),
];

const POD: Fields = &[
    ("containers", Each(CONTAINER)),
    ("initContainers", Each(CONTAINER)),
    ("restartPolicy", Only(&["\"Never\"", "\"OnFailure\""], "a Job's pods restart `Never` or `OnFailure`")),
    ("terminationGracePeriodSeconds", Honoured),
    ("activeDeadlineSeconds", Refused("a pod has no deadline of its own here; set spec.activeDeadlineSeconds")),
    ("affinity", Ignored(PLACE)),
    (
        "automountServiceAccountToken",
        Only(&["false"], "there is no token to mount here; set it to false, or run this job on Kubernetes"),
    ),
    ("dnsConfig", Refused("a process uses the machine's own name resolution; remove it")),
    ("dnsPolicy", Only(&["\"Default\"", "\"ClusterFirst\""], "a process uses the machine's own name resolution")),
    ("enableServiceLinks", Ignored("there are no services to link")),
    ("ephemeralContainers", Refused("there are none in a Job")),
    ("hostAliases", Refused("a process uses the machine's own name resolution; remove it")),
    ("hostIPC", Ignored("a process shares the machine's IPC in any case")),
    ("hostNetwork", Ignored("a process uses the machine's network in any case")),
    ("hostPID", Ignored("a process shares the machine's processes in any case")),
    ("hostUsers", Ignored(CONFINES)),
    ("hostname", Refused("a process has the machine's own host name; remove it")),
    ("hostnameOverride", Refused("a process has the machine's own host name; remove it")),
    ("imagePullSecrets", Ignored(NO_PULL)),
    ("nodeName", Ignored(PLACE)),
    ("nodeSelector", Ignored(PLACE)),
    ("os", Object(&[("name", Only(&["\"linux\""], "programs of this machine are run"))])),
    ("overhead", Ignored("resources are not limited here")),
    ("preemptionPolicy", Ignored(PLACE)),
    ("priority", Ignored(PLACE)),
    ("priorityClassName", Ignored(PLACE)),
    ("readinessGates", Refused(NO_PROBES)),
    ("resourceClaims", Refused("there are no devices to claim here; remove it")),
    ("resources", Object(&[("limits", Ignored("resources are not limited here")), ("requests", Ignored(PLACE))])),
    ("runtimeClassName", Refused("a process has no container runtime; remove it")),
    ("schedulerName", Ignored(PLACE)),
    ("schedulingGates", Refused("nothing would open the gate here; remove it")),
    ("securityContext", Object(SECURITY)),
    (
        "serviceAccount",
        Only(&["\"default\""], "a process has no service account; remove it, or run this job on Kubernetes"),
    ),
    (
        "serviceAccountName",
        Only(&["\"default\""], "a process has no service account; remove it, or run this job on Kubernetes"),
    ),
    ("setHostnameAsFQDN", Only(&["false"], "a process has the machine's own host name; remove it")),
    ("shareProcessNamespace", Ignored("a process shares the machine's processes in any case")),
    ("subdomain", Refused("a process has the machine's own host name; remove it")),
    ("tolerations", Ignored(PLACE)),
    ("topologySpreadConstraints", Ignored(PLACE)),
    ("volumes", Refused(NO_VOLUMES)),
];

const METADATA: Fields = &[
    ("name", Honoured),
    ("generateName", Ignored("the object's name is Jobwright's")),
    ("namespace", Ignored("there is one namespace, `local`")),
    ("labels", Honoured),
    ("annotations", Honoured),
    ("creationTimestamp", Ignored("Jobwright sets it")),
    ("finalizers", Refused("nothing would remove the finalizer here; remove it")),
    ("ownerReferences", Refused("there are no other objects here; remove it")),
];

const SPEC: Fields = &[
    ("activeDeadlineSeconds", Honoured),
    ("backoffLimit", Honoured),
    ("backoffLimitPerIndex", Honoured),
    ("completionMode", Honoured),
    ("completions", Honoured),
    ("managedBy", Refused("no other controller runs here; remove it")),
    ("manualSelector", Refused("pods are never selected by labels here; remove it")),
    ("maxFailedIndexes", Honoured),
    ("parallelism", Honoured),
    ("podFailurePolicy", Refused("every failure counts the same here; remove it, or run this job on Kubernetes")),
    ("podReplacementPolicy", Ignored("a pod is replaced when it has ended, in any case")),
    ("selector", Refused("pods are never selected by labels here; remove it")),
    ("successPolicy", Refused("every completion must succeed here; remove it, or run this job on Kubernetes")),
    ("suspend", Honoured),
    ("template", Object(&[("metadata", Object(METADATA)), ("spec", Object(POD))])),
    ("ttlSecondsAfterFinished", Honoured),
];

/// All of a Job.
pub(super) const JOB: Fields = &[
    ("apiVersion", Only(&["\"batch/v1\""], "expected batch/v1")),
    ("kind", Only(&["\"Job\""], "expected a Job")),
    ("metadata", Object(METADATA)),
    ("spec", Object(SPEC)),
];
