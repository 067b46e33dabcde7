//! A program on a terminal of its own, and somebody who types at it.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program whose stdin, stdout and stderr are one terminal.
pub struct Terminal {
    master: File,
    child: Child,
    pieces: Receiver<Vec<u8>>,
    /// All that was written so far, and how much of it was looked at.
    seen: String,
    looked_at: usize,
}

impl Terminal {
    /// Starts a program on a terminal of 100 columns and 20 lines.
    pub fn start(command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 20, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let open =
            || -> OwnedFd { rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap() };
        // A session of its own, whose terminal this is: so that Ctrl-C becomes a signal.
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        session.env("TERM", "xterm").stdin(open()).stdout(open()).stderr(open());
        let child = session.spawn().unwrap();
        drop(session);
        let master = File::from(master);
        let (send, pieces) = mpsc::channel();
        let mut reader = master.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Once nobody has the terminal open any more, reading from it fails.
            while let Ok(read) = reader.read(&mut bytes) {
                if read == 0 || send.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { master, child, pieces, seen: String::new(), looked_at: 0 }
    }

    /// Waits until a text is written, after those that were waited for before.
    pub fn expect(&mut self, text: &str) {
        let began = Instant::now();
        loop {
            if let Some(found) = self.seen[self.looked_at..].find(text) {
                self.looked_at += found + text.len();
                return;
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.seen += &String::from_utf8_lossy(&piece),
                Err(_) => panic!("{text:?} did not come: {:?}", self.seen),
            }
        }
    }

    /// Types keys.
    pub fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the program's end, and gives its status and all that was written.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        while let Ok(piece) = self.pieces.recv_timeout(PATIENCE) {
            self.seen += &String::from_utf8_lossy(&piece);
        }
        (status, std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
