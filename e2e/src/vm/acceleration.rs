//! Whether the CPU runs a guest's code itself (KVM) or qemu must emulate it: asked by trying.
//!
//! /dev/kvm alone says little: on some machines (nested, paravirtual) it is there, and an unmodified
//! kernel never gets to its first line.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::image::{self, NodeImage};
use super::qemu;
use crate::command::command;
use crate::error::{IoContext, Result};
use crate::{interrupt, paths};

const DEVICE: &str = "/dev/kvm";
/// The first line of every Linux kernel's log.
const FIRST_LINE: &str = "Linux version";
/// A CPU that can run the kernel needs well below a second to get there.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the machine's CPU works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceleration {
    /// By the hardware.
    Kvm,
    /// By qemu, some ten times slower.
    Emulated,
}

impl Acceleration {
    /// qemu's `-accel`.
    #[must_use]
    pub fn accel(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Emulated => "tcg,thread=multi",
        }
    }

    /// qemu's `-cpu`. An emulated one is a plain x86-64-v2: the wide vectors, string instructions
    /// and memory protection of newer ones are what emulation is slowest at (the start of a Python
    /// program took two to five times as long with `max`).
    #[must_use]
    pub fn cpu(self) -> &'static str {
        match self {
            Self::Kvm => "host",
            Self::Emulated => "Nehalem",
        }
    }

    /// What the kernel is told: an emulated TSC is the same on all CPUs, though the kernel cannot
    /// know (without it each look at the clock leaves the guest), and has no secrets to leak.
    #[must_use]
    pub fn kernel_words(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &[],
            Self::Emulated => &["tsc=reliable", "mitigations=off", "cryptomgr.notests"],
        }
    }

    /// How people call it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Kvm => "with hardware acceleration",
            Self::Emulated => "by software emulation",
        }
    }
}

/// What works on this machine: tried once per boot of it, then remembered in the cache.
///
/// # Errors
/// The answer cannot be kept, or the user interrupts.
pub fn detect(image: &NodeImage) -> Result<Acceleration> {
    let boot = paths::read_text(Path::new("/proc/sys/kernel/random/boot_id"))?;
    let answer = image::cache().join("acceleration");
    let kept = fs::read_to_string(&answer).unwrap_or_default();
    if let Some(known) = recall(&kept, &boot) {
        return Ok(known);
    }
    let works = Path::new(DEVICE).exists() && a_kernel_starts(image)?;
    let found = if works { Acceleration::Kvm } else { Acceleration::Emulated };
    paths::write_whole(&answer, record(found, &boot).as_bytes())?;
    Ok(found)
}

fn record(found: Acceleration, boot: &str) -> String {
    format!("{} {}", boot.trim(), found.accel())
}

/// The kept answer, if it is of this boot.
fn recall(kept: &str, boot: &str) -> Option<Acceleration> {
    [Acceleration::Kvm, Acceleration::Emulated].into_iter().find(|kind| kept == record(*kind, boot))
}

fn a_kernel_starts(image: &NodeImage) -> Result<bool> {
    let console = image::cache().join(format!("acceleration-{}.log", std::process::id()));
    let mut qemu = command(&[qemu::PROGRAM, "-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256"])
        .arg("-kernel")
        .arg(&image.kernel)
        .args(["-append", "console=ttyS0 panic=-1"])
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .doing(|| format!("start {}", qemu::PROGRAM))?;
    let deadline = Instant::now() + PATIENCE;
    let mut started = false;
    while !started && Instant::now() < deadline && !interrupt::requested() {
        thread::sleep(Duration::from_millis(50));
        started = fs::read_to_string(&console).is_ok_and(|text| text.contains(FIRST_LINE));
        if qemu.try_wait().doing(|| "look at qemu".to_owned())?.is_some() {
            break;
        }
    }
    // Ended by itself is as good.
    let _ = qemu.kill();
    let _ = qemu.wait();
    let _ = fs::remove_file(&console);
    interrupt::check()?;
    Ok(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_until_the_machine_boots_again() {
        for kind in [Acceleration::Kvm, Acceleration::Emulated] {
            assert_eq!(recall(&record(kind, "boot-1\n"), "boot-1\n"), Some(kind));
            assert_eq!(recall(&record(kind, "boot-1\n"), "boot-2\n"), None);
        }
        assert_eq!(recall("", "boot-1\n"), None);
    }
}
