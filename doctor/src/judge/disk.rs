//! The space that the kubelet wants to be left: below it, it evicts.

use super::versions::KubeletConfig;
use super::{Judgement, failed, not_checked, passed, warning};
use crate::facts::{Disk, Machine};

/// `DefaultEvictionHard` in `pkg/kubelet/eviction/defaults_linux.go`. Where the cluster sets some, the others are not looked at.
const DEFAULTS: [(&str, &str); 4] = [
    ("nodefs.available", "10%"),
    ("nodefs.inodesFree", "5%"),
    ("imagefs.available", "15%"),
    ("imagefs.inodesFree", "5%"),
];
/// What nobody misses: images that no container uses, and old logs.
const MEND: &str = "crictl rmi --prune; journalctl --vacuum-size=100M; du -xh --max-depth=4 / | sort -rh | head -n 20    # says what has the rest";

pub fn space(machine: &Machine, config: Option<&KubeletConfig>) -> Judgement {
    if let Some(disk) = machine.disks.iter().find(|disk| disk.free == 0 || is_out_of_files(disk)) {
        let of = if disk.free == 0 { "is full" } else { "can have no more files" };
        return failed(format!("the disk of {} {of}: kubeadm can write nothing", disk.path), MEND);
    }
    let set = config.and_then(|config| config.eviction_hard.as_ref());
    let wanted = |signal: &str| match set {
        Some(set) => set.get(signal).map(String::as_str),
        None => DEFAULTS.iter().find(|(of, _)| *of == signal).map(|(_, least)| *least),
    };
    let short = machine.disks.iter().find_map(|disk| {
        let of_images = disk.has_images.then_some("imagefs");
        // The kubelet's own file system is nodefs, whatever else is on it.
        let of_kubelet = (disk.path == machine.disks[0].path).then_some("nodefs");
        of_kubelet.into_iter().chain(of_images).find_map(|of| lack(disk, of, wanted))
    });
    match (short, machine.disks.first()) {
        (Some(lack), _) => warning(
            format!("{lack}: the node would say DiskPressure, get no pods, and lose those it has"),
            MEND,
        ),
        (None, Some(disk)) => passed(left(disk)),
        (None, None) => not_checked("no file system says how large it is"),
    }
}

fn is_out_of_files(disk: &Disk) -> bool {
    disk.files > 0 && disk.files_free == 0
}

/// What is missing, in words.
fn lack<'s>(disk: &Disk, of: &str, wanted: impl Fn(&str) -> Option<&'s str>) -> Option<String> {
    let signal = format!("{of}.available");
    if let Some(least) = wanted(&signal)
        && disk.available < amount(least, disk.size)?
    {
        return Some(format!("{}, and kubelets want {least} ({signal})", left(disk)));
    }
    let signal = format!("{of}.inodesFree");
    let least = wanted(&signal)?;
    (disk.files_free < amount(least, disk.files)?).then(|| {
        let (free, all) = (disk.files_free, disk.files);
        let path = &disk.path;
        format!("{free} of {all} inodes of {path} are free, and kubelets want {least} ({signal})")
    })
}

fn left(disk: &Disk) -> String {
    let mebibytes = |bytes: u64| bytes / (1 << 20);
    format!("{} has {} of {} MiB left", disk.path, mebibytes(disk.available), mebibytes(disk.size))
}

/// `10%` of something, or a quantity of Kubernetes; None if it is neither.
fn amount(text: &str, all: u64) -> Option<u64> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().ok()?;
        return Some(rounded(percent / 100.0 * to_float(all)));
    }
    let digits = text.trim_end_matches(|end: char| end.is_ascii_alphabetic());
    let unit: f64 = match &text[digits.len()..] {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => to_float(1 << 10),
        "Mi" => to_float(1 << 20),
        "Gi" => to_float(1 << 30),
        "Ti" => to_float(1 << 40),
        _ => return None,
    };
    Some(rounded(digits.parse::<f64>().ok()? * unit))
}

#[allow(clippy::cast_precision_loss, reason = "a part of a disk")]
fn to_float(number: u64) -> f64 {
    number as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a disk")]
fn rounded(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_part_or_a_quantity() {
        assert_eq!(amount("10%", 1000), Some(100));
        assert_eq!(amount("1Gi", 1000), Some(1 << 30));
        assert_eq!(amount("1.5k", 1000), Some(1500));
        assert_eq!(amount("2", 1000), Some(2));
        assert_eq!(amount("much", 1000), None);
    }
}
