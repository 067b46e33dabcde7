//! Subscribers that do not read, or a byte now and then. The service may cut them off, and must not buffer for them
//! without bound; what they miss they get when they come back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, interval, sleep_until, timeout};

use crate::server::Failure;
use crate::stream::{Read, Stream, Told};
use crate::subscribers::{ALL, written};
use crate::world::{PATIENCE, World, id};

/// How long they are slow. What they miss meanwhile is still on record afterwards.
const SLOW: Duration = Duration::from_secs(40);
/// What they let the system keep for them, in bytes.
const NARROW: u32 = 4096;
/// What may be on its way to a reader that does not read: the buffers of both systems, and less than a mebibyte of the
/// service's own.
const ON_THE_WAY: u64 = 12 << 20;

/// Follow everything, and stop reading.
pub async fn that_stop(world: Arc<World>) {
    follow(&world, false).await;
}

/// Follow everything, and take a byte now and then.
pub async fn that_trickle(world: Arc<World>) {
    follow(&world, true).await;
}

async fn follow(world: &World, trickle: bool) {
    let mut last = 0;
    while !world.over.is_cancelled() && !world.is_broken() {
        let mut slow = Slow { world, last, trickle };
        tokio::select! {
            outcome = slow.visit() => {
                last = slow.last;
                if let Err(error) = outcome {
                    world.fault(format!("a slow reader, at event {last}: {error}"));
                }
            }
            () = world.over.cancelled() => return,
        }
    }
}

struct Slow<'a> {
    world: &'a World,
    last: u64,
    trickle: bool,
}

impl Slow<'_> {
    /// Catches up, is slow for a while, and then reads until it is cut off or up to date again.
    async fn visit(&mut self) -> Result<(), Failure> {
        let after = (self.last > 0).then_some(self.last);
        let mut stream = Stream::open_narrow(&self.world.address, ALL, after, Some(NARROW)).await?;
        let now = self.world.seen.load(Ordering::SeqCst);
        if !self.read_up_to(&mut stream, now).await? {
            self.world.add("slow readers cut off while they caught up", 1);
            return Ok(());
        }
        be_slow(&mut stream, self.trickle).await?;
        let (before, now) = (stream.received, self.world.seen.load(Ordering::SeqCst));
        let kept = self.read_up_to(&mut stream, now).await?;
        let on_the_way = stream.received - before;
        self.world.most("bytes on their way to a slow reader, at most", on_the_way);
        if on_the_way > ON_THE_WAY {
            return Err(format!("{on_the_way} bytes were kept for it").into());
        }
        self.world.add(if kept { "slow readers that were served on" } else { "slow readers cut off" }, 1);
        Ok(())
    }

    /// Reads up to an event; says whether the service went on that far. Whatever comes is the next event that there is.
    async fn read_up_to(&mut self, stream: &mut Stream, event: u64) -> Result<bool, Failure> {
        while self.last < event {
            match timeout(PATIENCE, stream.next()).await?? {
                Told::Event(event) if self.last == 0 => self.last = event.id,
                Told::Event(event) if event.id > self.last => {
                    self.world.lacks("a slow reader", self.last, event.id);
                    self.last = event.id;
                }
                Told::Event(event) => return Err(format!("then came {}", event.id).into()),
                Told::Comment => {}
                Told::Cut => return Ok(false),
            }
        }
        Ok(true)
    }
}

async fn be_slow(stream: &mut Stream, trickle: bool) -> Result<(), Failure> {
    let end = Instant::now() + SLOW;
    if !trickle {
        sleep_until(end).await;
        return Ok(());
    }
    let mut now_and_then = interval(Duration::from_millis(100));
    while now_and_then.tick().await < end {
        // Its end is found by who reads on.
        if let Ok(outcome) = timeout(Duration::from_millis(100), stream.read(1)).await
            && outcome? != Read::More
        {
            break;
        }
    }
    Ok(())
}

/// Follow a long log in this way: what comes is what was written, to its end or to where they were cut off.
pub async fn of_logs(world: Arc<World>) {
    let mut jobs = world.chatterer.subscribe();
    while !world.is_broken() {
        let job = tokio::select! {
            changed = jobs.changed() => changed.map(|()| *jobs.borrow_and_update()).unwrap(),
            () = world.over.cancelled() => return,
        };
        tokio::select! {
            outcome = log(&world, job) => match outcome {
                Ok(Read::End) => world.add("slow readers of logs that were served to the end", 1),
                Ok(_) => world.add("slow readers of logs cut off", 1),
                Err(error) => world.fault(format!("a slow reader of the log of job {job}: {error}")),
            },
            () = world.over.cancelled() => return,
        }
    }
}

async fn log(world: &World, job: u64) -> Result<Read, Failure> {
    let path = format!("/api/v1/jobs/{}/logs?follow=true", id(job));
    let mut stream = Stream::open_narrow(&world.address, &path, None, Some(NARROW)).await?;
    be_slow(&mut stream, true).await?;
    let end = loop {
        match timeout(PATIENCE, stream.read(65_536)).await?? {
            Read::More => {}
            end => break end,
        }
    };
    let (came, whole) = (stream.body(), written(job));
    if !whole.as_bytes().starts_with(came) || (end == Read::End && came.len() != whole.len()) {
        return Err(format!("{end:?} after {} of {} bytes", came.len(), whole.len()).into());
    }
    Ok(end)
}
