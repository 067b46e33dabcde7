//! Ends what a program leaves behind.

use rustix::process::{Pid, Signal, kill_process};

/// Kills every child of this process. Their own children become children of this process by that (it is their
/// subreaper), so repeating this at every child's end comes to an end itself.
pub(super) fn kill_all() {
    for child in children() {
        // It may have ended meanwhile, which is what is wanted; it cannot be another process, as it was not reaped.
        let _ = kill_process(child, Signal::KILL);
    }
}

#[cfg(target_os = "linux")]
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let parse = |text: String| {
        let numbers = text.split_whitespace();
        numbers.filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
    };
    // A guard has one thread, so its children are those of that thread.
    std::fs::read_to_string(format!("/proc/self/task/{own}/children")).map_or_else(|_| children_by_scan(own), parse)
}

/// For kernels without `CONFIG_PROC_CHILDREN`.
#[cfg(target_os = "linux")]
fn children_by_scan(own: u32) -> Vec<Pid> {
    let parent_of = |pid: i32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // `PID (NAME) STATE PPID …`, where the name may hold anything.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| parent_of(pid) == Some(own))
        .filter_map(Pid::from_raw)
        .collect()
}

/// Without a subreaper, processes that left their group cannot be found.
#[cfg(not(target_os = "linux"))]
fn children() -> Vec<Pid> {
    Vec::new()
}
