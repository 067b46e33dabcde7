//! How a process comes to each crash point: what it has to be told to do, and what must have happened before.

use jobwright::crash::Point;

/// What is done with a data folder until the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// The service works, and dies.
    Serve,
    /// The service works, and is told to stop.
    Stop,
    /// `jobwright store compact`.
    Compact,
    /// `jobwright store import` into an empty folder.
    ImportAnew,
    /// `jobwright store import` into a folder with jobs.
    ImportMore,
}

/// Where jobs must run for a point to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Anywhere,
    Processes,
    Kubernetes,
}

/// How a process comes to a point.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub errand: Errand,
    pub place: Place,
    /// A kill at this point must come before, when it is reached for the Nth time.
    pub after: Option<(Point, u32)>,
    /// How many reports a job must have when it is deleted.
    pub reports: u64,
    /// Whether the service must forget old jobs.
    pub forgets: bool,
    /// Whether names of objects must be withheld for a while.
    pub withholds: bool,
}

impl Way {
    const SERVE: Self = Self {
        errand: Errand::Serve,
        place: Place::Anywhere,
        after: None,
        reports: 2,
        forgets: false,
        withholds: false,
    };

    const fn to(errand: Errand) -> Self {
        Self { errand, ..Self::SERVE }
    }

    const fn on(place: Place) -> Self {
        Self { place, ..Self::SERVE }
    }

    const fn after(self, point: Point) -> Self {
        self.after_nth(point, 1)
    }

    const fn after_nth(self, point: Point, time: u32) -> Self {
        Self { after: Some((point, time)), ..self }
    }

    /// The way to a point.
    pub fn of(point: Point) -> Self {
        use Point as P;
        match point {
            P::FolderBegun | P::FolderFilled | P::FolderUncounted | P::FolderUnnamed | P::FolderNamed => {
                Self::to(Errand::Compact)
            }
            P::FileWritten | P::FileReplaced => Self::to(Errand::ImportAnew),
            P::CompactionCopied | P::CompactionCompared => Self::to(Errand::Compact),
            P::ImportApplied => Self::to(Errand::ImportAnew),
            P::ImportSubmitted | P::ImportSettled => Self::to(Errand::ImportMore),
            P::StoreClosing | P::Stopped | P::Settled => Self::to(Errand::Stop),
            P::StoreOpened
            | P::WriterTook
            | P::WriterPlanned
            | P::BackendApplied
            | P::BackendFlushed
            | P::BackendHalfSynced
            | P::BackendSynced
            | P::WriterAnswered
            | P::WriterPublished
            | P::SweepBegun
            | P::SweepDone => Self::SERVE,
            P::SweepHalfDone => Self { reports: 60, ..Self::SERVE },
            // So much of a sweep that the writer syncs before it is over.
            P::SweptAtStart => Self { reports: 1000, ..Self::SERVE.after_nth(P::SweepHalfDone, 12) },
            P::RetentionSubmitted | P::RetentionDone => Self { forgets: true, ..Self::SERVE },
            P::LaunchChecked
            | P::LaunchSubmitted
            | P::LaunchDurable
            | P::LaunchAnswering
            | P::RepeatAnswering
            | P::RerunBegun
            | P::CreateBegun
            | P::CreateAnswered
            | P::CreateNoted
            | P::FactLearned
            | P::FactSubmitted
            | P::FactDurable
            | P::ReportBegun
            | P::ReportDurable
            | P::EvidenceShown
            | P::EvidenceNoted
            | P::EvidenceListed
            | P::EvidenceCompared
            | P::CancelDurable
            | P::CancelBegun
            | P::CancelDone
            | P::LogRead
            | P::LogPut
            | P::LogKept
            | P::TtlDue
            | P::TtlDeleted
            | P::TtlNoted
            | P::DeleteBegun
            | P::DeleteObjectGone
            | P::DeleteSubmitted
            | P::DeleteDurable
            | P::Recovered
            | P::TakenUp => Self::SERVE,
            P::LookedAgain => Self::SERVE.after(P::LaunchDurable),
            P::Withdrawing => Self { withholds: true, ..Self::on(Place::Kubernetes) },
            P::PostSending
            | P::PostAnswering
            | P::PostAnswered
            | P::DeleteSending
            | P::DeleteAnswering
            | P::DeleteAnswered => Self::on(Place::Kubernetes),
            P::LookSending | P::LookAnswered => Self::on(Place::Kubernetes).after(P::PostAnswered),
            P::ObjectStaged
            | P::ObjectPlaced
            | P::ObjectDurable
            | P::ObjectKnown
            | P::ContainerBegun
            | P::GuardSpawned
            | P::GuardInstructed
            | P::StartHeard
            | P::EndHeard
            | P::EndUnwritten
            | P::EndWritten
            | P::StopWritten
            | P::ObjectTakenAway
            | P::ObjectDisposed
            | P::GuardReady
            | P::GuardTold
            | P::GuardReaped
            | P::GuardWritten => Self::on(Place::Processes),
            P::LossUnwritten | P::LossWritten => Self::on(Place::Processes).after(P::StartHeard),
            P::ObjectGoesOn => Self::on(Place::Processes).after(P::ObjectDurable),
        }
    }
}
