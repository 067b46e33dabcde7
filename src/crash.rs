//! Named points at which tests kill the program, to see what it makes of that after its next start.
//!
//! They exist with the feature `crash-points` alone, which only this package's own tests switch on: in every other
//! build [`reached`] is empty, and nothing of this is in the program.
//!
//! `JOBWRIGHT_TEST_CRASH=POINT:N` ends the process with SIGKILL when it reaches that point for the Nth time: no
//! destructor runs, no buffer is written, nobody is told. `POINT:N:MILLISECONDS` holds whoever has reached the point for
//! that long first, while everything else goes on. Points of a guard count guards: the Nth one that is started dies when
//! it gets there.

macro_rules! points {
    ($($(#[doc = $doc:literal])+ $point:ident,)+) => {
        /// A step between a request and its acknowledgement, or between an event and its record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Point {
            $($(#[doc = $doc])+ $point,)+
        }

        impl Point {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// Its name, as the variable gives it.
            #[cfg(feature = "crash-points")]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => stringify!($point),)+
                }
            }
        }
    };
}

points! {
    // The store's folder
    /// The folder for new records is there, and empty.
    FolderBegun,
    /// New records are complete and durable, and do not count yet.
    FolderFilled,
    /// Nothing says any more how many batches there must be.
    FolderUncounted,
    /// The new content of a small file is durable beside the old one.
    FileWritten,
    /// A small file has its new content, which may not be durable.
    FileReplaced,
    /// The new records count, under their name from when they did not.
    FolderUnnamed,
    /// The new records have their name, and the old ones are still there.
    FolderNamed,
    /// The records are open; nothing was read.
    StoreOpened,
    /// All is open, and it is not noted how far the records go.
    StoreClosing,

    // The store's writer
    /// Changes were taken out of the queue.
    WriterTook,
    /// Changes are planned, and not applied.
    WriterPlanned,
    /// Changes are applied in memory.
    BackendApplied,
    /// sled has flushed; nothing was synced.
    BackendFlushed,
    /// Large pages are synced, the file of the records is not.
    BackendHalfSynced,
    /// All is durable; nobody was told.
    BackendSynced,
    /// Somebody was told; subscribers were not.
    WriterAnswered,
    /// All were told.
    WriterPublished,
    /// A record is deleted, and its history is still there.
    SweepBegun,
    /// A part of a long history is deleted.
    SweepHalfDone,
    /// A history is deleted, as far as memory goes.
    SweepDone,
    /// What an earlier crash left of deleted jobs was removed, and that is not durable yet.
    SweptAtStart,
    /// Retention has submitted its deletions.
    RetentionSubmitted,
    /// Retention's deletions are durable.
    RetentionDone,

    // Export, import, compaction
    /// A part of an import into an empty folder is applied.
    ImportApplied,
    /// An imported job is submitted to records that there were.
    ImportSubmitted,
    /// An imported job is durable in records that there were.
    ImportSettled,
    /// All rows are copied by a compaction, in memory.
    CompactionCopied,
    /// The copy is durable and compared.
    CompactionCompared,

    // Launching
    /// A launch is checked and rendered; nothing of it is on record.
    LaunchChecked,
    /// Its intent is submitted.
    LaunchSubmitted,
    /// Its intent is durable; its object may be there or not.
    LaunchDurable,
    /// The launch is about to be answered.
    LaunchAnswering,
    /// A repeated launch is about to be answered.
    RepeatAnswering,
    /// A rerun is asked for.
    RerunBegun,
    /// The object is about to be created.
    CreateBegun,
    /// The executor has said what came of the creation; it is not on record.
    CreateAnswered,
    /// What came of the creation is submitted.
    CreateNoted,
    /// A job that was cancelled before its creation will not be created; that is not on record.
    Withdrawing,
    /// An object was looked at by its name; what was found is not on record.
    LookedAgain,

    // Facts
    /// A fact was taken in; it is not submitted.
    FactLearned,
    /// It is submitted.
    FactSubmitted,
    /// It is durable.
    FactDurable,
    /// A report has come; nothing was done with it.
    ReportBegun,
    /// A report is durable, and is about to be answered.
    ReportDurable,
    /// The executor has shown a change.
    EvidenceShown,
    /// That is submitted.
    EvidenceNoted,
    /// The executor has shown its list.
    EvidenceListed,
    /// That is compared, and what follows is submitted.
    EvidenceCompared,

    // Cancelling
    /// The wish to cancel is durable; nobody was told.
    CancelDurable,
    /// The executor is about to be told.
    CancelBegun,
    /// The executor has been told.
    CancelDone,

    // Logs
    /// A log is read, and not on record.
    LogRead,
    /// A log is on record as far as it goes.
    LogPut,
    /// All of a log is on record.
    LogKept,

    // Deleting
    /// An object's time to live is over.
    TtlDue,
    /// The object is deleted, which is not on record.
    TtlDeleted,
    /// That is submitted.
    TtlNoted,
    /// A job is to be deleted, and its object is still there.
    DeleteBegun,
    /// Its object is deleted, its record is not.
    DeleteObjectGone,
    /// The deletion of its record is submitted.
    DeleteSubmitted,
    /// It is durable, and about to be answered.
    DeleteDurable,

    // Start and stop
    /// The jobs that are not settled were read.
    Recovered,
    /// Each of them was taken up.
    TakenUp,
    /// All tasks have ended; what they learned may not be durable.
    Stopped,
    /// All that was learned is durable.
    Settled,

    // Kubernetes
    /// A create is about to be sent.
    PostSending,
    /// The head of the answer to a create is there; its body was not read.
    PostAnswering,
    /// The answer to a create was read.
    PostAnswered,
    /// A delete is about to be sent.
    DeleteSending,
    /// The head of the answer to a delete is there; its body was not read.
    DeleteAnswering,
    /// The answer to a delete was read.
    DeleteAnswered,
    /// The name of an object to be created is taken, and it is about to be looked at.
    LookSending,
    /// That it is taken by the job's own object is known.
    LookAnswered,

    // Processes
    /// An object's folder is complete, and not in its place.
    ObjectStaged,
    /// It is in its place, which may not be durable.
    ObjectPlaced,
    /// It is durable; nothing was started.
    ObjectDurable,
    /// It is known, and is being carried on.
    ObjectKnown,
    /// A container's folder is made; its guard is not started.
    ContainerBegun,
    /// A guard is started, and knows nothing yet.
    GuardSpawned,
    /// It has its instructions.
    GuardInstructed,
    /// A guard has told that its program runs.
    StartHeard,
    /// A guard has told how its program ended.
    EndHeard,
    /// An object has ended, which is not on disk.
    EndUnwritten,
    /// That is on disk, and not shown.
    EndWritten,
    /// That an object is to be stopped is on disk; it was not stopped.
    StopWritten,
    /// An object is taken out of its place, which may not be durable.
    ObjectTakenAway,
    /// What was in it is deleted.
    ObjectDisposed,
    /// At the start: that nothing tells how an object ended is about to be put on disk.
    LossUnwritten,
    /// That is on disk.
    LossWritten,
    /// At the start: an object that has not ended is about to be carried on.
    ObjectGoesOn,

    // Guards
    /// A guard has read its instructions; nothing was started.
    GuardReady,
    /// A guard has told that its program runs.
    GuardTold,
    /// A guard's program has ended, and that is not on disk.
    GuardReaped,
    /// How it ended is on disk; the service was not told.
    GuardWritten,
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::Point;

    /// Names the point to die at, and the time: `LaunchDurable:2`.
    pub const VARIABLE: &str = "JOBWRIGHT_TEST_CRASH";

    struct Plan {
        point: Point,
        time: u32,
        hold: Duration,
        reached: AtomicU32,
    }

    impl Plan {
        /// A variable that cannot be read must not pass for one that is not set: the test would try nothing.
        fn read(text: &str) -> Self {
            Self::parse(text)
                .unwrap_or_else(|| die(&format!("{VARIABLE}={text}: expected POINT:N or POINT:N:MILLISECONDS")))
        }

        fn parse(text: &str) -> Option<Self> {
            let mut parts = text.split(':');
            let name = parts.next()?;
            let point = Point::ALL.iter().copied().find(|point| point.name() == name)?;
            let time = parts.next()?.parse().ok()?;
            let hold = Duration::from_millis(parts.next().map_or(Ok(0), str::parse).ok()?);
            Some(Self { point, time, hold, reached: AtomicU32::new(0) })
        }

        fn is_time(&self) -> bool {
            self.reached.fetch_add(1, Ordering::Relaxed) + 1 == self.time
        }
    }

    fn plan() -> Option<&'static Plan> {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        PLAN.get_or_init(|| std::env::var(VARIABLE).ok().map(|text| Plan::read(&text))).as_ref()
    }

    impl Point {
        /// Whether it is a guard that reaches it, which is a process of its own.
        pub const fn is_of_guards(self) -> bool {
            matches!(self, Self::GuardReady | Self::GuardTold | Self::GuardReaped | Self::GuardWritten)
        }
    }

    /// Says that a point is reached. Does not return if that is where the process is to die.
    pub fn reached(point: Point) {
        if let Some(plan) = plan()
            && plan.point == point
            && plan.is_time()
        {
            #[expect(clippy::disallowed_methods, reason = "the time itself is what is tried")]
            std::thread::sleep(plan.hold);
            die(&format!("crash point {}", point.name()));
        }
    }

    /// What the next guard has to know, should it be the one to die.
    pub(crate) fn for_guard() -> Option<(&'static str, String)> {
        let plan = plan().filter(|plan| plan.point.is_of_guards() && plan.is_time())?;
        Some((VARIABLE, format!("{}:1:{}", plan.point.name(), plan.hold.as_millis())))
    }

    /// The words are for whoever reads what the process said last.
    fn die(words: &str) -> ! {
        use std::io::Write;
        let _nobody_reads = writeln!(std::io::stderr(), "{words}");
        let _cannot_fail = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(feature = "crash-points")]
pub(crate) use armed::for_guard;
#[cfg(feature = "crash-points")]
pub use armed::{VARIABLE, reached};

/// Does nothing: there are no crash points in this build.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub const fn reached(_: Point) {}

#[cfg(not(feature = "crash-points"))]
pub(crate) const fn for_guard() -> Option<(&'static str, String)> {
    None
}
