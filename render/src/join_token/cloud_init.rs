//! User-data (cloud-init) that turns a Debian machine into a node.
//!
//! With `install: false` the image already holds containerd, kubelet and kubeadm, and reads containerd's
//! drop-ins in /etc/containerd/conf.d. With `install: true` a script fetches them first.

use serde_json::{Value, json};

use super::JoinInputs;
use crate::content::{CgroupDriver, cgroup_driver, fill};
use crate::minors::Minor;
use crate::settings::Settings;
use crate::yaml;

/// Where the install script is put.
const INSTALLER: &str = "/usr/local/sbin/nagaya-install";

pub(super) fn user_data(inputs: &JoinInputs<'_>, settings: &Settings) -> String {
    let join = inputs.command();
    let document = if inputs.join_token.spec.cloud_init.install {
        let script = installer(inputs, settings);
        // The script ends in its arguments: kubeadm is not run when something could not be installed.
        let command: Vec<&str> =
            std::iter::once(INSTALLER).chain(join.iter().map(String::as_str)).collect();
        json!({
            "write_files": [write_file(INSTALLER, "0755", &script)],
            "runcmd": [command],
        })
    } else {
        let drop_in = fill(
            include_str!("cloud_init/containerd.toml"),
            &[("SystemdCgroup", systemd_cgroup(inputs))],
        );
        json!({
            "write_files": [write_file("/etc/containerd/conf.d/10-nagaya.toml", "0644", &drop_in)],
            "runcmd": [["systemctl", "restart", "containerd"], join],
        })
    };
    format!("#cloud-config\n{}", yaml::write(&document))
}

fn write_file(path: &str, permissions: &str, content: &str) -> Value {
    json!({ "path": path, "permissions": permissions, "content": content })
}

fn installer(inputs: &JoinInputs<'_>, settings: &Settings) -> String {
    let version = inputs.tenant.version;
    let pause = settings.addon_images.resolve(pause_image(inputs.tenant.minor));
    fill(
        include_str!("cloud_init/install.sh"),
        &[
            ("Minor", &format!("1.{}", version.minor)),
            ("Version", version.to_string().trim_start_matches('v')),
            ("PauseImage", &pause),
            ("SystemdCgroup", systemd_cgroup(inputs)),
        ],
    )
}

/// containerd's word for the cgroup driver that the tenant's kubelets use: the two must agree.
fn systemd_cgroup(inputs: &JoinInputs<'_>) -> &'static str {
    match cgroup_driver(inputs.tenant) {
        CgroupDriver::Systemd => "true",
        CgroupDriver::Cgroupfs => "false",
    }
}

/// kubeadm's `constants.PauseVersion` of that minor.
fn pause_image(minor: &Minor) -> &'static str {
    if minor.minor >= 36 { "registry.k8s.io/pause:3.10.2" } else { "registry.k8s.io/pause:3.10.1" }
}
